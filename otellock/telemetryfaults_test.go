package otellock_test

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"
	lognoop "go.opentelemetry.io/otel/log/noop"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/semconv/registry"
)

// A handler is a slog.Handler made of one function. What it does at INFO, the
// level of a summary, may be told apart.
type handler struct {
	warn func(context.Context, slog.Record) error
	info func(context.Context, slog.Record) error // nil: takes none
}

func (h handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.info != nil
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return h.info(ctx, r)
	}
	return h.warn(ctx, r)
}

func (h handler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h handler) WithGroup(string) slog.Handler      { return h }

// illEnabled panics before it is given anything.
type illEnabled struct{ handler }

func (illEnabled) Enabled(context.Context, slog.Level) bool { panic("Enabled is broken") }

// A console keeps what it is given.
type console struct {
	mu      sync.Mutex
	records []slog.Record
}

func (c *console) handle(_ context.Context, r slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, r.Clone())
	return nil
}

func (c *console) handler() slog.Handler { return handler{warn: c.handle, info: c.handle} }

func (c *console) all() []slog.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]slog.Record(nil), c.records...)
}

// levels is the level of each record and its lock.report.suppressed_count.
func (c *console) levels() []string {
	lines := []string{}
	for _, r := range c.all() {
		lines = append(lines, fmt.Sprintf("%v %v", r.Level, attrOf(r, "lock.report.suppressed_count")))
	}
	return lines
}

func attrOf(r slog.Record, key string) (value any) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == key {
			value = a.Value.Any()
		}
		return true
	})
	return value
}

// setDefault makes the handler slog's default for the test.
func setDefault(t *testing.T, h slog.Handler) {
	old, writer, flags := slog.Default(), stdlog.Writer(), stdlog.Flags()
	slog.SetDefault(slog.New(h))
	t.Cleanup(func() {
		slog.SetDefault(old)
		stdlog.SetOutput(writer) // slog.SetDefault has redirected it
		stdlog.SetFlags(flags)
	})
}

// setGlobalLogs makes the provider OpenTelemetry's global one for the test. What
// it leaves is no pipeline, as a program without a set-up has none.
func setGlobalLogs(t *testing.T, p log.LoggerProvider) {
	otel.SetLoggerProvider(p)
	t.Cleanup(func() { otel.SetLoggerProvider(lognoop.NewLoggerProvider()) })
}

// A failingUse is a use of a lock that makes exactly one report.
type failingUse struct {
	name string
	ran  int
	err  error
	use  func(context.Context, *memorybackend.Backend, otellock.Mutex, func(context.Context) error) error
}

var failingUses = []failingUse{
	{"Do that fails open", 1, errOwn, func(ctx context.Context, b *memorybackend.Backend, m otellock.Mutex, fn func(context.Context) error) error {
		b.Fail(errRefused)
		return m.Do(ctx, fn)
	}},
	{"Do that fails closed", 0, otellock.ErrBackend, func(ctx context.Context, b *memorybackend.Backend, m otellock.Mutex, fn func(context.Context) error) error {
		b.Fail(errRefused)
		return m.With(otellock.WithFailClosed(true)).Do(ctx, fn)
	}},
	{"TryDo that fails open", 1, errOwn, func(ctx context.Context, b *memorybackend.Backend, m otellock.Mutex, fn func(context.Context) error) error {
		b.Fail(errRefused)
		ran, err := m.TryDo(ctx, fn)
		if !ran {
			return errors.New("TryDo denies that fn ran")
		}
		return err
	}},
	{"Lock that fails open", 1, errOwn, func(ctx context.Context, b *memorybackend.Backend, m otellock.Mutex, fn func(context.Context) error) error {
		b.Fail(errRefused)
		lease, err := m.Lock(ctx)
		if lease == nil || lease.Protected() || err != nil {
			return fmt.Errorf("%v, %v", lease, err)
		}
		return errors.Join(fn(ctx), lease.Release(ctx))
	}},
	{"Do that loses its lease", 1, errOwn, func(ctx context.Context, b *memorybackend.Backend, m otellock.Mutex, fn func(context.Context) error) error {
		return m.Do(ctx, func(ctx context.Context) error { b.Clear(); return fn(ctx) })
	}},
	{"Release of a lost lease", 1, otellock.ErrLost, func(ctx context.Context, b *memorybackend.Backend, m otellock.Mutex, fn func(context.Context) error) error {
		lease, err := m.Lock(ctx)
		if err != nil {
			return err
		}
		_ = fn(ctx)
		b.Clear()
		return lease.Release(ctx)
	}},
	{"Extend that fails", 1, otellock.ErrBackend, func(ctx context.Context, b *memorybackend.Backend, m otellock.Mutex, fn func(context.Context) error) error {
		lease, err := m.Lock(ctx)
		if err != nil {
			return err
		}
		_ = fn(ctx)
		b.Fail(errRefused)
		err = lease.Extend(ctx, time.Minute)
		b.Fail(nil)
		return errors.Join(err, lease.Release(ctx))
	}},
}

const stuckFor = 5 * time.Second

// Each way to be ill as a function: a handler's, or a processor's.
var illnesses = []struct {
	name    string
	handle  func() error
	waits   time.Duration // of the caller, exactly
	reports map[string]int64
	noError bool // a processor cannot tell: its error goes to OpenTelemetry's error handler
}{
	{name: "works", handle: func() error { return nil }, reports: map[string]int64{"emitted": 1}},
	{name: "panics", handle: func() error { panic("handler is broken") }, reports: map[string]int64{"dropped": 1}},
	{name: "panics with an error", handle: func() error { panic(errors.New("handler is broken")) }, reports: map[string]int64{"dropped": 1}},
	{name: "calls Goexit", handle: func() error { runtime.Goexit(); return nil }, reports: map[string]int64{"dropped": 1}},
	{name: "returns an error", handle: func() error { return errors.New("disk full") }, reports: map[string]int64{"dropped": 1}, noError: true},
	{name: "is slow", handle: func() error { time.Sleep(20 * time.Millisecond); return nil }, waits: 20 * time.Millisecond, reports: map[string]int64{"emitted": 1}},
	{name: "blocks for seconds", handle: func() error { time.Sleep(stuckFor); return nil }, waits: 50 * time.Millisecond, reports: map[string]int64{"emitted": 1}},
	{name: "blocks and then panics", handle: func() error { time.Sleep(stuckFor); panic("late") }, waits: 50 * time.Millisecond, reports: map[string]int64{"dropped": 1}},
	{name: "blocks and then fails", handle: func() error { time.Sleep(stuckFor); return errors.New("late") }, waits: 50 * time.Millisecond, reports: map[string]int64{"dropped": 1}, noError: true},
}

func TestAnIllHandlerCostsReportsAndNeverTheLock(t *testing.T) {
	for _, ill := range illnesses {
		for _, use := range failingUses {
			t.Run(ill.name+"/"+use.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					given := 0
					h := handler{warn: func(context.Context, slog.Record) error { given++; return ill.handle() }}
					x := newTelemetry()
					l := use.expect(t, x, ill.waits, otellock.WithLogger(slog.New(h)))
					closeWithin(t, l, stuckFor)
					if got := x.Reports(t); given != 1 || !maps.Equal(got, ill.reports) {
						t.Errorf("given %d records, reports %v; want 1 and %v", given, got, ill.reports)
					}
				})
			})
		}
	}
}

func TestAnIllPipelineCostsReportsAndNeverTheLock(t *testing.T) {
	silenceErrorHandler(t)
	for _, ill := range illnesses {
		for _, use := range failingUses {
			t.Run(ill.name+"/"+use.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					given := 0
					x := newTelemetry()
					provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(processor{emit: func() error { given++; return ill.handle() }}))
					l := use.expect(t, x, ill.waits, otellock.WithLoggerProvider(provider))
					closeWithin(t, l, stuckFor)
					want := maps.Clone(ill.reports)
					delete(want, "emitted") // counted behind the pipeline's throttle
					if ill.noError {
						delete(want, "dropped")
					}
					if got := x.Reports(t); given != 1 || !maps.Equal(got, want) {
						t.Errorf("given %d records, reports %v; want 1 and %v", given, got, want)
					}
				})
			})
		}
	}
}

// expect does the failing use, and fails unless it ends as if the telemetry were
// well, after the wait exactly.
func (use failingUse) expect(t *testing.T, x *telemetry, waits time.Duration, opts ...otellock.Option) *otellock.Locker {
	t.Helper()
	b := memorybackend.New()
	l, err := otellock.New(b, x.Options(opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	m := newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
	ran := 0
	start := time.Now()
	err = use.use(context.Background(), b, m, func(context.Context) error { ran++; return errOwn })
	if took := time.Since(start); took != waits {
		t.Errorf("the caller took %v, want %v", took, waits)
	}
	if !errors.Is(err, use.err) || ran != use.ran {
		t.Errorf("ran %d times, returned %v; want %d and %v", ran, err, use.ran, use.err)
	}
	return l
}

// closeWithin closes the Locker, which waits for what its reports still do.
func closeWithin(t *testing.T, l *otellock.Locker, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// A processor is an sdklog.Processor made of functions.
type processor struct {
	emit    func() error
	enabled func(log.Severity) bool // nil: every severity
}

var _ sdklog.Processor = processor{}

func (p processor) Enabled(_ context.Context, param sdklog.EnabledParameters) bool {
	return p.enabled == nil || p.enabled(param.Severity)
}
func (p processor) OnEmit(context.Context, *sdklog.Record) error { return p.emit() }
func (processor) Shutdown(context.Context) error                 { return nil }
func (processor) ForceFlush(context.Context) error               { return nil }

// silenceErrorHandler keeps what processors return off the test's output.
func silenceErrorHandler(t *testing.T) {
	old := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	t.Cleanup(func() { otel.SetErrorHandler(old) })
}

func TestAHandlerWhoseEnabledPanicsCostsTheReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTelemetry()
		l := failingUses[0].expect(t, x, 0, otellock.WithLogger(slog.New(illEnabled{})))
		closeWithin(t, l, 0)
		if got := x.Reports(t); !maps.Equal(got, map[string]int64{"dropped": 1}) {
			t.Errorf("reports %v", got)
		}
	})
}

func TestAPipelineWhoseEnabledPanicsCostsTheReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTelemetry()
		l := failingUses[0].expect(t, x, 0, otellock.WithLoggerProvider(sdklog.NewLoggerProvider(
			sdklog.WithProcessor(processor{enabled: func(log.Severity) bool { panic("Enabled is broken") }}))))
		closeWithin(t, l, 0)
		if got := x.Reports(t); !maps.Equal(got, map[string]int64{"dropped": 1}) {
			t.Errorf("reports %v", got)
		}
	})
}

func TestTheCallerThatIsCancelledDoesNotWaitForAStuckHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTelemetry()
		h := handler{warn: func(context.Context, slog.Record) error { time.Sleep(stuckFor); return nil }}
		b := memorybackend.New()
		l := newLocker(t, b, x.Options(otellock.WithLogger(slog.New(h)))...)
		m := newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
		b.Fail(errRefused)
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(10*time.Millisecond, cancel)
		start := time.Now()
		if err := m.Do(ctx, nothing); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 10*time.Millisecond {
			t.Errorf("took %v, want 10ms", took)
		}
	})
}

func TestAStuckHandlerHoldsUpOneCallAWindowAndTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTelemetry()
		h := handler{warn: func(context.Context, slog.Record) error { time.Sleep(stuckFor); return nil }}
		b := memorybackend.New()
		l := newLocker(t, b, x.Options(otellock.WithLogger(slog.New(h)))...)
		m := newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
		b.Fail(errRefused)
		start := time.Now()
		for range 100 {
			if err := m.Do(context.Background(), nothing); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("100 calls took %v, want 50ms for the first alone", took)
		}
		closeWithin(t, l, stuckFor)
		if got := x.Reports(t); !maps.Equal(got, map[string]int64{"emitted": 1, "suppressed": 99}) {
			t.Errorf("reports %v", got)
		}
	})
}

func TestReportsBeyondTheSlotsAreDroppedWithoutAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, more = 32, 8
		x := newTelemetry()
		stuck := make(chan struct{})
		h := handler{warn: func(context.Context, slog.Record) error { <-stuck; return nil }}
		b := memorybackend.New()
		l := newLocker(t, b, x.Options(otellock.WithLogger(slog.New(h)))...)
		b.Fail(errRefused)
		start := time.Now()
		for i := range slots + more {
			name := fmt.Sprintf("target-%d", i)
			if err := newTarget(t, l, name, name+":*").Mutex("7").Do(context.Background(), nothing); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != slots*50*time.Millisecond {
			t.Errorf("took %v, want 50ms for each of the first %d alone", took, slots)
		}
		if got := x.Reports(t); !maps.Equal(got, map[string]int64{"dropped": more}) {
			t.Errorf("reports while stuck: %v", got)
		}
		close(stuck)
		closeWithin(t, l, time.Second)
		if got := x.Reports(t); !maps.Equal(got, map[string]int64{"dropped": more, "emitted": slots}) {
			t.Errorf("reports in the end: %v", got)
		}
	})
}

func TestCloseWaitsForAStuckHandlerUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		h := handler{warn: func(context.Context, slog.Record) error { <-stuck; return nil }}
		l := failingUses[0].expect(t, newTelemetry(), 50*time.Millisecond, otellock.WithLogger(slog.New(h)))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		err := l.Close(ctx)
		if took := time.Since(start); took != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close took %v and returned %v; want 1s and the context's error", took, err)
		}
		close(stuck)
		if err := l.Close(context.Background()); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

// A summary is said after the failures have stopped: by a timer, or by Close. It
// has no caller, but must not take the timer or Close with it.
func TestAHandlerThatIsIllAtTheSummary(t *testing.T) {
	for _, ill := range []struct {
		name string
		info func() error
	}{
		{"panics", func() error { panic("handler is broken") }},
		{"calls Goexit", func() error { runtime.Goexit(); return nil }},
		{"returns an error", func() error { return errors.New("disk full") }},
	} {
		for _, by := range []string{"Close", "the timer"} {
			t.Run(ill.name+" by "+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					x, seen, summaries := newTelemetry(), new(console), 0
					h := handler{warn: seen.handle, info: func(context.Context, slog.Record) error { summaries++; return ill.info() }}
					b := memorybackend.New()
					l := newLocker(t, b, x.Options(otellock.WithLogger(slog.New(h)))...)
					m := newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
					failTwice := func() {
						for range 2 {
							if err := m.Do(context.Background(), nothing); err != nil {
								t.Fatal(err)
							}
						}
					}
					b.Fail(errRefused)
					failTwice()
					if by == "the timer" {
						time.Sleep(90 * time.Second)
						synctest.Wait()
						if summaries != 1 {
							t.Errorf("%d summaries after 90 s, want 1", summaries)
						}
						// What the summary could not say, the next warning does.
						failTwice()
						if got := seen.levels(); len(got) != 2 || got[1] != "WARN 1" {
							t.Errorf("records %v; want a second one that carries 1", got)
						}
						// And the timer still works.
						time.Sleep(90 * time.Second)
						synctest.Wait()
						if summaries != 2 {
							t.Errorf("%d summaries after another 90 s, want 2", summaries)
						}
					}
					closeWithin(t, l, time.Second)
					if summaries == 0 {
						t.Error("nothing was summed up")
					}
				})
			})
		}
	}
}

func TestAHandlerThatIsStuckAtTheSummaryDoesNotHoldClosePastItsContext(t *testing.T) {
	for _, by := range []string{"Close", "the timer"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, seen, stuck := newTelemetry(), new(console), make(chan struct{})
				h := handler{warn: seen.handle, info: func(context.Context, slog.Record) error { <-stuck; return nil }}
				b := memorybackend.New()
				l := newLocker(t, b, x.Options(otellock.WithLogger(slog.New(h)))...)
				m := newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
				b.Fail(errRefused)
				for range 2 {
					if err := m.Do(context.Background(), nothing); err != nil {
						t.Fatal(err)
					}
				}
				if by == "the timer" {
					time.Sleep(61 * time.Second)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				start := time.Now()
				err := l.Close(ctx)
				if took := time.Since(start); took != time.Second || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Close took %v and returned %v; want 1s and the context's error", took, err)
				}
				close(stuck)
			})
		})
	}
}

func TestAHandlerThatLocksThroughOtellock(t *testing.T) {
	for _, c := range []struct {
		name    string
		fresh   bool // the handler does not use the context that it is given
		reports map[string]int64
	}{
		// The lock inside fails too, and is not reported: one warning would make the next.
		{"with the context it is given", false, map[string]int64{"emitted": 1, "dropped": 1}},
		// The second failure is reported as well, where the handler fails once more: that one is held back.
		{"with a fresh context", true, map[string]int64{"emitted": 2, "suppressed": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, b, inside := newTelemetry(), memorybackend.New(), 0
				var inner otellock.Mutex
				h := handler{warn: func(ctx context.Context, _ slog.Record) error {
					if c.fresh {
						ctx = context.Background()
					}
					return inner.Do(ctx, func(context.Context) error { inside++; return nil })
				}}
				l := newLocker(t, b, x.Options(otellock.WithLogger(slog.New(h)))...)
				inner = newTarget(t, l, "audit", "lock:audit:*").Mutex("7")
				m := newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
				b.Fail(errRefused)
				ran, start := 0, time.Now()
				if err := m.Do(context.Background(), func(context.Context) error { ran++; return errOwn }); err != errOwn || ran != 1 {
					t.Errorf("ran %d times, returned %v", ran, err)
				}
				if took := time.Since(start); took != 0 {
					t.Errorf("took %v", took)
				}
				closeWithin(t, l, time.Second)
				if got := x.Reports(t); !maps.Equal(got, c.reports) || inside == 0 {
					t.Errorf("reports %v, ran inside %d times; want %v", got, inside, c.reports)
				}
			})
		})
	}
}

func TestAHandlerThatWaitsForTheVeryLockThatFailed(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		t.Run(fmt.Sprintf("fresh context %t", fresh), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, b := newTelemetry(), memorybackend.New()
				var m otellock.Mutex
				var inside error
				h := handler{warn: func(ctx context.Context, _ slog.Record) error {
					if fresh {
						ctx = context.Background()
					}
					inside = m.Do(ctx, nothing)
					return inside
				}}
				l := newLocker(t, b, x.Options(otellock.WithLogger(slog.New(h)))...)
				m = newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
				lease, err := m.Lock(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				b.Clear()
				start := time.Now()
				// The lease is lost, so that the handler finds the lock free.
				if err := lease.Release(context.Background()); !errors.Is(err, otellock.ErrLost) {
					t.Errorf("Release: %v", err)
				}
				if took := time.Since(start); took != 0 || inside != nil {
					t.Errorf("took %v, inside: %v", took, inside)
				}
				closeWithin(t, l, time.Second)
			})
		})
	}
}

func TestAPipelineThatLocksThroughOtellockComesToAnEnd(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		t.Run(fmt.Sprintf("fresh context %t", fresh), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, b, given := newTelemetry(), memorybackend.New(), 0
				var m otellock.Mutex
				lockAgain := lockingProcessor{func(ctx context.Context) error {
					given++
					if fresh {
						ctx = context.Background()
					}
					return m.Do(ctx, nothing)
				}}
				l := newLocker(t, b, x.Options(otellock.WithLoggerProvider(
					sdklog.NewLoggerProvider(sdklog.WithProcessor(lockAgain))))...)
				m = newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
				b.Fail(errRefused)
				start := time.Now()
				if err := m.Do(context.Background(), func(context.Context) error { return errOwn }); err != errOwn {
					t.Error(err)
				}
				if took := time.Since(start); took > 50*time.Millisecond {
					t.Errorf("took %v", took)
				}
				closeWithin(t, l, time.Second)
				want := 1
				if fresh {
					want = 32 // the slots: without a throttle behind the pipeline nothing else ends it
				}
				if got := x.Reports(t); given != want || !maps.Equal(got, map[string]int64{"dropped": 1}) {
					t.Errorf("given %d records, reports %v; want %d and one dropped", given, got, want)
				}
			})
		})
	}
}

type lockingProcessor struct{ lock func(context.Context) error }

func (lockingProcessor) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (p lockingProcessor) OnEmit(ctx context.Context, _ *sdklog.Record) error   { return p.lock(ctx) }
func (lockingProcessor) Shutdown(context.Context) error                         { return nil }
func (lockingProcessor) ForceFlush(context.Context) error                       { return nil }

// throttleFunc is a Throttle.
type throttleFunc func(at time.Time, action, target, errorType string) bool

func (f throttleFunc) Suppress(at time.Time, action, target, errorType string) bool {
	return f(at, action, target, errorType)
}

func TestAThrottleThatPanicsSuppressesNothing(t *testing.T) {
	for name, throttle := range map[string]observe.Throttle{
		"when it is asked": throttleFunc(func(time.Time, string, string, string) bool { panic("throttle") }),
		"it is none":       throttleFunc(nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, use := range failingUses {
					x := newTelemetry()
					l := use.expect(t, x, 0, otellock.WithThrottle(throttle))
					closeWithin(t, l, 0)
					if got := len(x.Warnings()); got != 1 {
						t.Errorf("%s: %d warnings, want 1", use.name, got)
					}
				}
				x, b := newTelemetry(), memorybackend.New()
				l := newLocker(t, b, x.Options(otellock.WithThrottle(throttle))...)
				b.Fail(errRefused)
				if err := l.UndeclaredMutex("lock:projects:7").Do(context.Background(), nothing); err != nil || len(x.Warnings()) != 1 {
					t.Errorf("KeyMutex: %v, %d warnings", err, len(x.Warnings()))
				}
			})
		})
	}
}

func TestAThrottleThatSuppressesIsAskedOnceForAFailureAndNothingIsBuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		throttle := throttleFunc(func(at time.Time, action, target, errorType string) bool {
			if !at.Equal(time.Now()) {
				t.Errorf("asked about %v at %v", at, time.Now())
			}
			asked[action+" "+target+" "+errorType]++
			return true
		})
		x, b := newTelemetry(), memorybackend.New()
		l := newLocker(t, b, x.Options(otellock.WithThrottle(throttle))...)
		for range 3 {
			m := newTarget(t, l, "projects", "lock:projects:*", otellock.WithTTL(time.Minute)).Mutex("7")
			b.Fail(errRefused)
			if err := m.Do(context.Background(), nothing); err != nil {
				t.Fatal(err)
			}
			b.Fail(nil)
			if err := m.Do(context.Background(), func(context.Context) error { b.Clear(); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if want := map[string]int{"backend_error projects connection_refused": 3, "release_error projects lost": 3}; !maps.Equal(asked, want) {
			t.Errorf("asked %v, want %v", asked, want)
		}
		if got, counted := x.Warnings(), x.Reports(t); len(got) != 0 || len(counted) != 0 {
			t.Errorf("%d warnings, reports %v; the throttle's owner counts", len(got), counted)
		}
	})
}

func TestProvidersThatDoNothingChangeNoResult(t *testing.T) {
	shutDown := newTelemetry()
	for _, err := range []error{
		shutDown.Tracers.Shutdown(context.Background()),
		shutDown.Meters.Shutdown(context.Background()),
		shutDown.Loggers.Shutdown(context.Background()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, opts := range map[string][]otellock.Option{
		"no-op": {
			otellock.WithTracerProvider(tracenoop.NewTracerProvider()),
			otellock.WithMeterProvider(metricnoop.NewMeterProvider()),
			otellock.WithLoggerProvider(lognoop.NewLoggerProvider()),
		},
		"shut down": shutDown.Options(),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stderr := new(console)
				setDefault(t, stderr.handler())
				for _, use := range failingUses {
					closeWithin(t, use.expect(t, newTelemetry(), 0, opts...), 0)
				}
				l := newLocker(t, memorybackend.New(), opts...)
				expectUsable(t, newTarget(t, l, "projects", "lock:projects:*").Mutex("1"))
				if got := stderr.levels(); len(got) != 0 {
					t.Errorf("an explicit provider fell back to the console: %v", got)
				}
			})
		})
	}
}

// refusingMeters makes no instrument.
type refusingMeters struct{ metricnoop.MeterProvider }

func (refusingMeters) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

type refusingMeter struct{ metricnoop.Meter }

func (refusingMeter) Int64Counter(name string, _ ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, refusedInstrument(name)
}

func (refusingMeter) Int64UpDownCounter(name string, _ ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	return nil, refusedInstrument(name)
}

func (refusingMeter) Float64Histogram(name string, _ ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return nil, refusedInstrument(name)
}

type refusedInstrument string

func (r refusedInstrument) Error() string { return "refused " + string(r) }

func TestAnInstrumentThatTheMeterRefusesIsReportedAndChangesNoResult(t *testing.T) {
	var refused []string
	old := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if r := refusedInstrument(""); errors.As(err, &r) {
			refused = append(refused, string(r))
		}
	}))
	t.Cleanup(func() { otel.SetErrorHandler(old) })
	synctest.Test(t, func(t *testing.T) {
		l := newLocker(t, memorybackend.New(), newTelemetry().Options(otellock.WithMeterProvider(refusingMeters{}))...)
		expectUsable(t, newTarget(t, l, "projects", "lock:projects:*").Mutex("1"))
	})
	source, err := registry.Files.ReadFile("metrics.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defined := regexp.MustCompile(`(?m)^ *metric_name: (\S+)$`).FindAllSubmatch(source, -1)
	if len(defined) == 0 {
		t.Fatal("the registry defines no metric")
	}
	for _, m := range defined {
		if name := string(m[1]); !slices.Contains(refused, name) {
			t.Errorf("nobody was told that %s is refused, only %v", name, refused)
		}
	}
}

func TestALockOutlivesItsProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, b := newTelemetry(), memorybackend.New()
		l := newLocker(t, b, x.Options()...)
		m := newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
		err := m.Do(context.Background(), func(context.Context) error {
			return errors.Join(x.Tracers.Shutdown(context.Background()), x.Meters.Shutdown(context.Background()), x.Loggers.Shutdown(context.Background()))
		})
		if err != nil {
			t.Fatal(err)
		}
		expectUsable(t, m)
		b.Fail(errRefused)
		if err := m.Do(context.Background(), func(context.Context) error { return errOwn }); err != errOwn {
			t.Error(err)
		}
		if got := len(x.Logs.All()); got != 0 {
			t.Errorf("%d records after the shutdown", got)
		}
	})
}

func TestAReplacedLoggerProviderGetsTheNextRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stderr := new(console)
		setDefault(t, stderr.handler())
		first, second, b := newTelemetry(), newTelemetry(), memorybackend.New()
		l := newLocker(t, b, otellock.WithTracerProvider(first.Tracers), otellock.WithMeterProvider(first.Meters))
		m := newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
		b.Fail(errRefused)
		fail := func(want ...int) {
			t.Helper()
			if err := m.Do(context.Background(), nothing); err != nil {
				t.Fatal(err)
			}
			if got := []int{len(first.Warnings()), len(second.Warnings()), len(stderr.all())}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("first provider, second, console: %v; want %v", got, want)
			}
		}
		setGlobalLogs(t, lognoop.NewLoggerProvider())
		fail(0, 0, 1)
		setGlobalLogs(t, first.Loggers)
		fail(1, 0, 1)
		fail(2, 0, 1)
		setGlobalLogs(t, second.Loggers)
		fail(2, 1, 1)
		if err := second.Loggers.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		fail(2, 1, 2) // a pipeline that is gone is none: the warning is not lost
	})
}

func TestAPipelineThatFiltersWarningsIsHonoured(t *testing.T) {
	for _, explicit := range []bool{false, true} {
		t.Run(fmt.Sprintf("explicit %t", explicit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stderr, given := new(console), 0
				setDefault(t, stderr.handler())
				filter := sdklog.NewLoggerProvider(sdklog.WithProcessor(processor{
					emit:    func() error { given++; return nil },
					enabled: func(s log.Severity) bool { return s >= log.SeverityFatal4 },
				}))
				x := newTelemetry()
				opts := []otellock.Option{otellock.WithTracerProvider(x.Tracers), otellock.WithMeterProvider(x.Meters)}
				if explicit {
					opts = append(opts, otellock.WithLoggerProvider(filter))
				} else {
					setGlobalLogs(t, filter)
				}
				b := memorybackend.New()
				l := newLocker(t, b, opts...)
				b.Fail(errRefused)
				if err := newTarget(t, l, "projects", "lock:projects:*").Mutex("7").Do(context.Background(), nothing); err != nil {
					t.Fatal(err)
				}
				if got := stderr.levels(); given != 0 || len(got) != 0 {
					t.Errorf("the pipeline got %d records, the console %v", given, got)
				}
				if got := x.Reports(t); len(got) != 0 {
					t.Errorf("reports %v: what nobody wants is no report", got)
				}
			})
		})
	}
}

func TestWithoutAPipelineTheConsoleGetsOneWarningAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		setGlobalLogs(t, lognoop.NewLoggerProvider())
		stderr := new(console)
		setDefault(t, stderr.handler())
		x, b := newTelemetry(), memorybackend.New()
		l := newLocker(t, b, otellock.WithTracerProvider(x.Tracers), otellock.WithMeterProvider(x.Meters))
		projects := newTarget(t, l, "projects", "lock:projects:*")
		mails := newTarget(t, l, "mails", "lock:mails:*")
		b.Fail(errRefused)
		failEverySecond := func(n int) {
			for i := range n {
				if err := projects.Mutex(fmt.Sprint(i+1)).Do(context.Background(), nothing); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
		}
		failEverySecond(150) // at 0 s .. 149 s: passes at 0, 60 and 120
		if got, want := fmt.Sprint(stderr.levels()), "[WARN 0 WARN 59 WARN 59]"; got != want {
			t.Errorf("records %v, want %v", got, want)
		}
		if err := mails.Mutex("1").Do(context.Background(), nothing); err != nil {
			t.Fatal(err)
		}
		if got := stderr.all(); len(got) != 4 || attrOf(got[3], "lock.target") != "mails" {
			t.Errorf("another target has no window of its own: %v", stderr.levels())
		}
		// The failures have stopped: what is pending is summed up a minute later.
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got, want := fmt.Sprint(stderr.levels()), "[WARN 0 WARN 59 WARN 59 WARN 0 INFO 29]"; got != want {
			t.Errorf("records %v, want %v", got, want)
		}
		summary := stderr.all()[4]
		if attrOf(summary, "lock.target") != "projects" || attrOf(summary, "lock.action") != "backend_error" ||
			fmt.Sprint(attrOf(summary, "lock.report.suppressed_error_types")) != "[connection_refused]" {
			t.Errorf("the summary is %v", summary)
		}
		failEverySecond(3)
		closeWithin(t, l, time.Second)
		if got, want := fmt.Sprint(stderr.levels()), "[WARN 0 WARN 59 WARN 59 WARN 0 INFO 29 WARN 0 INFO 2]"; got != want {
			t.Errorf("records after Close %v, want %v", got, want)
		}
		if got := x.Reports(t); !maps.Equal(got, map[string]int64{"emitted": 5, "suppressed": 149}) {
			t.Errorf("reports %v; want one for each of 154 failures", got)
		}
	})
}

func TestTheConsoleIsTheDefaultLoggerOfThatTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		setGlobalLogs(t, lognoop.NewLoggerProvider())
		x, b := newTelemetry(), memorybackend.New()
		l := newLocker(t, b, otellock.WithTracerProvider(x.Tracers), otellock.WithMeterProvider(x.Meters))
		m := newTarget(t, l, "projects", "lock:projects:*").Mutex("7")
		b.Fail(errRefused)
		consoles := []*console{new(console), new(console)}
		for _, c := range consoles {
			setDefault(t, c.handler())
			if err := m.Do(context.Background(), nothing); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		for i, c := range consoles {
			if got := fmt.Sprint(c.levels()); got != "[WARN 0]" {
				t.Errorf("console %d has %s", i, got)
			}
		}
	})
}

func TestALoggerThatTakesNoWarningsIsAskedAndGivenNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTelemetry()
		l := failingUses[0].expect(t, x, 0, otellock.WithLogger(slog.New(slog.DiscardHandler)))
		closeWithin(t, l, 0)
		if got, records := x.Reports(t), x.Logs.All(); len(got) != 0 || len(records) != 0 {
			t.Errorf("reports %v, and %d records went to the pipeline instead", got, len(records))
		}
	})
}
