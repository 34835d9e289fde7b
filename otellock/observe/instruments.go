package observe

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
	"github.com/otellock/otellock-go/semconv/lockconv"
)

// instruments are a Locker's tracer and metrics, made once.
type instruments struct {
	tracer          trace.Tracer
	attempts        metric.Int64Counter
	acquireDuration metric.Float64Histogram
	holdDuration    metric.Float64Histogram
	holdUtilization metric.Float64Histogram
	held            metric.Int64UpDownCounter
	waiting         metric.Int64UpDownCounter
	reports         metric.Int64Counter
}

// newInstruments never fails: an instrument that the provider refuses is a
// no-op, and the refusal goes to OpenTelemetry's error handler.
func newInstruments(tracers trace.TracerProvider, meters metric.MeterProvider) instruments {
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	meter := meters.Meter(ScopeName, metric.WithInstrumentationVersion(Version), metric.WithSchemaURL(semconv.SchemaURL))
	return instruments{
		tracer:          tracers.Tracer(ScopeName, trace.WithInstrumentationVersion(Version), trace.WithSchemaURL(semconv.SchemaURL)),
		attempts:        made(lockconv.NewAttempts(meter)).Inst(),
		acquireDuration: made(lockconv.NewAcquireDuration(meter)).Inst(),
		holdDuration:    made(lockconv.NewHoldDuration(meter)).Inst(),
		holdUtilization: made(lockconv.NewHoldUtilization(meter)).Inst(),
		held:            made(lockconv.NewHeld(meter)).Inst(),
		waiting:         made(lockconv.NewWaiting(meter)).Inst(),
		reports:         made(lockconv.NewReports(meter)).Inst(),
	}
}

func made[I any](instrument I, err error) I {
	if err != nil {
		otel.Handle(err)
	}
	return instrument
}
