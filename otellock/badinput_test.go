package otellock_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

var sentinels = []error{
	otellock.ErrContended, otellock.ErrBackend, otellock.ErrExpired,
	otellock.ErrLost, otellock.ErrStolen, otellock.ErrClosed,
}

// everyMethod calls all methods of the Mutex that lock, and reports how often a
// function ran under it.
func everyMethod(ctx context.Context, m otellock.Mutex) (errs map[string]error, ran int) {
	fn := func(context.Context) error { ran++; return nil }
	errs = map[string]error{"Do": m.Do(ctx, fn)}
	var lease *otellock.Lease
	var ok bool
	if ok, errs["TryDo"] = m.TryDo(ctx, fn); ok {
		ran++
	}
	if lease, errs["Lock"] = m.Lock(ctx); lease != nil {
		ran++
		_ = lease.Release(ctx)
	}
	if lease, ok, errs["TryLock"] = m.TryLock(ctx); ok || lease != nil {
		ran++
		_ = lease.Release(ctx)
	}
	_, errs["generic Do"] = otellock.Do(ctx, m, func(context.Context) (int, error) { ran++; return 1, nil })
	return errs, ran
}

// expectInvalid fails unless every method refuses the Mutex with an error that
// says want and none of the secrets.
func expectInvalid(t *testing.T, m otellock.Mutex, want string, secrets ...string) {
	t.Helper()
	errs, ran := everyMethod(context.Background(), m)
	if ran != 0 {
		t.Errorf("a function ran or a lease was given %d times", ran)
	}
	for method, err := range errs {
		var e *otellock.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v is no *otellock.Error", method, err)
			continue
		}
		if e.Type != "invalid" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q has Type %q; want invalid, and the text %q", method, err, e.Type, want)
		}
		for _, s := range sentinels {
			if errors.Is(err, s) {
				t.Errorf("%s: %v passes for %v", method, err, s)
			}
		}
		for _, secret := range secrets {
			expectWithout(t, method, secret, err, m)
		}
	}
}

// expectWithout fails if any way of printing the values shows the secret.
func expectWithout(t testing.TB, what, secret string, values ...any) {
	t.Helper()
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, secret) {
				t.Errorf("%s: %s of a %T shows %q: %s", what, verb, v, secret, out)
			}
		}
	}
}

func TestBadOptionsAreRefusedAtEveryLevelByName(t *testing.T) {
	for _, c := range []struct {
		name, want string
		opts       []otellock.LockOption
	}{
		{"TTL of zero", "WithTTL(0s)", []otellock.LockOption{otellock.WithTTL(0)}},
		{"negative TTL", "WithTTL(-1s)", []otellock.LockOption{otellock.WithTTL(-time.Second)}},
		{"TTL below 1 ms", "WithTTL(999µs)", []otellock.LockOption{otellock.WithTTL(999 * time.Microsecond), otellock.WithAttemptTimeout(time.Microsecond)}},
		{"TTL below the attempt timeout", "WithTTL(100ms)", []otellock.LockOption{otellock.WithTTL(100 * time.Millisecond), otellock.WithAttemptTimeout(250 * time.Millisecond)}},
		{"TTL of the attempt timeout", "WithTTL(250ms)", []otellock.LockOption{otellock.WithTTL(250 * time.Millisecond), otellock.WithAttemptTimeout(250 * time.Millisecond)}},
		{"TTL that overflows a time", "WithTTL(2562047h47m16.854775807s)", []otellock.LockOption{otellock.WithTTL(math.MaxInt64)}},
		{"attempt timeout of the TTL", "attempt timeout of 10s", []otellock.LockOption{otellock.WithAttemptTimeout(10 * time.Second)}},
		{"attempt timeout of zero", "WithAttemptTimeout(0s)", []otellock.LockOption{otellock.WithAttemptTimeout(0)}},
		{"negative attempt timeout", "WithAttemptTimeout(-1s)", []otellock.LockOption{otellock.WithAttemptTimeout(-time.Second)}},
		{"negative wait", "WithWait(-1ns)", []otellock.LockOption{otellock.WithWait(-1)}},
		{"backoff of zero", "WithBackoff(0s, 1s)", []otellock.LockOption{otellock.WithBackoff(0, time.Second)}},
		{"negative backoff", "WithBackoff(-1s, 1s)", []otellock.LockOption{otellock.WithBackoff(-time.Second, time.Second)}},
		{"backoff above its limit", "WithBackoff(2s, 1s)", []otellock.LockOption{otellock.WithBackoff(2*time.Second, time.Second)}},
		{"backoff without a limit", "WithBackoff(1s, 0s)", []otellock.LockOption{otellock.WithBackoff(time.Second, 0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTelemetry()
			atNew := make([]otellock.Option, len(c.opts))
			for i, opt := range c.opts {
				atNew[i] = opt
			}
			if l, err := otellock.New(memorybackend.New(), x.Options(atNew...)...); l != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New: %v, %v; want an error that says %q", l, err, c.want)
			}

			l := newLocker(t, memorybackend.New(), x.Options()...)
			if target, err := l.Target("projects", "lock:projects:*", c.opts...); target != nil || err == nil ||
				!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "projects") {
				t.Errorf("Target: %v, %v; want an error that says %q and the target", target, err, c.want)
			}

			// The refused declaration left nothing: the name takes any pattern.
			good := newTarget(t, l, "projects", "job:projects:*").Mutex("marker-id")
			expectInvalid(t, good.With(c.opts...), c.want, "marker-id")
			expectNothingCounted(t, x)
			expectUsable(t, good)
		})
	}
}

func TestBadNamesAndPatternsAreRefusedAtDeclaration(t *testing.T) {
	const goodName, goodPattern = "projects", "lock:projects:*"
	long := strings.Repeat("n", 65)
	for _, c := range []struct{ what, name, pattern, want string }{
		{"empty name", "", goodPattern, "target name is empty"},
		{"long name", long, goodPattern, "target name has 65 bytes"},
		{"name with a control character", "pro\x00jects", goodPattern, "target name must be"},
		{"name with a new line", "pro\njects", goodPattern, "target name must be"},
		{"name with a space", "my projects", goodPattern, "target name must be"},
		{"name with an escape", "\x1b[31mred", goodPattern, "target name must be"},
		{"name that is no UTF-8", "pro\xffjects", goodPattern, "target name must be"},
		{"reserved name", "_OTHER", goodPattern, `"_OTHER" is kept`},
		{"empty pattern", goodName, "", "key pattern is empty"},
		{"long pattern", goodName, strings.Repeat("p", 129), "key pattern has 129 bytes"},
		{"pattern with a control character", goodName, "lock:\x7f:*", "key pattern must be"},
		{"pattern with a space", goodName, "lock: *", "key pattern must be"},
		{"pattern that is no UTF-8", goodName, "lock:\xc3:*", "key pattern must be"},
		{"two stars", goodName, "lock:**", `has "**"`},
		{"three stars", goodName, "lock:***:x", `has "**"`},
		{"percent", goodName, "lock:%3A:*", "has a '%'"},
		{"open brace", goodName, "lock:{*", "not balanced"},
		{"closed brace", goodName, "lock:*}", "not balanced"},
		{"braces the wrong way round", goodName, "lock:}*{", "not balanced"},
		{"nested braces", goodName, "lock:{{*}}", "not balanced"},
		{"brace in braces", goodName, "lock:{a{*}", "not balanced"},
		{"empty hash tag", goodName, "lock:{}:*", `empty hash tag "{}"`},
	} {
		t.Run(c.what, func(t *testing.T) {
			x := newTelemetry()
			l := newLocker(t, memorybackend.New(), x.Options()...)
			target, err := l.Target(c.name, c.pattern)
			if target != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, %v; want an error that says %q", target, err, c.want)
			}
			if text := err.Error(); len(text) > 400 || strings.ContainsAny(text, "\x00\n\x1b\x7f") {
				t.Errorf("the error is not fit to print: %q", text)
			}
			expectNothingCounted(t, x)
			expectUsable(t, newTarget(t, l, goodName, goodPattern).Mutex("1"))
		})
	}
}

func TestATargetKeepsItsFirstPattern(t *testing.T) {
	l := newLocker(t, memorybackend.New(), newTelemetry().Options()...)
	first := newTarget(t, l, "projects", "lock:projects:*")
	_, err := l.Target("projects", "lock:tenants:*")
	if err == nil || !strings.Contains(err.Error(), "lock:projects:*") || !strings.Contains(err.Error(), "lock:tenants:*") {
		t.Fatalf("another pattern: %v; want an error that names both", err)
	}
	again := newTarget(t, l, "projects", "lock:projects:*", otellock.WithTTL(time.Minute))
	expectUsable(t, first.Mutex("1"))
	expectUsable(t, again.Mutex("1"))
}

func TestBadBackendsAreRefused(t *testing.T) {
	var typedNil *memorybackend.Backend
	var nilFunc funcBackend
	for name, b := range map[string]otellock.Backend{"nil": nil, "nil pointer": typedNil, "nil function": nilFunc} {
		if l, err := otellock.New(b); l != nil || err == nil || !strings.Contains(err.Error(), "backend is nil") {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
	for _, name := range []string{"re dis", "re\ndis", "\xff", strings.Repeat("x", 1<<20)} {
		l, err := otellock.New(memorybackend.New(), otellock.WithBackendName(name))
		if l != nil || err == nil || !strings.Contains(err.Error(), "WithBackendName(") {
			t.Errorf("%.20q: %v, %v", name, l, err)
		}
		if err != nil && (len(err.Error()) > 400 || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%.20q: the error is not fit to print: %.100q", name, err)
		}
	}
}

// A funcBackend is a backend of a kind other than a pointer.
type funcBackend func()

func (funcBackend) Acquire(context.Context, otellock.Claim) (otellock.Grant, error) {
	return otellock.Grant{}, nil
}
func (funcBackend) Extend(context.Context, otellock.Claim) error  { return nil }
func (funcBackend) Release(context.Context, otellock.Claim) error { return nil }

func TestBadIDsAndKeysAreRefusedByEveryMethodOfTheMutex(t *testing.T) {
	x := newTelemetry()
	l := newLocker(t, memorybackend.New(), x.Options()...)
	two := newTarget(t, l, "projects", "lock:{*}:projects:*")
	nightly := newTarget(t, l, "cron", "lock:cron:nightly")
	var none *otellock.Target
	const secret = "marker-7f3a"
	for _, c := range []struct {
		what string
		m    otellock.Mutex
		want string
	}{
		{"no id", two.Mutex(), "got 0 ids, the key pattern lock:{*}:projects:* wants 2"},
		{"too few ids", two.Mutex(secret), "got 1 ids, the key pattern lock:{*}:projects:* wants 2"},
		{"too many ids", two.Mutex(secret, "b", "c"), "got 3 ids"},
		{"an id for a singleton", nightly.Mutex(secret), "got 1 ids, the key pattern lock:cron:nightly wants 0"},
		{"first id empty", two.Mutex("", secret), "id 1 of the key pattern lock:{*}:projects:* is empty"},
		{"last id empty", two.Mutex(secret, ""), "id 2 of the key pattern lock:{*}:projects:* is empty"},
		{"key of another pattern", two.KeyMutex("lock:" + secret), "does not match the declared pattern lock:{*}:projects:*"},
		{"key without its id", two.KeyMutex("lock:{" + secret + "}:projects:"), "does not match the declared pattern"},
		{"empty key", two.KeyMutex(""), "does not match the declared pattern"},
		{"other key of a singleton", nightly.KeyMutex("lock:cron:nightly:" + secret), "does not match the declared pattern lock:cron:nightly"},
		{"empty key of nobody", l.UndeclaredMutex(""), "key is empty"},
		{"zero Mutex", otellock.Mutex{}, "Mutex is zero"},
		{"zero Mutex with options", otellock.Mutex{}.With(otellock.WithTTL(time.Minute)), "Mutex is zero"},
		{"Mutex of a nil Target", none.Mutex(secret), "Mutex is zero"},
		{"KeyMutex of a nil Target", none.KeyMutex(secret), "Mutex is zero"},
		{"bad id, then a good option", two.Mutex(secret).With(otellock.WithTTL(time.Minute)), "got 1 ids"},
		{"bad id, then a bad option", two.Mutex(secret).With(otellock.WithTTL(0)), "got 1 ids"},
		{"bad option, then a good one", two.Mutex(secret, "1").With(otellock.WithTTL(0)).With(otellock.WithTTL(time.Minute)), "WithTTL(0s)"},
	} {
		t.Run(c.what, func(t *testing.T) {
			expectInvalid(t, c.m, c.want, secret)
			expectNothingCounted(t, x)
		})
	}
	expectUsable(t, two.Mutex("a", "b"))
	expectUsable(t, two.KeyMutex("lock:{a}:projects:b"))
	expectUsable(t, nightly.Mutex())
	if none.String() == "" {
		t.Error("a nil Target has no text")
	}
}

func TestANilFunctionIsRefusedBeforeTheLockIsTaken(t *testing.T) {
	x := newTelemetry()
	l := newLocker(t, memorybackend.New(), x.Options()...)
	m := newTarget(t, l, "projects", "lock:projects:*").Mutex("marker-id")
	ctx := context.Background()
	ran, err := m.TryDo(ctx, nil)
	if ran {
		t.Error("TryDo says that nil ran")
	}
	_, generic := otellock.Do[int](ctx, m, nil)
	for method, err := range map[string]error{"Do": m.Do(ctx, nil), "TryDo": err, "generic Do": generic} {
		if err == nil || !strings.Contains(err.Error(), "function is nil") || strings.Contains(err.Error(), "marker-id") {
			t.Errorf("%s: %v", method, err)
		}
	}
	expectNothingCounted(t, x)
	expectUsable(t, m)
}

func TestNilOptionsAreIgnored(t *testing.T) {
	x := newTelemetry()
	l := newLocker(t, memorybackend.New(), x.Options(nil,
		otellock.WithLogger(nil), otellock.WithThrottle(nil), otellock.WithBackendName(""))...)
	target := newTarget(t, l, "projects", "lock:projects:*", nil, otellock.WithLogger(nil))
	expectUsable(t, target.Mutex("1").With(nil))
	if got := x.Attempts(t); got[attempt{"acquire", "acquired"}] == 0 {
		t.Errorf("nil options cost the telemetry: %v", got)
	}
}

func TestANilProviderDoesNotReplaceOne(t *testing.T) {
	x := newTelemetry()
	l := newLocker(t, memorybackend.New(), x.Options(
		otellock.WithTracerProvider(nil), otellock.WithMeterProvider(nil), otellock.WithLoggerProvider(nil))...)
	m := newTarget(t, l, "projects", "lock:projects:*").Mutex("1")
	expectUsable(t, m)
	if len(x.Ended("acquire projects")) == 0 || len(x.Attempts(t)) == 0 {
		t.Error("a nil provider took the place of the one before it")
	}
}

func TestExtendingByABadTTLLeavesTheLease(t *testing.T) {
	x := newTelemetry()
	l := newLocker(t, memorybackend.New(), x.Options()...)
	ctx := context.Background()
	lease, err := newTarget(t, l, "projects", "lock:projects:*").Mutex("marker-id").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	before, counted := lease.Deadline(), x.Attempts(t)
	for _, ttl := range []time.Duration{0, -time.Second, 100 * time.Microsecond, math.MaxInt64} {
		err := lease.Extend(ctx, ttl)
		if err == nil || !strings.Contains(err.Error(), ttl.String()) || strings.Contains(err.Error(), "marker-id") {
			t.Errorf("Extend(%v): %v", ttl, err)
		}
	}
	if after := lease.Deadline(); !after.Equal(before) || !lease.Protected() {
		t.Errorf("the deadline moved from %v to %v, protected %t", before, after, lease.Protected())
	}
	if got := x.Attempts(t); !maps.Equal(got, counted) {
		t.Errorf("counted %v, before %v", got, counted)
	}
	if err := lease.Release(ctx); err != nil {
		t.Error(err)
	}
}

// expectNothingCounted fails if any operation was counted, traced or reported.
func expectNothingCounted(t *testing.T, x *telemetry) {
	t.Helper()
	if got := x.Attempts(t); len(got) != 0 {
		t.Errorf("counted %v", got)
	}
	if got := x.Reports(t); len(got) != 0 {
		t.Errorf("reports counted: %v", got)
	}
	if got := x.Spans.Started(); len(got) != 0 {
		t.Errorf("%d spans, the first is %q", len(got), got[0].Name())
	}
	if got := x.Logs.All(); len(got) != 0 {
		t.Errorf("%d records", len(got))
	}
}

// expectUsable fails unless every method takes and releases the lock.
func expectUsable(t *testing.T, m otellock.Mutex) {
	t.Helper()
	errs, ran := everyMethod(context.Background(), m)
	for method, err := range errs {
		if err != nil {
			t.Errorf("%v: %s: %v", m, method, err)
		}
	}
	if want := 6; ran != want { // TryDo counts by its function and by its result
		t.Errorf("%v: ran %d times, want %d", m, ran, want)
	}
}
