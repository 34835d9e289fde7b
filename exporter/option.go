package exporter

import (
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/exporter/throttle"
)

// Option configures [Setup]. What a deployment decides (where telemetry goes,
// how it is sampled, who the service is) is read from the environment and has
// no option.
type Option interface{ apply(*config) }

type option func(*config)

func (o option) apply(c *config) { o(c) }

type config struct {
	keepGlobals        bool
	sentryTraces       bool
	sentry             []sentrylog.Option
	throttle           []throttle.Option
	resourceAttributes []attribute.KeyValue
	spanProcessors     []sdktrace.SpanProcessor
	metricReaders      []sdkmetric.Reader
	logProcessors      []sdklog.Processor
	console            slog.Handler
}

func newConfig(opts []Option) (c config) {
	for _, opt := range opts {
		if opt != nil {
			opt.apply(&c)
		}
	}
	return c
}

// WithoutGlobals leaves OpenTelemetry's global providers and propagator as
// they are. Hand on what [Telemetry] returns instead.
func WithoutGlobals() Option { return option(func(c *config) { c.keepGlobals = true }) }

// WithResourceAttributes adds attributes to the resource of all three signals.
// They win over OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME. An attribute
// without a key is an error of [Setup].
func WithResourceAttributes(attrs ...attribute.KeyValue) Option {
	return option(func(c *config) { c.resourceAttributes = append(c.resourceAttributes, attrs...) })
}

// WithThrottle configures the throttle in front of all log destinations, for
// instance with another [throttle.WithWindow]. Invalid options are an error of
// [Setup].
func WithThrottle(opts ...throttle.Option) Option {
	return option(func(c *config) { c.throttle = append(c.throttle, opts...) })
}

// WithSentry configures the processor that makes Sentry issues. It is built when
// SENTRY_DSN is set or when [sentrylog.WithClient] is among the options, which
// then sends through the application's client. Without either the options do
// nothing. Invalid options are an error of [Setup].
func WithSentry(opts ...sentrylog.Option) Option {
	return option(func(c *config) { c.sentry = append(c.sentry, opts...) })
}

// WithSentryTraces sends spans to Sentry's OTLP endpoint too, beside whatever
// OTEL_TRACES_EXPORTER names. The address and the key are those of SENTRY_DSN;
// of the OTEL_EXPORTER_OTLP_* variables only timeout and compression apply, but
// all are checked. Without SENTRY_DSN the option does nothing.
func WithSentryTraces() Option { return option(func(c *config) { c.sentryTraces = true }) }

// WithSpanProcessor gives every span to p as well, before the exporters of the
// environment get it. [Telemetry.Shutdown] shuts p down. Nil is ignored.
func WithSpanProcessor(p sdktrace.SpanProcessor) Option {
	return option(func(c *config) { c.spanProcessors = append(c.spanProcessors, p) })
}

// WithMetricReader adds r to the readers of all metrics. [Telemetry.Shutdown] shuts r
// down. Nil is ignored.
func WithMetricReader(r sdkmetric.Reader) Option {
	return option(func(c *config) { c.metricReaders = append(c.metricReaders, r) })
}

// WithLogProcessor gives the log records that pass the throttle to p as well, each
// as a copy that p may change. [Telemetry.Shutdown] shuts p down. Nil is ignored.
func WithLogProcessor(p sdklog.Processor) Option {
	return option(func(c *config) { c.logProcessors = append(c.logProcessors, p) })
}

// WithConsole sets what prints where telemetry does not arrive: a lock's warning
// that a destination gave up, with the route and the reason, once a minute for
// each action and target; and, once, that the first export of a signal failed. The
// default is text on standard error. The handler must not lead back into
// OpenTelemetry, and may be called by several goroutines at once. Nil is ignored.
func WithConsole(handler slog.Handler) Option {
	return option(func(c *config) {
		if handler != nil {
			c.console = handler
		}
	})
}
