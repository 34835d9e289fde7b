package exporter

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
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

var errFull = errors.New("full")

func TestEachLogDestinationHasARecordOfItsOwn(t *testing.T) {
	vandal := func() *spy {
		return &spy{onEmit: func(r *sdklog.Record) error {
			if r.AttributesLen() != 1 {
				t.Errorf("the record has %d attributes: another destination changed it", r.AttributesLen())
			}
			r.AddAttributes(attribute.Bool("vandalized", true))
			r.SetEventName("vandalized")
			return nil
		}}
	}
	sibling := &spy{onEmit: func(r *sdklog.Record) error {
		if r.AttributesLen() != 1 || r.EventName() != "" {
			t.Error("a sibling processor sees what a destination did")
		}
		return nil
	}}
	var rec log.Record
	rec.AddAttributes(attribute.String("a", "b"))
	emitThrough(t, rec, &logFanOut{destinations: []sdklog.Processor{vandal(), vandal()}}, sibling)
}

func TestAFailingLogDestinationDoesNotStopTheOthers(t *testing.T) {
	var handled error
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { handled = errors.Join(handled, err) }))
	defer otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	failing := &spy{onEmit: func(*sdklog.Record) error { return errFull }}
	panicking := &spy{onEmit: func(*sdklog.Record) error { panic("token-in-a-panic") }}
	reached := 0
	working := &spy{onEmit: func(*sdklog.Record) error { reached++; return nil }}

	check := func(err error) {
		t.Helper()
		if !errors.Is(err, errFull) || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("joined error is %v", err)
		}
		if strings.Contains(err.Error(), "token-in-a-panic") {
			t.Errorf("the error contains the panic's value: %v", err)
		}
	}
	emitThrough(t, log.Record{}, &spy{onEmit: func(r *sdklog.Record) error {
		none := &logFanOut{destinations: []sdklog.Processor{failing, panicking}}
		check(none.OnEmit(context.Background(), r))
		if handled != nil {
			t.Errorf("the error was returned and handled: %v", handled)
		}
		some := &logFanOut{destinations: []sdklog.Processor{failing, panicking, working}}
		if err := some.OnEmit(context.Background(), r); err != nil {
			t.Errorf("the record was taken, and yet OnEmit returned %v", err)
		}
		return nil
	}})
	check(handled)
	if reached != 1 {
		t.Errorf("the working destination was reached %d times", reached)
	}
}

func TestLogFanOutIsEnabledWhenAnyDestinationIs(t *testing.T) {
	on, off := &spy{}, &spy{disabled: true}
	for _, tt := range []struct {
		destinations []sdklog.Processor
		want         bool
	}{
		{nil, false},
		{[]sdklog.Processor{off, off}, false},
		{[]sdklog.Processor{off, on}, true},
	} {
		fan := &logFanOut{destinations: tt.destinations}
		if got := fan.Enabled(context.Background(), sdklog.EnabledParameters{}); got != tt.want {
			t.Errorf("%d destinations: %v", len(tt.destinations), got)
		}
	}
}

func TestFlushAndShutdownReachAllLogDestinationsAtOnce(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, step := range map[string]func(*logFanOut, context.Context) error{
		"flush":    (*logFanOut).ForceFlush,
		"shutdown": (*logFanOut).Shutdown,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, done := time.Now(), time.Duration(-1)
				finish := func(context.Context) error { done = time.Since(start); return errFull }
				fan := &logFanOut{destinations: []sdklog.Processor{
					&spy{onFlush: hang, onShutdown: hang},
					&spy{onFlush: func(context.Context) error { panic(1) }, onShutdown: func(context.Context) error { panic(1) }},
					&spy{onFlush: finish, onShutdown: finish},
				}}
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				err := step(fan, ctx)
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errFull) || !strings.Contains(err.Error(), "panicked") {
					t.Errorf("joined error is %v", err)
				}
				if done != 0 || time.Since(start) != time.Second {
					t.Errorf("the last destination was done after %v, the call after %v; want 0s and 1s", done, time.Since(start))
				}
			})
		})
	}
}

func TestDestinationsAreShutDownOnce(t *testing.T) {
	calls := 0
	fan := &logFanOut{destinations: []sdklog.Processor{&spy{onShutdown: func(context.Context) error { calls++; return errFull }}}}
	if err := fan.Shutdown(context.Background()); !errors.Is(err, errFull) {
		t.Errorf("the first call returned %v", err)
	}
	if err := fan.Shutdown(context.Background()); err != nil || calls != 1 {
		t.Errorf("the second call returned %v; the destination was called %d times", err, calls)
	}
}

// hangingSpanProcessor is a SpanRecorder that hangs where it can.
type hangingSpanProcessor struct{ *tracetest.SpanRecorder }

func (hangingSpanProcessor) Shutdown(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestSpanFanOutReachesAllDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := hangingSpanProcessor{tracetest.NewSpanRecorder()}
		last := tracetest.NewSpanRecorder()
		fan := &spanFanOut{destinations: []sdktrace.SpanProcessor{hanging, last}}
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(fan))
		_, span := provider.Tracer("test").Start(context.Background(), "acquire projects")
		span.End()
		if len(hanging.Ended()) != 1 || len(last.Ended()) != 1 || len(last.Started()) != 1 {
			t.Error("a destination missed the span")
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		if err := provider.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Shutdown took %v", took)
		}
	})
}
