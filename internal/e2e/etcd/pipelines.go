// Package etcd tests otellock/oteletcd on etcd's embedded server. peer runs etcd's
// own tests of its package through it.
package etcd

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/log"
	lognoop "go.opentelemetry.io/otel/log/noop"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// A pipeline is what telemetry goes to.
type pipeline struct {
	tracers trace.TracerProvider
	meters  metric.MeterProvider
	loggers log.LoggerProvider
}

// pipelines are the ways in which a lock must be the same.
var pipelines = map[string]func() pipeline{
	"no SDK": func() pipeline {
		return pipeline{tracenoop.NewTracerProvider(), metricnoop.NewMeterProvider(), lognoop.NewLoggerProvider()}
	},
	"an SDK": func() pipeline {
		return pipeline{
			sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(hook{})),
			sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
			logsTo(func() {}),
		}
	},
	"a sampler that panics": func() pipeline {
		return pipeline{sdktrace.NewTracerProvider(sdktrace.WithSampler(hook{sample: broken})), brokenMeters{}, logsTo(broken)}
	},
	"a span processor that panics at start": func() pipeline {
		return pipeline{sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(hook{start: broken})), brokenMeters{}, logsTo(broken)}
	},
	"a span processor that panics at end": func() pipeline {
		return pipeline{sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(hook{end: broken})), brokenMeters{}, logsTo(broken)}
	},
	"a log handler that blocks": func() pipeline {
		return pipeline{
			sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(hook{})),
			sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
			logsTo(func() { <-time.After(200 * time.Millisecond) }),
		}
	},
}

func broken() { panic("the pipeline is broken") }

func logsTo(f func()) log.LoggerProvider {
	return sdklog.NewLoggerProvider(sdklog.WithProcessor(hook{emit: f}))
}

// A hook is a sampler, a span processor and a log processor that do what they are
// told.
type hook struct{ sample, start, end, emit func() }

func (h hook) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	call(h.sample)
	return sdktrace.AlwaysSample().ShouldSample(p)
}

func (h hook) Description() string                                    { return "hook" }
func (h hook) OnStart(context.Context, sdktrace.ReadWriteSpan)        { call(h.start) }
func (h hook) OnEnd(sdktrace.ReadOnlySpan)                            { call(h.end) }
func (h hook) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (h hook) OnEmit(context.Context, *sdklog.Record) error           { call(h.emit); return nil }
func (h hook) Shutdown(context.Context) error                         { return nil }
func (h hook) ForceFlush(context.Context) error                       { return nil }

func call(f func()) {
	if f != nil {
		f()
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

func (brokenCounter) Add(context.Context, int64, ...metric.AddOption)           { broken() }
func (brokenUpDownCounter) Add(context.Context, int64, ...metric.AddOption)     { broken() }
func (brokenHistogram) Record(context.Context, float64, ...metric.RecordOption) { broken() }
