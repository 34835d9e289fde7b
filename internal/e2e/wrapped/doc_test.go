// Package wrapped tests the packages that wrap other people's locks, on real servers:
// that nothing changes for who uses the peer, and that everything is told.
package wrapped

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/otellock/observe"
)

const (
	wait = 10 * time.Second // for what a busy machine takes some time for
	long = time.Minute      // a time to live that does not pass
)

// observed returns the options of a wrapper that emits to x.
func observed(x *locktest.Telemetry, more ...observe.Option) []observe.Option {
	return append([]observe.Option{
		observe.WithTracerProvider(x.Tracers),
		observe.WithMeterProvider(x.Meters),
		observe.WithLoggerProvider(x.Loggers),
		observe.WithTarget("projects", "lock:projects:*"),
	}, more...)
}

const (
	secret = "lock:projects:secret" // a declared key
	span   = " projects"
)

// A told is what one operation must tell: lock.attempts, and its span.
type told struct {
	operation, outcome, errorType string
	retries                       int64
}

// checkTold compares lock.attempts, the last span of each operation and the number of
// warnings, and looks for the key in all of them.
func checkTold(t *testing.T, x *locktest.Telemetry, want ...told) {
	t.Helper()
	counts, warnings := map[locktest.Attempt]int64{}, 0
	last := map[string]told{}
	for _, w := range want {
		attempt := locktest.Attempt{w.operation, w.outcome, w.errorType, ""}
		if w.errorType != "" {
			attempt[3] = "closed"
			warnings++
		}
		counts[attempt]++
		if w.outcome != "abandoned" {
			last[w.operation] = w
		}
	}
	locktest.Eventually(t, fmt.Sprintf("%d warnings", warnings), func() bool { return len(x.Warnings()) >= warnings })
	if got := x.Attempts(t); fmt.Sprint(got) != fmt.Sprint(counts) {
		t.Errorf("lock.attempts is %v, want %v", got, counts)
	}
	for operation, w := range last {
		spans := x.Ended(operation + span)
		if len(spans) == 0 {
			t.Errorf("there is no span %q", operation+span)
			continue
		}
		attrs := locktest.PlainAttributes(spans[len(spans)-1].Attributes())
		got := told{operation: operation, outcome: fmt.Sprint(attrs["lock.outcome"]), retries: attrs["lock.retries"].(int64)}
		got.errorType, _ = attrs["error.type"].(string)
		if got != w {
			t.Errorf("the span says %+v, want %+v", got, w)
		}
		if attrs["lock.backend.name"] != "redis" || attrs["lock.key_pattern"] != "lock:projects:*" {
			t.Errorf("the span has %v", attrs)
		}
	}
	if got := x.Warnings(); len(got) != warnings {
		t.Errorf("there are %d warnings, want %d: %v", len(got), warnings, got)
	}
	checkNoKey(t, x)
}

// checkNoKey looks for the key in everything that was emitted.
func checkNoKey(t *testing.T, x *locktest.Telemetry) {
	t.Helper()
	var all []string
	for _, s := range x.Spans.Ended() {
		all = append(all, fmt.Sprint(s.Name(), s.Attributes(), s.Events(), s.Status()))
	}
	for _, r := range x.Logs.All() {
		all = append(all, r.Body().String(), fmt.Sprint(locktest.RecordAttributes(r)))
	}
	for _, m := range x.Collect(t).ScopeMetrics {
		all = append(all, fmt.Sprint(m.Metrics))
	}
	for _, text := range all {
		if containsAny(text, "secret", "token-of-mine") {
			t.Errorf("the key or the token is in %s", text)
		}
	}
}

// recorded returns how often a histogram of the target was recorded.
func recorded(t *testing.T, x *locktest.Telemetry, metric string) (n uint64) {
	t.Helper()
	for _, p := range x.Histogram(t, metric) {
		n += p.Count
	}
	return n
}

// gauge waits until an up-down counter has the value.
func gauge(t *testing.T, x *locktest.Telemetry, name string, value int64) {
	t.Helper()
	locktest.Eventually(t, fmt.Sprintf("%s is %d", name, value), func() bool { return x.Total(t, name) == value })
}

// canceled returns a context that has ended.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}
