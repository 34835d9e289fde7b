package observe_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A handler is a slog.Handler that does one thing with every record.
type handler func(context.Context, slog.Record) error

func (handler) Enabled(context.Context, slog.Level) bool          { return true }
func (h handler) Handle(ctx context.Context, r slog.Record) error { return h(ctx, r) }
func (h handler) WithAttrs([]slog.Attr) slog.Handler              { return h }
func (h handler) WithGroup(string) slog.Handler                   { return h }
func failOnce(ctx context.Context, target *observe.Target, err error) { // an acquire that fails
	_, acquire := target.Acquire(ctx)
	acquire.End(err)
}

func TestAHandlerThatFailsCostsItsReportAndAtMostAMoment(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle handler
		takes  time.Duration
		result string // of lock.reports
	}{
		{"works", func(context.Context, slog.Record) error { return nil }, 0, "emitted"},
		{"is slow", func(context.Context, slog.Record) error { time.Sleep(time.Second); return nil }, 50 * time.Millisecond, "emitted"},
		{"fails", func(context.Context, slog.Record) error { return errors.New("disk full") }, 0, "dropped"},
		{"panics", func(context.Context, slog.Record) error { panic("broken") }, 0, "dropped"},
		{"ends its goroutine", func(context.Context, slog.Record) error { runtime.Goexit(); return nil }, 0, "dropped"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTelemetry(t)
				target := x.target(t, observe.WithLogger(slog.New(test.handle)))
				start := time.Now()
				failOnce(t.Context(), target, errDown)
				if took := time.Since(start); took != test.takes {
					t.Errorf("the caller waited %v, want %v", took, test.takes)
				}
				if w := x.warnings(t); len(w) != 0 { // and Close waits for the handler
					t.Errorf("the pipeline got %v beside the logger", w)
				}
				if got := x.points(t, "lock.reports", "lock.report.result"); !maps.Equal(got, map[string]int64{test.result: 1}) {
					t.Errorf("lock.reports is %v, want %s once", got, test.result)
				}
				if got := x.attempts(t); got["acquire backend_error _OTHER closed"] != 1 {
					t.Errorf("lock.attempts is %v", got)
				}
			})
		})
	}
}

func TestCloseWaitsForAHandlerUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		x := newTelemetry(t)
		failOnce(t.Context(), x.target(t, observe.WithLogger(slog.New(handler(func(context.Context, slog.Record) error { <-stuck; return nil })))), errDown)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := x.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close returned %v", err)
		}
		close(stuck)
		if err := x.Close(t.Context()); err != nil {
			t.Errorf("Close returned %v once the handler was back", err)
		}
	})
}

func TestALoggerGetsOneWarningAMinuteForEachActionAndTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		levels := map[slog.Level]int{}
		x := newTelemetry(t)
		target := x.target(t, observe.WithLogger(slog.New(handler(func(_ context.Context, r slog.Record) error {
			mu.Lock()
			defer mu.Unlock()
			levels[r.Level]++
			return nil
		}))))
		for range 120 { // two minutes
			failOnce(t.Context(), target, errDown)
			time.Sleep(time.Second)
		}
		x.warnings(t)
		if want := (map[slog.Level]int{slog.LevelWarn: 2, slog.LevelInfo: 1}); !maps.Equal(levels, want) {
			t.Errorf("the logger got %v, want %v", levels, want)
		}
		if got := x.points(t, "lock.reports", "lock.report.result"); !maps.Equal(got, map[string]int64{"emitted": 2, "suppressed": 118}) {
			t.Errorf("lock.reports is %v", got)
		}
	})
}

// A throttle is asked with what makes its key, and may be broken.
type throttle func(action, target, errorType string) bool

func (f throttle) Suppress(_ time.Time, action, target, errorType string) bool {
	return f(action, target, errorType)
}

func TestAThrottleDecidesBeforeARecordIsBuilt(t *testing.T) {
	for _, test := range []struct {
		name     string
		throttle throttle
		warnings int
	}{
		{"suppresses", func(action, target, errorType string) bool {
			return action == "backend_error" && target == "reports" && errorType == "timeout"
		}, 0},
		{"lets through", func(string, string, string) bool { return false }, 1},
		{"panics", func(string, string, string) bool { panic("broken") }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := newTelemetry(t, observe.WithThrottle(test.throttle))
			failOnce(t.Context(), x.target(t), classed{"timeout", errDown})
			if w := x.warnings(t); len(w) != test.warnings {
				t.Errorf("%d warnings, want %d", len(w), test.warnings)
			}
		})
	}
}

func TestOperationsAreConcurrentSafe(t *testing.T) {
	const workers, rounds = 16, 50
	x := newTelemetry(t)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			target := x.KeyTarget("lock:reports:secret").With(observe.WithTTL(time.Minute), observe.WithFailOpen(w%2 == 0))
			if w%4 == 0 {
				target = x.target(t)
			}
			for i := range rounds {
				ctx, acquire := target.Acquire(t.Context())
				acquire.Wait()
				lease := acquire.End(nil)
				var both sync.WaitGroup // a release may overtake an extend
				both.Go(func() {
					_, extend := lease.Extend(ctx, time.Hour)
					extend.End([]error{nil, observe.ErrLost, errDown}[i%3])
				})
				_, release := lease.Release(ctx)
				release.End([]error{nil, observe.ErrStolen, context.Canceled}[i%3])
				both.Wait()
			}
		})
	}
	group.Wait()
	if err := x.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	operations := x.points(t, "lock.attempts", "lock.operation.name")
	want := map[string]int64{"acquire": workers * rounds, "extend": workers * rounds, "release": workers * rounds}
	if !maps.Equal(operations, want) {
		t.Errorf("lock.attempts is %v, want %v", operations, want)
	}
	if held, waiting := x.total(t, "lock.held"), x.total(t, "lock.waiting"); held != 0 || waiting != 0 {
		t.Errorf("lock.held is %d, lock.waiting %d, want 0", held, waiting)
	}
}
