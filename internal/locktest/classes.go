package locktest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// AttemptTimeout is the Locker's default.
const AttemptTimeout = 250 * time.Millisecond

// Marked is a claim that a text shows if it shows a key or a token.
var Marked = otellock.Claim{Key: "key-marker", Token: "token-marker", TTL: time.Minute}

// Operations calls every method with the attempt's deadline and returns the errors.
func Operations(b otellock.Backend) map[string]error {
	in := func(f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(context.Background(), AttemptTimeout)
		defer cancel()
		return f(ctx)
	}
	return map[string]error{
		"Acquire": in(func(ctx context.Context) error {
			_, err := b.Acquire(ctx, Marked)
			return err
		}),
		"Acquire, again": in(func(ctx context.Context) error {
			_, err := b.Acquire(ctx, Again(Marked))
			return err
		}),
		"Extend":  in(func(ctx context.Context) error { return b.Extend(ctx, Marked) }),
		"Release": in(func(ctx context.Context) error { return b.Release(ctx, Marked) }),
	}
}

// CheckClass checks the class that the Locker gives the error, and that its text
// is made of constants, after the name of the package, and the raw cause is reachable only by unwrapping.
func CheckClass(t testing.TB, pkg, operation string, err error, class string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %s", operation, class)
		return
	}
	if got := ClassOf(t, err); got != class {
		t.Errorf("%s: class %s of %v, want %s", operation, got, errors.Unwrap(err), class)
	}
	want := pkg + ": the command failed"
	var own interface{ ErrorType() string }
	if errors.As(err, &own) {
		want = pkg + ": " + own.ErrorType()
	}
	if got := err.Error(); got != want {
		t.Errorf("%s: text %q, want %q", operation, got, want)
	}
	if errors.Unwrap(err) == nil {
		t.Errorf("%s: the cause is lost", operation)
	}
}

// ClassOf returns what the Locker makes of an error of its backend.
func ClassOf(t testing.TB, err error) string {
	t.Helper()
	b := memorybackend.New()
	b.Fail(err)
	locker, newErr := otellock.New(b, otellock.WithFailClosed(true), otellock.WithLogger(slog.New(slog.DiscardHandler)))
	if newErr != nil {
		t.Fatal(newErr)
	}
	defer func() { // gives up what it would clean up, for the backend never works again
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = locker.Close(ctx)
	}()
	target, targetErr := locker.Target("t", "t")
	if targetErr != nil {
		t.Fatal(targetErr)
	}
	_, _, tryErr := target.Mutex().TryLock(context.Background())
	var failed *otellock.Error
	if !errors.As(tryErr, &failed) {
		t.Fatalf("TryLock: %v", tryErr)
	}
	return failed.Type
}

// Warm makes the server learn the scripts, so that one operation is one command.
func Warm(t testing.TB, b otellock.Backend) {
	t.Helper()
	c := otellock.Claim{Key: "warm", Token: "t", TTL: time.Minute}
	for _, c := range []otellock.Claim{c, Again(c)} {
		if g, err := b.Acquire(Patient(t), c); err != nil || !g.Acquired {
			t.Fatalf("Acquire: %v, %v", g, err)
		}
	}
	if err := b.Extend(Patient(t), c); err != nil {
		t.Fatal(err)
	}
	if err := b.Release(Patient(t), c); err != nil {
		t.Fatal(err)
	}
}

// Again returns the claim as the Locker makes it after a first attempt.
func Again(c otellock.Claim) otellock.Claim {
	c.Again = true
	return c
}

// Patient returns a context that leaves a client all the time to repeat itself.
func Patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
