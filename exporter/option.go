package exporter

import (
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
type Option interface {
	apply(config) config
}

type optionFunc func(config) config

func (f optionFunc) apply(c config) config { return f(c) }

type config struct {
	keepGlobals        bool
	sentryTraces       bool
	sentry             []sentrylog.Option
	throttle           []throttle.Option
	resourceAttributes []attribute.KeyValue
	spanProcessors     []sdktrace.SpanProcessor
	metricReaders      []sdkmetric.Reader
	logProcessors      []sdklog.Processor
}

func newConfig(opts []Option) config {
	var c config
	for _, opt := range opts {
		if opt != nil {
			c = opt.apply(c)
		}
	}
	return c
}

// WithoutGlobals leaves OpenTelemetry's global providers and propagator as
// they are. Hand on what [Telemetry] returns instead.
func WithoutGlobals() Option {
	return optionFunc(func(c config) config {
		c.keepGlobals = true
		return c
	})
}

// WithResourceAttributes adds attributes to the resource of all three signals.
// They win over OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, as options do
// everywhere in OpenTelemetry Go. An attribute without a key is an error of
// [Setup].
func WithResourceAttributes(attrs ...attribute.KeyValue) Option {
	return optionFunc(func(c config) config {
		c.resourceAttributes = append(c.resourceAttributes[:len(c.resourceAttributes):len(c.resourceAttributes)], attrs...)
		return c
	})
}

// WithThrottle configures the throttle in front of all log destinations, for
// instance with another [throttle.WithWindow]. Its metric goes to the
// MeterProvider that [Setup] builds. Options that make no sense are an error of
// Setup.
func WithThrottle(opts ...throttle.Option) Option {
	return optionFunc(func(c config) config {
		c.throttle = append(c.throttle[:len(c.throttle):len(c.throttle)], opts...)
		return c
	})
}

// WithSentry configures the processor that makes Sentry issues. It is built when
// SENTRY_DSN is set or when [sentrylog.WithClient] is among the options, which
// then sends through the application's client. Without either the options do
// nothing. Options that make no sense are an error of [Setup].
func WithSentry(opts ...sentrylog.Option) Option {
	return optionFunc(func(c config) config {
		c.sentry = append(c.sentry[:len(c.sentry):len(c.sentry)], opts...)
		return c
	})
}

// WithSentryTraces sends spans to Sentry's OTLP endpoint too, beside whatever
// OTEL_TRACES_EXPORTER names. The address and the key are those of SENTRY_DSN;
// no OTEL_EXPORTER_OTLP_* header or certificate goes there; timeout and
// compression apply. With a SENTRY_DSN those variables are checked even where
// OTEL_TRACES_EXPORTER is not otlp. Without one the option does nothing, so
// that one binary serves for every environment.
func WithSentryTraces() Option {
	return optionFunc(func(c config) config {
		c.sentryTraces = true
		return c
	})
}

// WithSpanProcessor gives every span to p too, before any exporter of the
// environment. [Telemetry.Shutdown] shuts p down. Nil is ignored.
func WithSpanProcessor(p sdktrace.SpanProcessor) Option {
	return optionFunc(func(c config) config {
		if p != nil {
			c.spanProcessors = append(c.spanProcessors[:len(c.spanProcessors):len(c.spanProcessors)], p)
		}
		return c
	})
}

// WithMetricReader lets r read all metrics too. [Telemetry.Shutdown] shuts r
// down. Nil is ignored.
func WithMetricReader(r sdkmetric.Reader) Option {
	return optionFunc(func(c config) config {
		if r != nil {
			c.metricReaders = append(c.metricReaders[:len(c.metricReaders):len(c.metricReaders)], r)
		}
		return c
	})
}

// WithLogProcessor gives log records to p too. It stands where exporters
// stand: behind the throttle, beside OTLP and Sentry, with a record of its own
// that it may change. [Telemetry.Shutdown] shuts p down. Nil is ignored.
func WithLogProcessor(p sdklog.Processor) Option {
	return optionFunc(func(c config) config {
		if p != nil {
			c.logProcessors = append(c.logProcessors[:len(c.logProcessors):len(c.logProcessors)], p)
		}
		return c
	})
}
