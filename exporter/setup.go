package exporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
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

	"github.com/otellock/otellock-go/exporter/throttle"
)

const (
	// cardinalityLimit is per instrument. The SDK's own 2,000 are used up by
	// 500 lock targets, and failing series, being born last, are the ones that
	// fall into the overflow.
	cardinalityLimit = 10_000

	// cardinalityVar is how the SDK lets an operator set that limit.
	cardinalityVar = "OTEL_GO_X_CARDINALITY_LIMIT"

	// abandonAfter bounds the clean-up of a Setup that failed. Nothing has been
	// recorded by then, so there is nothing to flush.
	abandonAfter = 5 * time.Second
)

// Setup builds the providers of all three signals from the environment, makes
// them OpenTelemetry's globals (see [WithoutGlobals]), and returns what stops
// them. The package documentation says which variables are read and what is
// put behind them.
//
// ctx bounds Setup itself, not what it builds.
//
// A variable or option that cannot be used is an error, and so is an exporter
// that cannot be built; then nothing is left running and no global has been
// touched. Errors name variables and never contain their values. A receiver
// that cannot be reached is not an error: exports are retried, and their
// failures go to OpenTelemetry's error handler ([otel.SetErrorHandler]).
func Setup(ctx context.Context, opts ...Option) (*Telemetry, error) {
	cfg := newConfig(opts)

	propagator, err := newPropagator()
	if err != nil {
		return nil, err
	}

	t := &Telemetry{propagator: propagator, stopped: make(chan struct{}), lifetime: newLifetime()}
	if sdkDisabled() {
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

	// Whatever is started is shut down again when a later step fails.
	var started []task
	defer func() {
		if err == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonAfter)
		defer cancel()
		_ = concurrently(ctx, started...)
		t.lifetime.end(errShutDown)
	}()

	metrics, err := newMeterProvider(ctx, cfg, res)
	if err != nil {
		return err
	}
	started = append(started, task{run: metrics.Shutdown})

	b := &builder{config: cfg, lifetime: t.lifetime, metrics: metrics}
	spans := &spanFanOut{}
	if spans.destinations, err = open(ctx, b, spanSinks, cfg.spanProcessors); err != nil {
		return err
	}
	started = append(started, task{run: spans.Shutdown})

	chain, err := t.newLogChain(ctx, b)
	if err != nil {
		return err
	}

	tracers := newTracerProvider(res, spans)
	loggers := newLoggerProvider(res, chain)
	t.tracers, t.meters, t.loggers = tracers, metrics, loggers
	t.traces = signal{
		flush: spans.ForceFlush,
		shutdown: func(ctx context.Context) error {
			// The fan-out by itself: with ctx ended, the provider would mark
			// itself as shut down and leave its processors running.
			return errors.Join(spans.Shutdown(ctx), tracers.Shutdown(ctx))
		},
	}
	t.metrics = signal{flush: metrics.ForceFlush, shutdown: metrics.Shutdown}
	t.logs = signal{
		flush: loggers.ForceFlush,
		shutdown: func(ctx context.Context) error {
			err := loggers.Shutdown(ctx) // first, so that no record comes late
			if chain != nil && ctx.Err() != nil {
				err = errors.Join(err, chain.Shutdown(ctx))
			}
			return err
		},
	}
	return nil
}

func newMeterProvider(ctx context.Context, cfg config, res *resource.Resource) (*sdkmetric.MeterProvider, error) {
	reader, err := newMetricReader(ctx)
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
		names := "OTEL_METRICS_EXPORTER"
		if os.Getenv("OTEL_METRICS_PRODUCERS") != "" {
			names += " or OTEL_METRICS_PRODUCERS"
		}
		return nil, fmt.Errorf("exporter: %s: %w", names, err)
	}
	opts := []sdkmetric.Option{sdkmetric.WithResource(res)}
	if os.Getenv(cardinalityVar) == "" {
		opts = append(opts, sdkmetric.WithCardinalityLimit(cardinalityLimit))
	}
	// The provider stops its readers one after the other: those of the process
	// before the one that waits for a server.
	for _, r := range cfg.metricReaders {
		opts = append(opts, sdkmetric.WithReader(r))
	}
	if !autoexport.IsNoneMetricReader(reader) {
		opts = append(opts, sdkmetric.WithReader(reader))
	}
	return sdkmetric.NewMeterProvider(opts...), nil
}

func newTracerProvider(res *resource.Resource, fan *spanFanOut) *sdktrace.TracerProvider {
	opts := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	if len(fan.destinations) > 0 {
		opts = append(opts, sdktrace.WithSpanProcessor(fan))
	}
	return sdktrace.NewTracerProvider(opts...)
}

// newLogChain returns the processor in front of all log destinations, nil when
// there is none: a provider without a processor says that it is not enabled,
// which lets a library fall back to the console.
func (t *Telemetry) newLogChain(ctx context.Context, b *builder) (sdklog.Processor, error) {
	all, err := open(ctx, b, logSinks, b.logProcessors)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	var next []sdklog.Processor
	var shutdowns []task
	for _, p := range all {
		next = append(next, eventNameProcessor{next: p})
		shutdowns = append(shutdowns, task{run: p.Shutdown})
	}
	throttled, err := throttle.NewProcessorWith(
		append([]throttle.Option{throttle.WithMeterProvider(b.metrics)}, b.throttle...), next...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("exporter: WithThrottle: %w", err), concurrently(ctx, shutdowns...))
	}
	t.throttle = throttled
	return throttled, nil
}

func newLoggerProvider(res *resource.Resource, chain sdklog.Processor) *sdklog.LoggerProvider {
	opts := []sdklog.LoggerProviderOption{sdklog.WithResource(res)}
	if chain != nil {
		opts = append(opts, sdklog.WithProcessor(chain))
	}
	return sdklog.NewLoggerProvider(opts...)
}
