package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// processor is what log and span processors have in common.
type processor interface {
	ForceFlush(context.Context) error
	Shutdown(context.Context) error
}

// A sink opens a destination that the environment or an option names. It returns
// nil where neither does. What it opens stands behind the throttle (log records)
// and beside the others: each has its own copy of a record, and none waits for
// another when telemetry is flushed or shut down.
type sink[P processor] func(context.Context, *builder) (P, error)

// The destinations. Another one is another line.
var (
	logSinks = []sink[sdklog.Processor]{
		openLogExporter, // OTEL_LOGS_EXPORTER
		openSentry,      // SENTRY_DSN, WithSentry
	}
	spanSinks = []sink[sdktrace.SpanProcessor]{
		openSpanExporter, // OTEL_TRACES_EXPORTER
		openSentrySpans,  // WithSentryTraces
	}
)

// builder is what sinks are opened with.
type builder struct {
	config
	lifetime lifetime
	metrics  *sdkmetric.MeterProvider
}

// open opens all sinks. What is open already is shut down when one fails.
func open[P processor](ctx context.Context, b *builder, sinks []sink[P], given []P) ([]P, error) {
	all, opened := given[:len(given):len(given)], []P(nil)
	for _, sink := range sinks {
		p, err := sink(ctx, b)
		if err != nil {
			for _, p := range opened {
				err = errors.Join(err, p.Shutdown(ctx))
			}
			return nil, err
		}
		if any(p) != nil {
			all, opened = append(all, p), append(opened, p)
		}
	}
	return all, nil
}

func openLogExporter(ctx context.Context, b *builder) (sdklog.Processor, error) {
	if os.Getenv(logsVar) == sentryName {
		return nil, nil
	}
	var e sdklog.Exporter
	var err error
	switch localProtocol("LOGS") {
	case "http/protobuf":
		e, err = otlploghttp.New(ctx, otlploghttp.WithInsecure())
	case "grpc":
		e, err = otlploggrpc.New(ctx, otlploggrpc.WithInsecure())
	default:
		e, err = autoexport.NewLogExporter(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("exporter: %s: %w", logsVar, err)
	}
	if autoexport.IsNoneLogExporter(e) {
		return nil, nil // a batch processor would say that it is enabled, and swallow everything
	}
	return sdklog.NewBatchProcessor(boundLogExporter{e, b.lifetime}), nil
}

func openSpanExporter(ctx context.Context, b *builder) (sdktrace.SpanProcessor, error) {
	var e sdktrace.SpanExporter
	var err error
	switch localProtocol("TRACES") {
	case "http/protobuf":
		e, err = otlptracehttp.New(ctx, otlptracehttp.WithInsecure())
	case "grpc":
		e, err = otlptracegrpc.New(ctx, otlptracegrpc.WithInsecure())
	default:
		e, err = autoexport.NewSpanExporter(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("exporter: OTEL_TRACES_EXPORTER: %w", err)
	}
	if autoexport.IsNoneSpanExporter(e) {
		return nil, nil
	}
	return sdktrace.NewBatchSpanProcessor(boundSpanExporter{e, b.lifetime}), nil
}

func newMetricReader(ctx context.Context) (sdkmetric.Reader, error) {
	local := localProtocol("METRICS")
	if os.Getenv("OTEL_METRICS_PRODUCERS") != "" {
		local = "" // autoexport alone knows them
	}
	var e sdkmetric.Exporter
	var err error
	switch local {
	case "http/protobuf":
		e, err = otlpmetrichttp.New(ctx, otlpmetrichttp.WithInsecure())
	case "grpc":
		e, err = otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithInsecure())
	default:
		return autoexport.NewMetricReader(ctx)
	}
	if err != nil {
		return nil, err
	}
	return sdkmetric.NewPeriodicReader(e), nil
}
