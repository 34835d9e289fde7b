package otellock_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

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
			b.OnExtend, b.OnRelease = []fault{answers(errRefused)}, []fault{answers(errRefused)}
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
