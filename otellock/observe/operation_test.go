package observe_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/otellock/observe"
)

var errDown = errors.New("lock:reports:secret: the disk is full")

func TestAnAcquireEndsByItsError(t *testing.T) {
	for _, test := range []struct {
		name   string
		begin  func(*observe.Target, context.Context) (context.Context, observe.Acquire)
		err    error
		opts   []observe.LockOption
		want   string // lock.attempts
		failed bool
	}{
		{"granted", (*observe.Target).Acquire, nil, nil, "acquire acquired", false},
		{"busy for one who waits", (*observe.Target).Acquire, fmt.Errorf("row locked: %w", observe.ErrContended), nil, "acquire contended", false},
		{"busy for one who tries", (*observe.Target).TryAcquire, observe.ErrContended, nil, "acquire skipped", false},
		{"cancelled", (*observe.Target).Acquire, fmt.Errorf("sql: %w", context.Canceled), nil, "acquire canceled", false},
		{"past its deadline", (*observe.Target).Acquire, context.DeadlineExceeded, nil, "acquire canceled", false},
		{"a class that nobody knows, around a cancellation", (*observe.Target).Acquire, classed{"mine", context.Canceled}, nil, "acquire canceled", false},
		{"a class, around a deadline", (*observe.Target).Acquire, classed{"timeout", context.DeadlineExceeded}, nil, "acquire backend_error timeout closed", true},
		{"a timeout of the lock's own, while the caller waits on", (*observe.Target).Acquire, fmt.Errorf("sql: %w", context.DeadlineExceeded), nil, "acquire backend_error timeout closed", true},
		{"a failure", (*observe.Target).Acquire, errDown, nil, "acquire backend_error _OTHER closed", true},
		{"a failure of a try", (*observe.Target).TryAcquire, errDown, nil, "acquire backend_error _OTHER closed", true},
		{"a failure, WithFailOpen", (*observe.Target).Acquire, errDown, []observe.LockOption{observe.WithFailOpen(true)}, "acquire backend_error _OTHER open", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := newTelemetry(t)
			callers, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.want == "acquire canceled" {
				cancel()
			}
			ctx, acquire := test.begin(x.target(t, test.opts...), callers)
			inside := trace.SpanContextFromContext(ctx).SpanID()
			acquire.Wait()
			acquire.Wait()
			if n := x.total(t, "lock.waiting"); n != 1 {
				t.Errorf("lock.waiting is %d while the caller waits, want 1", n)
			}
			acquire.Retry()
			lease := acquire.End(test.err)

			if got := x.attempts(t); !maps.Equal(got, map[string]int64{test.want: 1}) {
				t.Errorf("lock.attempts is %v, want %s once", got, test.want)
			}
			if held := x.total(t, "lock.held"); (lease != nil) != (test.err == nil) || (lease != nil) != (held == 1) {
				t.Errorf("there is a lease: %t, and lock.held is %d", lease != nil, held)
			}
			if n := x.total(t, "lock.waiting"); n != 0 {
				t.Errorf("lock.waiting is %d after the end, want 0", n)
			}
			attrs, span := x.span(t)
			if span.SpanContext().SpanID() != inside || span.Name() != "acquire reports" || attrs["lock.retries"] != int64(1) {
				t.Errorf("the span is %q with %v, or not that of the context", span.Name(), attrs)
			}
			if failed := span.Status().Code == codes.Error; failed != test.failed || len(span.Events()) == 1 != test.failed {
				t.Errorf("the span says failed: %t with %d events, want %t", failed, len(span.Events()), test.failed)
			}
			if warnings := x.warnings(t); len(warnings) == 1 != test.failed {
				t.Errorf("the warnings are %v; failed: %t", warnings, test.failed)
			}
		})
	}
}

// Who is refused is told so, though others of the target run unprotected.
func TestARefusedAcquireIsClosedWhateverThePolicy(t *testing.T) {
	x := newTelemetry(t)
	_, acquire := x.target(t, observe.WithFailOpen(true)).Acquire(t.Context())
	acquire.Refuse()
	acquire.End(errDown)
	if got := x.attempts(t); got["acquire backend_error _OTHER closed"] != 1 {
		t.Errorf("lock.attempts is %v", got)
	}
	if w := x.warnings(t); len(w) != 1 || w[0]["lock.failure_policy"] != "closed" {
		t.Errorf("the warnings are %v", w)
	}
}

// What happens to a lease of 10 s, and what is said of it.
func TestALeaseEndsByItsErrorAndItsTime(t *testing.T) {
	const ttl = 10 * time.Second
	extend := func(lease *observe.Lease, ttl time.Duration, err error) {
		_, op := lease.Extend(context.Background(), ttl)
		op.End(err)
	}
	for _, test := range []struct {
		name        string
		ttl         time.Duration
		during      func(*observe.Lease)
		held        time.Duration // until the release
		err         error
		want        map[string]int64
		utilization float64 // 0: none
		warnings    int
	}{
		{"released", ttl, nil, 2 * time.Second, nil, map[string]int64{"release released": 1}, 0.2, 0},
		{"released late", ttl, nil, 20 * time.Second, nil, map[string]int64{"release released": 1}, 2, 0},
		{"failed", ttl, nil, 2 * time.Second, errDown, map[string]int64{"release release_error _OTHER closed": 1}, 0.2, 1},
		{"cancelled", ttl, nil, 2 * time.Second, context.DeadlineExceeded, map[string]int64{"release release_error timeout closed": 1}, 0.2, 1},
		{"lost before its time", ttl, nil, ttl - 1, observe.ErrLost, map[string]int64{"release release_error lost closed": 1}, 1, 1},
		{"lost at its time", ttl, nil, ttl, observe.ErrLost, map[string]int64{"release release_error expired closed": 1}, 1, 1},
		{"stolen after its time", ttl, nil, 2 * ttl, fmt.Errorf("row: %w", observe.ErrStolen), map[string]int64{"release release_error stolen closed": 1}, 2, 1},
		{"expired, by the lock's word", ttl, nil, time.Second, observe.ErrExpired, map[string]int64{"release release_error expired closed": 1}, 0.1, 1},
		{"lost without a time to live", 0, nil, time.Hour, observe.ErrLost, map[string]int64{"release release_error lost closed": 1}, 0, 1},
		{"extended", ttl, func(l *observe.Lease) { time.Sleep(6 * time.Second); extend(l, 14*time.Second, nil) }, 15 * time.Second, observe.ErrLost,
			map[string]int64{"extend extended": 1, "release release_error lost closed": 1}, 0.75, 1},
		{"extended to less", ttl, func(l *observe.Lease) { extend(l, 2*time.Second, nil) }, 3 * time.Second, observe.ErrLost,
			map[string]int64{"extend extended": 1, "release release_error expired closed": 1}, 1.5, 1},
		{"an extend that failed moves nothing", ttl, func(l *observe.Lease) { extend(l, time.Hour, errDown) }, ttl, observe.ErrLost,
			map[string]int64{"extend extend_error _OTHER closed": 1, "release release_error expired closed": 1}, 1, 2},
		{"a loss that an extend told of", ttl, func(l *observe.Lease) { extend(l, ttl, observe.ErrStolen) }, time.Second, observe.ErrStolen,
			map[string]int64{"extend extend_error stolen closed": 1, "release release_error stolen closed": 1}, 0.1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTelemetry(t)
				_, acquire := x.target(t, observe.WithTTL(test.ttl)).Acquire(t.Context())
				lease := acquire.End(nil)
				start := time.Now()
				if test.during != nil {
					test.during(lease)
				}
				time.Sleep(test.held - time.Since(start))
				_, release := lease.Release(t.Context())
				release.Retry()
				release.End(test.err)

				test.want["acquire acquired"] = 1
				if got := x.attempts(t); !maps.Equal(got, test.want) {
					t.Errorf("lock.attempts is %v, want %v", got, test.want)
				}
				attrs, _ := x.span(t)
				utilization, _ := attrs["lock.hold.utilization"].(float64)
				if diff := utilization - test.utilization; diff > 1e-6 || diff < -1e-6 {
					t.Errorf("the utilization is %v, want %v", utilization, test.utilization)
				}
				if attrs["lock.hold.duration"] != test.held.Seconds() || attrs["lock.retries"] != int64(1) {
					t.Errorf("the span of the release has %v", attrs)
				}
				if n := x.total(t, "lock.hold.utilization"); n == 1 != (test.utilization > 0) {
					t.Errorf("lock.hold.utilization has %d values", n)
				}
				if n, held := x.total(t, "lock.hold.duration"), x.total(t, "lock.held"); n != 1 || held != 0 {
					t.Errorf("lock.hold.duration has %d values, lock.held is %d", n, held)
				}
				if w := x.warnings(t); len(w) != test.warnings {
					t.Errorf("%d warnings, want %d: %v", len(w), test.warnings, w)
				}
				reports := x.points(t, "lock.reports", "lock.report.result")
				if told := test.name == "a loss that an extend told of"; reports["suppressed"] == 1 != told {
					t.Errorf("lock.reports is %v", reports)
				}
			})
		})
	}
}

func TestALeaseCountsFromTheAttemptThatWasGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTelemetry(t)
		_, acquire := x.target(t, observe.WithTTL(10*time.Second)).Acquire(t.Context())
		acquire.Wait()
		time.Sleep(30 * time.Second)
		acquire.Retry()
		time.Sleep(time.Second) // the grant is on its way
		lease := acquire.End(nil)
		time.Sleep(4 * time.Second)
		_, release := lease.Release(t.Context())
		release.End(nil)
		attrs, _ := x.span(t)
		if attrs["lock.hold.duration"] != 4.0 || attrs["lock.hold.utilization"] != 0.5 {
			t.Errorf("held for 4 s of 10 since the grant, 5 since it was asked for; the span says %v", attrs)
		}
	})
}

func TestWhatTheLockDoesByItselfIsCounted(t *testing.T) {
	x := newTelemetry(t)
	target, ctx := x.target(t), t.Context()
	for _, end := range []func(*observe.Lease){
		func(l *observe.Lease) { l.Drop(ctx) },
		func(l *observe.Lease) { l.Abandon(ctx) },
	} {
		_, acquire := target.Acquire(ctx)
		end(acquire.End(nil))
	}
	target.Cleanup(ctx, nil)
	target.Cleanup(ctx, classed{"timeout", errDown})
	target.Disabled(ctx)
	want := map[string]int64{"acquire acquired": 2, "cleanup abandoned": 1, "cleanup cleaned": 1,
		"cleanup cleanup_error timeout": 1, "acquire disabled": 1}
	if got := x.attempts(t); !maps.Equal(got, want) {
		t.Errorf("lock.attempts is %v, want %v", got, want)
	}
	if held := x.total(t, "lock.held"); held != 0 {
		t.Errorf("lock.held is %d, want 0", held)
	}
	if w := x.warnings(t); len(w) != 0 {
		t.Errorf("the warnings are %v, want none", w)
	}
}

// A lock that fails open has no lease, and releases it all the same.
func TestANilLeaseDoesNothing(t *testing.T) {
	x := newTelemetry(t)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, 1)
	var lease *observe.Lease
	for _, begin := range []func() (context.Context, observe.Operation){
		func() (context.Context, observe.Operation) { return lease.Release(ctx) },
		func() (context.Context, observe.Operation) { return lease.Extend(ctx, time.Second) },
	} {
		got, op := begin()
		op.Retry()
		op.End(errDown)
		if got != ctx {
			t.Error("the context is another one")
		}
	}
	lease.Drop(ctx)
	lease.Abandon(ctx)
	if n, w := len(x.spans.Started()), x.warnings(t); n != 0 || len(w) != 0 || len(x.attempts(t)) != 0 || x.total(t, "lock.held") != 0 {
		t.Errorf("%d spans, warnings %v, attempts %v", n, w, x.attempts(t))
	}
}
