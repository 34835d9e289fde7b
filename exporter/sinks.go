package exporter

import (
	"context"
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

// processor is what can be flushed and shut down.
type processor interface {
	ForceFlush(context.Context) error
	Shutdown(context.Context) error
}

// A sink opens a destination that the environment or an option names. It returns
// nil where neither does.
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
	life context.Context // ends with Telemetry.Shutdown
	out  *console
	// logRoute is that of OTEL_LOGS_EXPORTER, nil where it is none.
	logRoute *route
	metrics  *sdkmetric.MeterProvider
	opened   []processor // shut down again when Setup fails
}

// open adds what the sinks open to the processors given by options.
func open[P processor](ctx context.Context, b *builder, sinks []sink[P], given []P) (all []P, err error) {
	for _, p := range given {
		if any(p) != nil {
			all = append(all, p)
		}
	}
	for _, sink := range sinks {
		p, err := sink(ctx, b)
		if err != nil {
			return nil, err
		}
		if any(p) != nil {
			all, b.opened = append(all, p), append(b.opened, p)
		}
	}
	return all, nil
}

// newExporter opens what the environment names for a signal: an OTLP exporter by http
// or grpc, everything else by auto. Without an endpoint the OTLP receiver is at
// localhost without TLS, as the specification has it; Go's exporters would use TLS.
func newExporter[E any](signal string, http, grpc func(local bool) (E, error), auto func() (E, error)) (e E, err error) {
	local := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") == ""
	switch by := protocol(signal); {
	case otlpSelected(signal) && by == "http/protobuf":
		e, err = http(local)
	case otlpSelected(signal) && by == "grpc":
		e, err = grpc(local)
	default:
		e, err = auto()
	}
	if err != nil {
		err = fmt.Errorf("exporter: OTEL_%s_EXPORTER: %w", signal, err)
	}
	return e, err
}

// when returns the option in a list, which is empty if it does not apply.
func when[O any](applies bool, option O) []O {
	if applies {
		return []O{option}
	}
	return nil
}

func openLogExporter(ctx context.Context, b *builder) (sdklog.Processor, error) {
	if os.Getenv(logsVar) == sentryName {
		return nil, nil
	}
	e, err := newExporter("LOGS",
		func(local bool) (sdklog.Exporter, error) {
			return otlploghttp.New(ctx, when(local, otlploghttp.WithInsecure())...)
		},
		func(local bool) (sdklog.Exporter, error) {
			return otlploggrpc.New(ctx, when(local, otlploggrpc.WithInsecure())...)
		},
		func() (sdklog.Exporter, error) { return autoexport.NewLogExporter(ctx) })
	if err != nil || autoexport.IsNoneLogExporter(e) {
		return nil, err // behind a batch processor, none would say that it is enabled
	}
	b.logRoute = b.newRoute("LOGS")
	return pendingProcessor{sdklog.NewBatchProcessor(routedLogExporter{e, b.logRoute}), &b.logRoute.pending}, nil
}

func openSpanExporter(ctx context.Context, b *builder) (sdktrace.SpanProcessor, error) {
	e, err := newExporter("TRACES",
		func(local bool) (sdktrace.SpanExporter, error) {
			return otlptracehttp.New(ctx, when(local, otlptracehttp.WithInsecure())...)
		},
		func(local bool) (sdktrace.SpanExporter, error) {
			return otlptracegrpc.New(ctx, when(local, otlptracegrpc.WithInsecure())...)
		},
		func() (sdktrace.SpanExporter, error) { return autoexport.NewSpanExporter(ctx) })
	if err != nil || autoexport.IsNoneSpanExporter(e) {
		return nil, err
	}
	return sdktrace.NewBatchSpanProcessor(routedSpanExporter{e, b.newRoute("TRACES")}), nil
}

func newMetricReader(ctx context.Context, b *builder) (sdkmetric.Reader, error) {
	auto := func() (sdkmetric.Reader, error) { return autoexport.NewMetricReader(ctx) }
	if os.Getenv("OTEL_METRICS_PRODUCERS") != "" { // autoexport alone knows them
		r, err := auto()
		if err != nil {
			err = fmt.Errorf("exporter: OTEL_METRICS_EXPORTER or OTEL_METRICS_PRODUCERS: %w", err)
		}
		return r, err
	}
	periodic := func(e sdkmetric.Exporter, err error) (sdkmetric.Reader, error) {
		if err != nil {
			return nil, err
		}
		return sdkmetric.NewPeriodicReader(routedMetricExporter{e, b.newRoute("METRICS")}), nil
	}
	return newExporter("METRICS",
		func(local bool) (sdkmetric.Reader, error) {
			return periodic(otlpmetrichttp.New(ctx, when(local, otlpmetrichttp.WithInsecure())...))
		},
		func(local bool) (sdkmetric.Reader, error) {
			return periodic(otlpmetricgrpc.New(ctx, when(local, otlpmetricgrpc.WithInsecure())...))
		},
		auto)
}
