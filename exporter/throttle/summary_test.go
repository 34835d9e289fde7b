package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/throttle"
)

func TestASummarySaysWhatIsTrueOfTheKeyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		fail(t, p, "projects", "timeout")
		warned := next.one(t)
		time.Sleep(time.Second)
		fail(t, p, "projects", "eof")
		fail(t, p, "projects", "NOAUTH")
		time.Sleep(time.Hour)
		got := next.one(t)
		want := map[string]any{
			"lock.action":                         "backend_error",
			"lock.target":                         "projects",
			"lock.key_pattern":                    "lock:project:*",
			"lock.backend.name":                   "redis",
			"otel.event.name":                     "lock.report.summary",
			"lock.report.suppressed_count":        int64(2),
			"lock.report.suppressed_since":        "2000-01-01T00:00:00.000Z",
			"lock.report.suppressed_until":        "2000-01-01T00:00:01.000Z",
			"lock.report.suppressed_error_types":  []string{"NOAUTH", "eof"},
			"lock.report.suppressed_error_counts": []int64{1, 1},
		}
		if have := attributes(got); !reflect.DeepEqual(have, want) {
			t.Errorf("attributes %v, want %v", have, want)
		}
		at := time.Date(2000, 1, 1, 0, 1, 1, 0, time.UTC)
		if got.EventName() != "lock.report.summary" || got.Severity() != log.SeverityInfo || got.SeverityText() != "INFO" ||
			got.Body().AsString() != "repeated warnings suppressed: backend_error, projects" ||
			!got.Timestamp().Equal(at) || !got.ObservedTimestamp().Equal(at) {
			t.Errorf("%q %v %q %v %v", got.EventName(), got.Severity(), got.Body().AsString(), got.Timestamp(), got.ObservedTimestamp())
		}
		if got.TraceID().IsValid() || got.SpanID().IsValid() || got.TraceFlags() != 0 {
			t.Error("points to the trace of one occurrence, though it speaks of others")
		}
		if got.Resource() != warned.Resource() || got.InstrumentationScope() != warned.InstrumentationScope() {
			t.Error("lost its resource or its scope")
		}
	})
}

func TestSummariesComeOncePerWindowAfterTheLastFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		for range 90 {
			fail(t, p, "projects", "timeout")
			time.Sleep(time.Second)
		}
		if records := next.take(); len(records) != 2 || accounted(t, records) != 61 {
			t.Errorf("%d records before the summary, want the two warnings", len(records))
		}
		time.Sleep(59*time.Second - 1)
		next.none(t)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := next.one(t); suppressed(t, got) != 29 || got.Severity() != log.SeverityInfo {
			t.Errorf("%v of %d, want a summary of 29", got.Severity(), suppressed(t, got))
		}
		time.Sleep(24 * time.Hour)
		next.none(t)
	})
}

func TestASummaryOfTheOverflowGateNamesNoTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next, throttle.WithMaxKeys(1))
		for _, target := range []string{"projects", "orders", "users", "users"} {
			fail(t, p, target, "timeout")
		}
		records := next.take()
		if len(records) != 2 || attributes(&records[1])["lock.target"] != "orders" {
			t.Fatalf("%d records, want those of projects and orders", len(records))
		}
		time.Sleep(time.Hour)
		got := attributes(next.one(t))
		if got["lock.target"] != "_OTHER" || got["lock.action"] != "_OTHER" || got["lock.key_pattern"] != nil || got["lock.backend.name"] != nil || got["lock.report.suppressed_count"] != int64(2) {
			t.Errorf("summary %v", got)
		}
		if n := accounted(t, records); n != 2 {
			t.Errorf("records account for %d", n)
		}
	})
}

func TestASummaryKeepsNoLongText(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	attrs := append(warning("backend_error", "projects", "timeout")[:3:3], attribute.String("lock.key_pattern", strings.Repeat("x", 10_000)), attribute.Int("lock.backend.name", 7))
	emit(t, p, attrs...)
	emit(t, p, attrs...)
	next.one(t)
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := attributes(next.one(t))
	if got["lock.key_pattern"] != nil || got["lock.backend.name"] != nil || got["lock.target"] != "projects" {
		t.Errorf("summary %v", got)
	}
}

func TestForceFlushBringsOutWhatIsPendingOncePerWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		flush := func() {
			t.Helper()
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
		}
		flush()
		fail(t, p, "projects", "timeout")
		flush()
		next.one(t)
		var flushed uint64
		for range 60 {
			fail(t, p, "projects", "timeout")
			flush()
			records := next.take()
			flushed += accounted(t, records)
			if flushed+p.Pending() == 0 || len(records) > 1 {
				t.Fatalf("%d records of a flush", len(records))
			}
			time.Sleep(time.Second)
		}
		if flushed != 1 { // the first flush's; then the window was used up
			t.Errorf("summaries account for %d within a window, want 1", flushed)
		}
		wantPending(t, p, 59)
		flush()
		if got := next.one(t); suppressed(t, got) != 59 {
			t.Errorf("carries %d, want 59", suppressed(t, got))
		}
		if next.flushes != 63 {
			t.Errorf("%d flushes passed on, want 63", next.flushes)
		}
	})
}

func TestShutdownBringsOutEverythingAndThenNothingMore(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	gate := gateOf(p, "backend_error", "projects")
	for _, target := range []string{"projects", "orders"} {
		for range 4 {
			fail(t, p, target, "timeout")
		}
	}
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	fail(t, p, "projects", "timeout")
	if !gate(time.Now(), "timeout") {
		t.Error("the gate lets through within the window")
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	records := next.take()
	if got := accounted(t, records); got != 10 || len(records) != 5 {
		t.Errorf("%d records account for %d, want 2 warnings and 3 summaries for 10", len(records), got)
	}
	wantPending(t, p, 0)

	fail(t, p, "users", "timeout")
	if err := errors.Join(p.ForceFlush(t.Context()), p.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
	next.none(t)
	if gate(time.Now(), "timeout") {
		t.Error("the gate still holds back, and nobody would hear of it")
	}
	if next.shutdown != 1 || next.flushes != 1 {
		t.Errorf("%d shutdowns and %d flushes passed on, want one of each", next.shutdown, next.flushes)
	}
}

func TestShutdownOfTheProviderBringsSummariesOut(t *testing.T) {
	next := &sink{}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(newProcessor(t, next)))
	var r log.Record
	r.SetSeverity(log.SeverityWarn)
	r.AddAttributes(warning("backend_error", "projects", "timeout")...)
	for range 5 {
		provider.Logger("test").Emit(t.Context(), r)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if records := next.take(); len(records) != 2 || accounted(t, records) != 5 {
		t.Errorf("%d records account for %d, want a warning and a summary for 5", len(records), accounted(t, records))
	}
}

func TestErrorsOfFlushAndShutdownAreReturned(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	fail(t, p, "projects", "timeout")
	fail(t, p, "projects", "timeout")
	next.broken(errBroken)
	if err := p.ForceFlush(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("ForceFlush: %v", err)
	}
	if err := p.Shutdown(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("Shutdown: %v", err)
	}
	wantPending(t, p, 1) // nothing is lost, though nothing can be said any more
}

func TestAStuckNextProcessorHoldsUpNeitherFlushNorShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck := false
		next := new(sink).before(func(r *sdklog.Record) error {
			if stuck {
				<-release
			}
			return nil
		})
		p, err := throttle.NewProcessor(next)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{"projects", "orders"} {
			fail(t, p, target, "timeout")
			fail(t, p, target, "timeout")
		}
		stuck = true
		for _, name := range []string{"ForceFlush", "Shutdown"} {
			f := p.ForceFlush
			if name == "Shutdown" {
				f = p.Shutdown
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			if err := f(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("%s: %v after %v, want it to give up after 1s", name, err, time.Since(start))
			}
			cancel()
		}
		synctest.Wait()
		if next.shutdown != 1 || next.flushes != 1 {
			t.Errorf("%d shutdowns and %d flushes passed on, want one of each", next.shutdown, next.flushes)
		}
		wantPending(t, p, 2)
		close(release)
		synctest.Wait()
		if got := accounted(t, next.take()) + p.Pending(); got != 4 {
			t.Errorf("%d accounted for, want 4", got)
		}
	})
}

func TestASummaryThatCallsGoexitHoldsUpNeitherFlushNorShutdown(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"with a deadline": time.Hour, "without": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := &sink{}
				p, err := throttle.NewProcessor(next)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if timeout > 0 {
					ctx, cancel = context.WithTimeout(ctx, timeout)
				}
				defer cancel()
				for _, target := range []string{"projects", "orders"} {
					fail(t, p, target, "timeout")
					fail(t, p, target, "timeout")
				}
				next.before(func(r *sdklog.Record) error {
					if attributes(r)["lock.target"] == "projects" {
						runtime.Goexit()
					}
					return nil
				})
				start := time.Now()
				if err := p.ForceFlush(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("ForceFlush: %v, want an error that says what became of the summary", err)
				}
				wantPending(t, p, 1) // orders had its summary
				if err := p.Shutdown(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Shutdown: %v, want an error that says what became of the summary", err)
				}
				wantPending(t, p, 1)
				if next.flushes != 1 || next.shutdown != 1 || time.Since(start) != 0 {
					t.Errorf("%d flushes and %d shutdowns passed on, after %v", next.flushes, next.shutdown, time.Since(start))
				}
			})
		})
	}
}

func TestGoexitOnTheTimerCostsOneAttempt(t *testing.T) {
	for _, where := range []string{"next processor", "error handler"} {
		t.Run(where, func(t *testing.T) {
			old := otel.GetErrorHandler()
			defer otel.SetErrorHandler(old)
			otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { runtime.Goexit() }))
			synctest.Test(t, func(t *testing.T) {
				next := &sink{}
				p, err := throttle.NewProcessor(next)
				if err != nil {
					t.Fatal(err)
				}
				fail(t, p, "projects", "timeout")
				fail(t, p, "projects", "timeout")
				next.one(t)
				next.before(func(*sdklog.Record) error {
					if where == "next processor" {
						runtime.Goexit()
					}
					return errBroken
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				wantPending(t, p, 1)
				next.before(nil)
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := next.one(t); suppressed(t, got) != 1 {
					t.Errorf("carries %d, want 1", suppressed(t, got))
				}
				if err := p.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAStuckSummaryHoldsUpNoOtherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		next := &sink{}
		p, err := throttle.NewProcessor(next)
		if err != nil {
			t.Fatal(err)
		}
		var targets []string
		for i := range 100 {
			targets = append(targets, fmt.Sprint("stuck", i))
		}
		for _, target := range append(targets, "projects") {
			fail(t, p, target, "timeout")
			fail(t, p, target, "timeout")
		}
		next.take()
		started := 0
		var mu sync.Mutex
		next.before(func(r *sdklog.Record) error {
			if strings.HasPrefix(attributes(r)["lock.target"].(string), "stuck") {
				mu.Lock()
				started++
				mu.Unlock()
				<-release
			}
			return nil
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if started != 32 {
			t.Errorf("%d summaries stuck, want as many as have a goroutine", started)
		}
		wantPending(t, p, 100+1-uint64(len(next.take())))
		fail(t, p, "users", "timeout") // the records themselves go on
		fail(t, p, "users", "timeout")
		next.one(t)
		close(release)
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := accounted(t, next.take()); got > 102 {
			t.Errorf("summaries account for %d, more than there were", got)
		}
		wantPending(t, p, 0)
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		next := &sink{}
		p, err := throttle.NewProcessor(next)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{"stuck", "projects", "orders", "users"} {
			fail(t, p, target, "timeout")
			fail(t, p, target, "timeout")
		}
		next.take()
		next.before(func(r *sdklog.Record) error {
			if attributes(r)["lock.target"] == "stuck" {
				<-release
			}
			return nil
		})
		time.Sleep(62 * time.Second)
		synctest.Wait()
		if got := accounted(t, next.take()); got != 3 {
			t.Errorf("summaries account for %d, want 3 beside the stuck one", got)
		}
		wantPending(t, p, 1)
		close(release)
		synctest.Wait()
		if got := next.one(t); suppressed(t, got) != 1 {
			t.Errorf("the late summary carries %d, want 1", suppressed(t, got))
		}
		wantPending(t, p, 0)
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		next.none(t)
	})
}

func TestErrorsOfTheTimerGoToTheErrorHandler(t *testing.T) {
	old := otel.GetErrorHandler()
	defer otel.SetErrorHandler(old)
	var handled []error
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { handled = append(handled, err) }))
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		fail(t, p, "projects", "timeout")
		fail(t, p, "projects", "timeout")
		next.take()
		next.before(func(*sdklog.Record) error { return errBroken })
		time.Sleep(time.Minute)
		synctest.Wait()
		next.before(func(*sdklog.Record) error { panic("boom") })
		time.Sleep(time.Minute)
		synctest.Wait()
		next.before(nil)
		wantPending(t, p, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := next.one(t); suppressed(t, got) != 1 {
			t.Errorf("carries %d", suppressed(t, got))
		}
	})
	if len(handled) != 2 || !errors.Is(handled[0], errBroken) || !strings.Contains(handled[1].Error(), "panicked") {
		t.Errorf("handled %v, want the error and the panic", handled)
	}
}

// TestATemplateLeavesNothingOfOneOccurrenceBehind looks at every attribute that
// a summary of any of our records could carry.
func TestATemplateLeavesNothingOfOneOccurrenceBehind(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	fail(t, p, "projects", "timeout")
	fail(t, p, "projects", "timeout")
	next.take()
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes(next.one(t)))) {
		for _, prefix := range []string{"exception.", "code.", "error.", "server.", "lock.retries", "lock.hold", "lock.ttl", "lock.outcome", "lock.mode", "lock.operation", "lock.failure"} {
			if strings.HasPrefix(name, prefix) {
				t.Errorf("the summary says %s, which was true of one occurrence", name)
			}
		}
	}
}
