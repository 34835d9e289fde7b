package main

import (
	"context"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// A telemetry is what a lock runs under: no SDK, or one that makes every span or
// none. Spans are batched and exported to nowhere; metrics are aggregated.
type telemetry struct {
	name    string
	sampler sdktrace.Sampler // nil without an SDK
}

var telemetries = []telemetry{
	{"no SDK", nil},
	{"every span recorded", sdktrace.AlwaysSample()},
	{"no span sampled", sdktrace.NeverSample()},
}

func (t telemetry) providers() (trace.TracerProvider, metric.MeterProvider, func()) {
	if t.sampler == nil {
		return tracenoop.NewTracerProvider(), metricnoop.NewMeterProvider(), func() {}
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSampler(t.sampler), sdktrace.WithBatcher(nowhere{}))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	return tracers, meters, func() { _, _ = tracers.Shutdown(context.Background()), meters.Shutdown(context.Background()) }
}

// nowhere is a span exporter.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }
