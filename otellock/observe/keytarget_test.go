package observe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

func TestTheFirstDeclaredPatternThatMatchesNamesAKey(t *testing.T) {
	x := newTelemetry(t,
		observe.WithTarget("settings", "lock:projects:*:settings"),
		observe.WithTarget("projects", "lock:projects:*"),
		observe.WithTarget("pairs", "*->*"),
		observe.WithTarget("leader", "leader"),
		observe.WithTarget("literal", "a?[b]\\*"),
	)
	for _, test := range []struct{ key, target string }{
		{"lock:projects:42:settings", "settings (lock:projects:*:settings)"},
		{"lock:projects:eu:42:settings", "settings (lock:projects:*:settings)"},
		{"lock:projects:42:settings:x", "projects (lock:projects:*)"},
		{"lock:projects:42", "projects (lock:projects:*)"},
		{"lock:projects::settings", "projects (lock:projects:*)"}, // a star is one character at least
		{"lock:projects:", "_derived lock:projects:*"},
		{"Lock:projects:42", "_derived *:projects:*"},
		{"xlock:projects:42", "_derived xlock:projects:*"},
		{"a->b", "pairs (*->*)"},
		{"a->b->c", "pairs (*->*)"},
		{"->->->", "pairs (*->*)"},
		{"->b", "_OTHER (*)"},
		{"a->", "_OTHER (*)"},
		{"leader", "leader (leader)"},
		{"leaders", "_OTHER (*)"},
		{"a?[b]\\1", "literal (a?[b]\\*)"},
		{"ax[b]\\1", "_OTHER (*)"},
		{"", "_OTHER (*)"},
	} {
		want := test.target
		if pattern, derived := strings.CutPrefix(want, "_derived "); derived {
			want = "projects (" + pattern + ")"
		}
		if got := x.KeyTarget(test.key).String(); got != want {
			t.Errorf("the target of %q is %s, want %s", test.key, got, want)
		}
	}
}

func TestADeclaredTargetIsOneSeriesWithTheSameByName(t *testing.T) {
	x := newTelemetry(t, observe.WithTarget("reports", "lock:reports:*"))
	for _, target := range []*observe.Target{x.target(t), x.KeyTarget("lock:reports:1"), x.KeyTarget("lock:reports:2")} {
		_, acquire := target.Acquire(t.Context())
		acquire.End(observe.ErrContended)
	}
	if got := x.points(t, "lock.attempts", "lock.target"); len(got) != 1 || got["reports"] != 3 {
		t.Errorf("lock.attempts has %v", got)
	}
}

func TestNewRefusesTargetsThatCannotBeDeclared(t *testing.T) {
	declare := observe.WithTarget
	for name, opts := range map[string][]observe.Option{
		"no name":            {declare("", "lock:*")},
		"kept name":          {declare("_OTHER", "lock:*")},
		"white space":        {declare("a b", "lock:*")},
		"no pattern":         {declare("jobs", "")},
		"pattern too long":   {declare("jobs", strings.Repeat("a", 129))},
		"the same twice":     {declare("jobs", "job:*"), declare("jobs", "job:*")},
		"two for a name":     {declare("jobs", "job:*"), declare("jobs", "lock:*")},
		"two for a pattern":  {declare("jobs", "job:*"), declare("tasks", "job:*")},
		"the second is bad":  {declare("jobs", "job:*"), declare("tasks", "\n")},
		"between other ones": {declare("jobs", "job:*"), observe.WithTTL(time.Second), declare("tasks", "job:*"), declare("a", "a:*")},
	} {
		if o, err := observe.New(opts...); err == nil || o != nil {
			t.Errorf("%s: New returned %v, %v", name, o, err)
		}
	}
}

func TestALockOptionOfNewIsTheDefaultOfEveryTarget(t *testing.T) {
	x := newTelemetry(t, observe.WithFailOpen(true), observe.WithTarget("declared", "a:*"), observe.WithTTL(time.Minute))
	for name, test := range map[string]struct {
		target *observe.Target
		policy string
		ttl    float64
	}{
		"declared at New":    {x.KeyTarget("a:1"), "open", 60},
		"declared by Target": {x.target(t), "open", 60},
		"derived":            {x.KeyTarget("b:1"), "open", 60},
		"with its own":       {x.KeyTarget("a:1", observe.WithFailOpen(false), observe.WithTTL(time.Hour)), "closed", 3600},
	} {
		_, acquire := test.target.TryAcquire(t.Context())
		acquire.End(errDown)
		warnings := x.warnings(t)
		last := warnings[len(warnings)-1]
		if last["lock.failure_policy"] != test.policy || last["lock.ttl"] != test.ttl {
			t.Errorf("%s: the warning has %v, want %s and %v s", name, last, test.policy, test.ttl)
		}
	}
}

func TestAnAcquireCanHaveItsOwnTimeToLiveAndWait(t *testing.T) {
	x := newTelemetry(t, observe.WithTTL(time.Hour))
	_, acquire := x.KeyTarget("a:1").Acquire(t.Context())
	acquire.SetTTL(time.Nanosecond)
	acquire.SetWait(3 * time.Second)
	lease := acquire.End(nil)
	if attrs, _ := x.span(t); attrs["lock.wait.timeout"] != 3.0 {
		t.Errorf("the span has %v", attrs)
	}
	_, release := lease.Release(t.Context())
	release.End(observe.ErrLost)
	if attrs, _ := x.span(t); attrs["error.type"] != "expired" {
		t.Errorf("a lease of a nanosecond is %v", attrs["error.type"])
	}
	if warnings := x.warnings(t); len(warnings) != 1 || warnings[0]["lock.ttl"] != 1e-9 {
		t.Errorf("the warnings are %v", warnings)
	}
	_, acquire = x.KeyTarget("a:1").Acquire(t.Context())
	acquire.End(nil)
	if attrs, _ := x.span(t); attrs["lock.wait.timeout"] != nil {
		t.Errorf("a wait that nobody has told is %v", attrs["lock.wait.timeout"])
	}
}

func TestALeaseCountsFromTheStartThatItsAttemptIsSaidToHave(t *testing.T) {
	x := newTelemetry(t, observe.WithTTL(time.Hour))
	_, acquire := x.KeyTarget("a:1").Acquire(t.Context())
	acquire.RetryAt(time.Now().Add(-2 * time.Hour))
	lease := acquire.End(nil)
	if attrs, _ := x.span(t); attrs["lock.retries"] != int64(1) {
		t.Errorf("the span has %v", attrs)
	}
	_, release := lease.Release(t.Context())
	release.End(observe.ErrLost)
	if attrs, _ := x.span(t); attrs["error.type"] != "expired" || attrs["lock.hold.utilization"].(float64) < 2 {
		t.Errorf("the span has %v", attrs)
	}
}

func TestAWarningHasTheTimeToLiveOfTheLastExtend(t *testing.T) {
	x := newTelemetry(t, observe.WithTTL(time.Minute))
	_, acquire := x.KeyTarget("a:1").Acquire(t.Context())
	lease := acquire.End(nil)
	_, extend := lease.Extend(t.Context(), time.Hour)
	extend.End(nil)
	_, release := lease.Release(t.Context())
	release.End(errDown)
	if warnings := x.warnings(t); len(warnings) != 1 || warnings[0]["lock.ttl"] != 3600.0 {
		t.Errorf("the warnings are %v", warnings)
	}
}

func TestFindingTheTargetOfAKeyAllocatesNothing(t *testing.T) {
	x := newTelemetry(t, observe.WithTarget("settings", "lock:projects:*:settings"), observe.WithTarget("projects", "lock:projects:*"))
	for _, key := range []string{"lock:projects:42", "lock:users:42:x", "42"} {
		x.KeyTarget(key)
		if n := testing.AllocsPerRun(100, func() { x.KeyTarget(key) }); n > 0 {
			t.Errorf("%s: %v allocations", key, n)
		}
	}
}

func BenchmarkKeyTarget(b *testing.B) {
	o, err := observe.New(observe.WithTarget("settings", "lock:projects:*:settings"), observe.WithTarget("projects", "lock:projects:*"))
	if err != nil {
		b.Fatal(err)
	}
	for name, key := range map[string]string{"declared": "lock:projects:3f8a61c2", "derived": "lock:users:3f8a61c2"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				o.KeyTarget(key)
			}
		})
	}
}
