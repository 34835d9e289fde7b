package throttle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/throttle"
)

// spy is a processor that does what it is told to.
type spy struct {
	disabled   bool
	onEmit     func(*sdklog.Record) error
	onFlush    func(context.Context) error
	onShutdown func(context.Context) error
}

func (s *spy) Enabled(context.Context, sdklog.EnabledParameters) bool { return !s.disabled }
func (s *spy) OnEmit(_ context.Context, r *sdklog.Record) error       { return s.onEmit(r) }
func (s *spy) ForceFlush(ctx context.Context) error                   { return s.onFlush(ctx) }
func (s *spy) Shutdown(ctx context.Context) error                     { return s.onShutdown(ctx) }

// fanned returns a Processor before the next ones, which nothing shuts down.
func fanned(t *testing.T, next ...sdklog.Processor) *throttle.Processor {
	t.Helper()
	p, err := throttle.NewProcessor(next...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// either is a record of the throttle's, and one that passes untouched.
func either() map[string]sdklog.Record {
	return map[string]sdklog.Record{
		"a warning":    factory(warning("backend_error", "projects", "timeout")...).NewRecord(),
		"other record": factory(attribute.String("a", "b")).NewRecord(),
	}
}

func TestEachNextProcessorHasARecordOfItsOwn(t *testing.T) {
	for name, r := range either() {
		vandal := func() *spy {
			return &spy{onEmit: func(r *sdklog.Record) error {
				if _, ok := attributes(r)["vandalized"]; ok || r.EventName() != "lock.backend_error" {
					t.Errorf("%s: another processor changed the record", name)
				}
				r.AddAttributes(attribute.Bool("vandalized", true))
				r.SetEventName("vandalized")
				return nil
			}}
		}
		p := fanned(t, vandal(), nil, vandal())
		if err := p.OnEmit(t.Context(), &r); err != nil {
			t.Error(err)
		}
		if _, ok := attributes(&r)["vandalized"]; ok || r.EventName() == "vandalized" {
			t.Errorf("%s: the caller's record was changed", name)
		}
	}
}

func TestANextProcessorThatFailsDoesNotStopTheOthers(t *testing.T) {
	old := otel.GetErrorHandler()
	defer otel.SetErrorHandler(old)
	var handled error
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { handled = errors.Join(handled, err) }))
	failing := &spy{onEmit: func(*sdklog.Record) error { return errBroken }}
	panicking := &spy{onEmit: func(*sdklog.Record) error { panic("token-in-a-panic") }}
	reached := 0
	working := &spy{onEmit: func(*sdklog.Record) error { reached++; return nil }}
	check := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("%s: joined error is %v", name, err)
		}
		if strings.Contains(err.Error(), "token-in-a-panic") {
			t.Errorf("%s: the error contains the panic's value: %v", name, err)
		}
	}
	for name, r := range either() {
		handled, reached = nil, 0
		p := fanned(t, failing, panicking)
		check(name, p.OnEmit(t.Context(), &r))
		if handled != nil {
			t.Errorf("%s: the error was returned and handled: %v", name, handled)
		}
		if want := uint64(1); name == "a warning" && p.Pending() != want {
			t.Errorf("%d pending, want the record that nobody took", p.Pending())
		}
		p = fanned(t, failing, panicking, working)
		if err := p.OnEmit(t.Context(), &r); err != nil {
			t.Errorf("%s: it was taken, and yet OnEmit returned %v", name, err)
		}
		check(name, handled)
		if reached != 1 || p.Pending() != 0 {
			t.Errorf("%s: the working processor was reached %d times, %d pending", name, reached, p.Pending())
		}
	}
}

func TestEnabledWhenAnyNextProcessorIs(t *testing.T) {
	on, off := &spy{}, &spy{disabled: true}
	for _, tt := range []struct {
		next []sdklog.Processor
		want bool
	}{
		{nil, false},
		{[]sdklog.Processor{nil}, false},
		{[]sdklog.Processor{off, off}, false},
		{[]sdklog.Processor{off, on}, true},
	} {
		if got := fanned(t, tt.next...).Enabled(t.Context(), sdklog.EnabledParameters{Severity: log.SeverityWarn}); got != tt.want {
			t.Errorf("%d next processors: %v", len(tt.next), got)
		}
	}
}

func TestFlushAndShutdownReachAllNextProcessorsAtOnce(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, step := range map[string]func(*throttle.Processor, context.Context) error{
		"flush":    (*throttle.Processor).ForceFlush,
		"shutdown": (*throttle.Processor).Shutdown,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, done := time.Now(), time.Duration(-1)
				finish := func(context.Context) error { done = time.Since(start); return errBroken }
				p := fanned(t,
					&spy{onFlush: hang, onShutdown: hang},
					&spy{onFlush: func(context.Context) error { panic(1) }, onShutdown: func(context.Context) error { panic(1) }},
					&spy{onFlush: finish, onShutdown: finish},
				)
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				err := step(p, ctx)
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "panicked") {
					t.Errorf("joined error is %v", err)
				}
				if done != 0 || time.Since(start) != time.Second {
					t.Errorf("the last processor was done after %v, the call after %v; want 0s and 1s", done, time.Since(start))
				}
			})
		})
	}
}

func TestNextProcessorsAreShutDownOnce(t *testing.T) {
	calls := 0
	p := fanned(t, &spy{onShutdown: func(context.Context) error { calls++; return errBroken }})
	if err := p.Shutdown(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("the first call returned %v", err)
	}
	if err := p.Shutdown(t.Context()); err != nil || calls != 1 {
		t.Errorf("the second call returned %v; the processor was called %d times", err, calls)
	}
}
