// Package pipeline is what OpenTelemetry may be in a process that locks: not there,
// there, or broken.
package pipeline

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
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
	"no SDK":                                {},
	"an SDK":                                pipelineOf(quiet{}),
	"a sampler that panics":                 {Tracers: sdktrace.NewTracerProvider(sdktrace.WithSampler(panics{}))},
	"processors that panic, spans at start": pipelineOf(panicsAtStart{}),
	"processors that panic, spans at end":   pipelineOf(panics{}),
	"a processor that blocks":               {Loggers: loggers(blocks{})},
	"a console that panics":                 {Console: console{panics{}}},
	"a console that blocks":                 {Console: console{blocks{}}},
}

// pipelineOf returns an SDK whose processors are p. Where p panics, measurements do.
func pipelineOf(p processor) Pipeline {
	measured := exemplar.Filter(func(ctx context.Context) bool { return p.OnEmit(ctx, nil) == nil })
	return Pipeline{
		Tracers: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p)),
		Meters:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()), sdkmetric.WithExemplarFilter(measured)),
		Loggers: loggers(p),
	}
}

func loggers(p processor) log.LoggerProvider {
	return sdklog.NewLoggerProvider(sdklog.WithProcessor(p))
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

// A processor takes spans and log records.
type processor interface {
	sdktrace.SpanProcessor
	sdklog.Processor
}

// quiet takes everything.
type quiet struct{}

func (quiet) OnStart(context.Context, sdktrace.ReadWriteSpan)        {}
func (quiet) OnEnd(sdktrace.ReadOnlySpan)                            {}
func (quiet) OnEmit(context.Context, *sdklog.Record) error           { return nil }
func (quiet) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (quiet) Shutdown(context.Context) error                         { return nil }
func (quiet) ForceFlush(context.Context) error                       { return nil }

// panics panics wherever it is called but at the start of a span, without which there
// is no end.
type panics struct{ quiet }

func (panics) OnEnd(sdktrace.ReadOnlySpan)                                      { panic("span end") }
func (panics) OnEmit(context.Context, *sdklog.Record) error                     { panic("log record") }
func (panics) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult { panic("sampler") }
func (panics) Description() string                                              { return "panics" }

type panicsAtStart struct{ panics }

func (panicsAtStart) OnStart(context.Context, sdktrace.ReadWriteSpan) { panic("span start") }

// blocks holds a record for much longer than a caller waits for it. It lets go of it in
// the end, because etcd's own tests look for goroutines that are left.
type blocks struct{ quiet }

func (blocks) OnEmit(context.Context, *sdklog.Record) error {
	<-time.After(time.Second)
	return nil
}

// A console is a slog.Handler that does what a processor does.
type console struct{ sdklog.Processor }

func (console) Enabled(context.Context, slog.Level) bool { return true }
func (c console) Handle(ctx context.Context, _ slog.Record) error {
	return c.OnEmit(ctx, nil)
}
func (c console) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c console) WithGroup(string) slog.Handler      { return c }
