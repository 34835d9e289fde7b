// Package pipeline is what OpenTelemetry may be in a process that locks: not there,
// there, or broken.
package pipeline

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A Pipeline is the providers of a process, each nil where there is none, and its
// console.
type Pipeline struct {
	Tracers trace.TracerProvider
	Meters  metric.MeterProvider
	Loggers log.LoggerProvider
	Console slog.Handler
}

// All are the pipelines by what they are.
var All = map[string]Pipeline{
	"no SDK": {},
	"an SDK": {
		Tracers: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(tracetest.NewSpanRecorder())),
		Meters:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
		Loggers: sdklog.NewLoggerProvider(sdklog.WithProcessor(quiet{})),
	},
	"processors that panic": {
		Tracers: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(panics{})),
		Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()),
			sdkmetric.WithExemplarFilter(exemplar.Filter(func(context.Context) bool { panic("exemplars") }))),
		Loggers: sdklog.NewLoggerProvider(sdklog.WithProcessor(panics{})),
	},
	"a sampler that panics":   {Tracers: sdktrace.NewTracerProvider(sdktrace.WithSampler(panics{}))},
	"a console that panics":   {Console: console{panics{}}},
	"a console that blocks":   {Console: console{blocks{}}},
	"a processor that blocks": {Loggers: sdklog.NewLoggerProvider(sdklog.WithProcessor(blocks{}))},
}

// Options are the pipeline for one Observer.
func (p Pipeline) Options() []observe.Option {
	opts := []observe.Option{observe.WithTracerProvider(p.Tracers), observe.WithMeterProvider(p.Meters), observe.WithLoggerProvider(p.Loggers)}
	if p.Console != nil {
		opts = append(opts, observe.WithLogger(slog.New(p.Console)))
	}
	return opts
}

// Install makes it the process's own.
func (p Pipeline) Install() {
	if p.Tracers != nil {
		otel.SetTracerProvider(p.Tracers)
	}
	if p.Meters != nil {
		otel.SetMeterProvider(p.Meters)
	}
	if p.Loggers != nil {
		otel.SetLoggerProvider(p.Loggers)
	}
	if p.Console != nil {
		slog.SetDefault(slog.New(p.Console))
	}
}

// quiet takes everything.
type quiet struct{}

func (quiet) OnEmit(context.Context, *sdklog.Record) error           { return nil }
func (quiet) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (quiet) Shutdown(context.Context) error                         { return nil }
func (quiet) ForceFlush(context.Context) error                       { return nil }

// panics panics wherever it is called.
type panics struct{ quiet }

func (panics) OnStart(context.Context, sdktrace.ReadWriteSpan)                  { panic("span start") }
func (panics) OnEnd(sdktrace.ReadOnlySpan)                                      { panic("span end") }
func (panics) OnEmit(context.Context, *sdklog.Record) error                     { panic("log record") }
func (panics) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult { panic("sampler") }
func (panics) Description() string                                              { return "panics" }

// blocks never returns from a record.
type blocks struct{ quiet }

func (blocks) OnEmit(context.Context, *sdklog.Record) error { select {} }

// A console is a slog.Handler that does what a processor does.
type console struct{ sdklog.Processor }

func (console) Enabled(context.Context, slog.Level) bool { return true }
func (c console) Handle(ctx context.Context, _ slog.Record) error {
	return c.OnEmit(ctx, nil)
}
func (c console) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c console) WithGroup(string) slog.Handler      { return c }
