package observe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

func TestWhatIsEmittedAsItIsMustBeBounded(t *testing.T) {
	long := strings.Repeat("a", 200)
	for _, name := range []string{"", long, "a b", "a\n", "a\x00", "\xff"} {
		if o, err := observe.New(observe.WithBackendName(name)); err == nil || o != nil || strings.Contains(err.Error(), long) {
			t.Errorf("New(WithBackendName(%.9q)) = %v, %v", name, o, err)
		}
	}
	o, err := observe.New()
	if err != nil || o.BackendName() != "_OTHER" {
		t.Fatalf("New() is on %q, %v", o.BackendName(), err)
	}
	for _, test := range []struct{ name, pattern string }{
		{"", "lock:*"}, {long, "lock:*"}, {"a b", "lock:*"}, {"_OTHER", "lock:*"}, {"\xff", "lock:*"},
		{"jobs", ""}, {"jobs", long}, {"jobs", "lock: *"}, {"jobs", "lock:\n"},
	} {
		if target, err := o.Target(test.name, test.pattern); err == nil || target != nil {
			t.Errorf("Target(%.9q, %.9q) = %v, %v", test.name, test.pattern, target, err)
		}
	}
}

func TestANameHasOnePattern(t *testing.T) {
	x := newTelemetry(t)
	first := x.target(t)
	if again := x.target(t, observe.WithTTL(time.Hour)); again.String() != first.String() || first.String() != "reports (lock:reports:*)" {
		t.Errorf("declared again, the target is %v, before %v", again, first)
	}
	if target, err := x.Target("reports", "lock:other:*"); err == nil || target != nil {
		t.Errorf("declared with another pattern, it is %v, %v", target, err)
	}
}

func TestWithChangesACopyOnly(t *testing.T) {
	x := newTelemetry(t)
	target := x.target(t, observe.WithWait(time.Second))
	changed := target.With(observe.WithWait(2*time.Second), observe.WithFailOpen(true), nil)
	for _, test := range []struct {
		target *observe.Target
		wait   float64
		policy string
	}{{changed, 2, "open"}, {target, 1, "closed"}} {
		_, acquire := test.target.Acquire(t.Context())
		acquire.End(errDown)
		attrs, _ := x.span(t)
		if attrs["lock.wait.timeout"] != test.wait || attrs["lock.failure_policy"] != test.policy {
			t.Errorf("the span has %v, want %v s and %s", attrs, test.wait, test.policy)
		}
	}
}

func TestTargetsAboveTheCapsShareOneName(t *testing.T) {
	const many, limit = 250, 200
	x := newTelemetry(t)
	for i := range many {
		target, err := x.Target(fmt.Sprint("target-", i), "lock:*")
		if err != nil {
			t.Fatal(err)
		}
		word := string(rune('a'+i/26)) + string(rune('a'+i%26))
		for _, target := range []*observe.Target{target, x.KeyTarget("lock:" + word + ":secret"), x.KeyTarget("lock:" + word + ":42")} {
			_, acquire := target.Acquire(t.Context())
			acquire.End(observe.ErrContended)
		}
	}
	names := x.points(t, "lock.attempts", "lock.target")
	if rest := int64(3 * (many - limit)); len(names) != 2*limit+1 || names["_OTHER"] != rest {
		t.Errorf("%d names, %d operations of the rest; want %d and %d", len(names), names["_OTHER"], 2*limit+1, rest)
	}
	for _, span := range x.spans.Ended() {
		if s := fmt.Sprint(span.Name(), span.Attributes()); strings.Contains(s, "secret") {
			t.Fatalf("a span has the key: %s", s)
		}
	}
}
