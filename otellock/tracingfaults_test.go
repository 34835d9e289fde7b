package otellock_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/otellock"
)

// brokenTracing is a sampler and a span processor that panic where they are told.
type brokenTracing struct{ sample, start, end bool }

func (b brokenTracing) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if b.sample {
		panic("the sampler is broken")
	}
	return sdktrace.AlwaysSample().ShouldSample(p)
}

func (b brokenTracing) Description() string { return "broken" }

func (b brokenTracing) OnStart(context.Context, sdktrace.ReadWriteSpan) {
	if b.start {
		panic("the span processor is broken")
	}
}

func (b brokenTracing) OnEnd(sdktrace.ReadOnlySpan) {
	if b.end {
		panic("the span processor is broken")
	}
}

func (brokenTracing) Shutdown(context.Context) error   { return nil }
func (brokenTracing) ForceFlush(context.Context) error { return nil }

func TestTracingThatPanicsChangesNeitherFnNorTheReleaseNorTheCounts(t *testing.T) {
	for name, broken := range map[string]brokenTracing{
		"the sampler": {sample: true}, "at start": {start: true}, "at end": {end: true},
	} {
		t.Run(name, func(t *testing.T) {
			tel, b := newTelemetry(), newScripted()
			tracers := sdktrace.NewTracerProvider(sdktrace.WithSampler(broken), sdktrace.WithSpanProcessor(broken))
			l, err := otellock.New(b, tel.Options(otellock.WithTracerProvider(tracers))...)
			if err != nil {
				t.Fatal(err)
			}
			target := declare(t, l, "projects")
			ran := 0
			do := func() error {
				return target.Mutex("7").Do(t.Context(), func(ctx context.Context) error {
					ran++
					return otellock.LeaseFromContext(ctx).Extend(ctx, time.Minute)
				})
			}
			if err := do(); err != nil {
				t.Errorf("Do = %v", err)
			}
			b.Script(func() { b.OnExtend, b.OnRelease = []fault{answers(errRefused)}, []fault{answers(errRefused)} })
			if err := do(); !errors.Is(err, otellock.ErrBackend) {
				t.Errorf("Do with a failing backend = %v", err)
			}
			if err := l.Close(t.Context()); err != nil {
				t.Error(err)
			}
			want := map[attempt]int64{
				{"acquire", "acquired", "", ""}:                            2,
				{"extend", "extended", "", ""}:                             1,
				{"extend", "extend_error", "connection_refused", "closed"}: 1,
				{"release", "released", "", ""}:                            1,
				{"release", "release_error", "connection_refused", "open"}: 1,
				{"cleanup", "cleaned", "", ""}:                             1,
			}
			if got := tel.Attempts(t); ran != 2 || !maps.Equal(got, want) {
				t.Errorf("ran %d times, counted\n%v\nwant\n%v", ran, got, want)
			}
			if held := tel.Total(t, "lock.held"); held != 0 {
				t.Errorf("lock.held = %d", held)
			}
			if n := len(tel.Warnings()); n != 2 {
				t.Errorf("%d warnings, want 2", n)
			}
		})
	}
}

// brokenMeters panics at every measurement.
type brokenMeters struct{ metricnoop.MeterProvider }

func (brokenMeters) Meter(string, ...metric.MeterOption) metric.Meter { return brokenMeter{} }

type brokenMeter struct{ metricnoop.Meter }

func (brokenMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return brokenCounter{}, nil
}

func (brokenMeter) Int64UpDownCounter(string, ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	return brokenUpDownCounter{}, nil
}

func (brokenMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return brokenHistogram{}, nil
}

type (
	brokenCounter       struct{ metricnoop.Int64Counter }
	brokenUpDownCounter struct{ metricnoop.Int64UpDownCounter }
	brokenHistogram     struct{ metricnoop.Float64Histogram }
)

func (brokenCounter) Add(context.Context, int64, ...metric.AddOption) { panic("the meter is broken") }
func (brokenUpDownCounter) Add(context.Context, int64, ...metric.AddOption) {
	panic("the meter is broken")
}
func (brokenHistogram) Record(context.Context, float64, ...metric.RecordOption) {
	panic("the meter is broken")
}

func TestAMeterThatPanicsChangesNeitherFnNorTheRelease(t *testing.T) {
	tel, b := newTelemetry(), newScripted()
	l, err := otellock.New(b, tel.Options(otellock.WithMeterProvider(brokenMeters{}))...)
	if err != nil {
		t.Fatal(err)
	}
	target := declare(t, l, "projects")
	for range 2 { // the second finds the key that the first gave back
		ran, err := target.Mutex("7").TryDo(t.Context(), func(ctx context.Context) error {
			return otellock.LeaseFromContext(ctx).Extend(ctx, time.Minute)
		})
		if !ran || err != nil {
			t.Errorf("TryDo = %t, %v", ran, err)
		}
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A throttle stands in the pipeline. A logger of the call's own has nothing to do
// with it.
func TestAThrottleDoesNotSuppressWhatGoesToALoggerOfTheCall(t *testing.T) {
	tel, b, own := newTelemetry(), newScripted(), &console{}
	l, err := otellock.New(b, tel.Options(otellock.WithThrottle(suppressAll{}))...)
	if err != nil {
		t.Fatal(err)
	}
	b.Script(func() { b.OnAcquire = []fault{answers(errRefused)} })
	m := declare(t, l, "projects").Mutex("7").With(otellock.WithLogger(slog.New(own.handler())))
	if err := m.Do(t.Context(), nothing); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(own.all()); n != 1 {
		t.Errorf("the logger got %d records, want 1", n)
	}
}

type suppressAll struct{}

func (suppressAll) Suppress(time.Time, string, string, string) bool { return true }
