package e2e

import (
	"testing"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// BenchmarkFailingDo is a Do of which the backend fails, inside the
// throttle's window, with spans and metrics on: without WithThrottle its record is
// built and then held back, with it it is not built. The first warning has
// passed before the clock starts.
func BenchmarkFailingDo(b *testing.B) {
	for _, gated := range []bool{true, false} {
		name := "throttle"
		if gated {
			name = "WithThrottle"
		}
		b.Run(name, func(b *testing.B) {
			tracers := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
			meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
			p, err := throttle.NewProcessorWith(
				[]throttle.Option{throttle.WithMeterProvider(meters), throttle.WithWindow(time.Hour)},
				sdklog.NewSimpleProcessor(&locktest.LogMemory{}))
			if err != nil {
				b.Fatal(err)
			}
			opts := []otellock.Option{
				otellock.WithTracerProvider(tracers), otellock.WithMeterProvider(meters),
				otellock.WithLoggerProvider(sdklog.NewLoggerProvider(sdklog.WithProcessor(p))),
			}
			if gated {
				opts = append(opts, otellock.WithThrottle(p))
			}
			backend := memorybackend.New()
			backend.Fail(errRefused)
			locker, err := otellock.New(backend, opts...)
			if err != nil {
				b.Fatal(err)
			}
			target, err := locker.Target("projects", "lock:projects:*")
			if err != nil {
				b.Fatal(err)
			}
			ctx := b.Context()
			_ = target.Mutex("42").Do(ctx, nothing)
			b.ReportAllocs()
			for b.Loop() {
				if err := target.Mutex("42").Do(ctx, nothing); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
