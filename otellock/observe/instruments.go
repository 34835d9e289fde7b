package observe

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

// instruments are an Observer's tracer and metrics, made once.
type instruments struct {
	tracer          trace.Tracer
	attempts        metric.Int64Counter
	acquireDuration metric.Float64Histogram
	holdDuration    metric.Float64Histogram
	holdUtilization metric.Float64Histogram
	held            metric.Int64UpDownCounter
	waiting         metric.Int64UpDownCounter
	breakers        metric.Int64UpDownCounter
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
		attempts:        counter(meter, semconv.MetricLockAttempts),
		acquireDuration: histogram(meter, semconv.MetricLockAcquireDuration),
		holdDuration:    histogram(meter, semconv.MetricLockHoldDuration),
		holdUtilization: histogram(meter, semconv.MetricLockHoldUtilization),
		held:            upDownCounter(meter, semconv.MetricLockHeld),
		waiting:         upDownCounter(meter, semconv.MetricLockWaiting),
		breakers:        upDownCounter(meter, semconv.MetricLockBreakerOpen),
		reports:         counter(meter, semconv.MetricLockReports),
	}
}

func counter(meter metric.Meter, m semconv.Metric) metric.Int64Counter {
	c, err := meter.Int64Counter(m.Name, metric.WithDescription(m.Description), metric.WithUnit(m.Unit))
	if err != nil {
		otel.Handle(err)
		return noop.Int64Counter{}
	}
	return c
}

func upDownCounter(meter metric.Meter, m semconv.Metric) metric.Int64UpDownCounter {
	c, err := meter.Int64UpDownCounter(m.Name, metric.WithDescription(m.Description), metric.WithUnit(m.Unit))
	if err != nil {
		otel.Handle(err)
		return noop.Int64UpDownCounter{}
	}
	return c
}

func histogram(meter metric.Meter, m semconv.Metric) metric.Float64Histogram {
	h, err := meter.Float64Histogram(m.Name, metric.WithDescription(m.Description), metric.WithUnit(m.Unit),
		metric.WithExplicitBucketBoundaries(m.Boundaries...))
	if err != nil {
		otel.Handle(err)
		return noop.Float64Histogram{}
	}
	return h
}

// add adds to a counter. Exemplar filters and other meters are somebody else's
// code: one that panics costs the measurement.
func add(ctx context.Context, c interface {
	Add(context.Context, int64, ...metric.AddOption)
}, n int64, opts []metric.AddOption) {
	defer func() { _ = recover() }()
	c.Add(ctx, n, opts...)
}

// record records a value in a histogram. One that panics costs the measurement.
func record(ctx context.Context, h metric.Float64Histogram, value float64, opts []metric.RecordOption) {
	defer func() { _ = recover() }()
	h.Record(ctx, value, opts...)
}
