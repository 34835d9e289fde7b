package exporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	lognoop "go.opentelemetry.io/otel/log/noop"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/exporter/internal/parallel"
	"github.com/otellock/otellock-go/exporter/throttle"
)

const (
	// cardinalityLimit is per instrument. The SDK's own 2,000 are used up by
	// 500 lock targets, and failing series, born last, fall into the overflow.
	cardinalityLimit = 10_000

	// abandonAfter bounds the clean-up of a Setup that failed.
	abandonAfter = 5 * time.Second
)

// Setup builds the providers of all three signals from the environment, makes
// them OpenTelemetry's globals (see [WithoutGlobals]), and returns what stops
// them. The package documentation says which variables are read. ctx bounds Setup
// itself, not what it builds.
//
// A variable or option that cannot be used is an error; then nothing is left
// running and no global has been touched. Errors name variables and never contain
// their values. A receiver that cannot be reached is not an error: exports are
// retried, and their failures go to [otel.SetErrorHandler]. What nobody would see
// otherwise is printed: see [WithConsole].
func Setup(ctx context.Context, opts ...Option) (*Telemetry, error) {
	cfg := newConfig(opts)
	propagator, err := newPropagator()
	if err != nil {
		return nil, err
	}
	t := &Telemetry{propagator: propagator, stopped: make(chan struct{})}
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		t.tracers, t.meters, t.loggers = tracenoop.NewTracerProvider(), metricnoop.NewMeterProvider(), lognoop.NewLoggerProvider()
	} else if err := t.build(ctx, cfg); err != nil {
		return nil, err
	}
	if !cfg.keepGlobals {
		otel.SetTracerProvider(t.tracers)
		otel.SetMeterProvider(t.meters)
		otel.SetLoggerProvider(t.loggers)
		otel.SetTextMapPropagator(propagator)
	}
	return t, nil
}

func (t *Telemetry) build(ctx context.Context, cfg config) (err error) {
	if err := checkEnvironment(cfg); err != nil {
		return err
	}
	res, err := newResource(ctx, cfg.resourceAttributes)
	if err != nil {
		return err
	}
	out, err := newConsole(cfg.console)
	if err != nil {
		return err
	}
	b := &builder{config: cfg, out: out}
	b.life, t.end = context.WithCancelCause(context.Background())
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonAfter)
			defer cancel()
			parallel.Each(ctx, b.opened, processor.Shutdown)
			t.end(errShutDown)
		}
	}()

	if b.metrics, err = newMeterProvider(ctx, b, res); err != nil {
		return err
	}
	b.opened = append(b.opened, b.metrics)
	spans := &spanFanOut{}
	if spans.destinations, err = open(ctx, b, spanSinks, cfg.spanProcessors); err != nil {
		return err
	}
	logs, err := open(ctx, b, logSinks, cfg.logProcessors)
	if err != nil {
		return err
	}
	traceOptions := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	if len(spans.destinations) > 0 {
		traceOptions = append(traceOptions, sdktrace.WithSpanProcessor(spans))
	}
	logOptions := []sdklog.LoggerProviderOption{sdklog.WithResource(res)}
	if len(logs) > 0 { // a provider without a processor says that it is not enabled
		for i := range logs {
			logs[i] = eventNameProcessor{watchedProcessor{logs[i], out}}
		}
		if t.throttle, err = throttle.NewProcessorWith(append([]throttle.Option{throttle.WithMeterProvider(b.metrics)}, cfg.throttle...), logs...); err != nil {
			return fmt.Errorf("exporter: WithThrottle: %w", err)
		}
		logOptions = append(logOptions, sdklog.WithProcessor(t.throttle))
	}

	tracers, loggers := sdktrace.NewTracerProvider(traceOptions...), sdklog.NewLoggerProvider(logOptions...)
	t.logRoute = b.logRoute
	t.tracers, t.meters, t.loggers = tracers, b.metrics, loggers
	t.traces, t.metrics, t.logs = signal{tracers, spans}, signal{b.metrics, nil}, signal{loggers, nil}
	if t.throttle != nil {
		t.logs.processor = t.throttle
	}
	return nil
}

func newMeterProvider(ctx context.Context, b *builder, res *resource.Resource) (*sdkmetric.MeterProvider, error) {
	reader, err := newMetricReader(ctx, b)
	if listen := (*net.OpError)(nil); errors.As(err, &listen) {
		// Its text quotes the host.
		problem := "not an address of this machine"
		if errno := syscall.Errno(0); errors.As(listen, &errno) {
			problem = errno.Error()
		}
		return nil, fmt.Errorf("exporter: OTEL_METRICS_EXPORTER: cannot listen on "+
			"OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT: %s", problem)
	}
	if err != nil {
		return nil, err
	}
	opts := []sdkmetric.Option{sdkmetric.WithResource(res)}
	if os.Getenv("OTEL_GO_X_CARDINALITY_LIMIT") == "" {
		opts = append(opts, sdkmetric.WithCardinalityLimit(cardinalityLimit))
	}
	// The provider stops its readers one after the other: those of the process
	// before the one that waits for a server.
	for _, r := range b.metricReaders {
		if r != nil {
			opts = append(opts, sdkmetric.WithReader(r))
		}
	}
	if !autoexport.IsNoneMetricReader(reader) {
		opts = append(opts, sdkmetric.WithReader(reader))
	}
	return sdkmetric.NewMeterProvider(opts...), nil
}
