package observe

import (
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Option configures an [Observer].
type Option interface{ apply(*config) }

type config struct {
	tracers     trace.TracerProvider
	meters      metric.MeterProvider
	loggers     log.LoggerProvider
	throttle    Throttle
	spanEvents  bool
	backendName string
	host        string
	port        int
	lockz       bool
	declared    []keyTarget
	lock        lockConfig // the default of every target
}

type option func(*config)

func (o option) apply(c *config) { o(c) }

// WithLockz shows the locks of this Observer on the page of package lockz. The
// default is false, which keeps no list.
func WithLockz(shown bool) Option {
	return option(func(c *config) { c.lockz = shown })
}

// WithTracerProvider sets the provider of the spans. The default is the global
// one; nil is ignored.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return option(func(c *config) {
		if provider != nil {
			c.tracers = provider
		}
	})
}

// WithMeterProvider sets the provider of the metrics. The default is the global
// one; nil is ignored.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return option(func(c *config) {
		if provider != nil {
			c.meters = provider
		}
	})
}

// WithLoggerProvider sets the provider of the log records, and turns off the
// fallback to the console. The default is the global provider as it is at the
// time of a report; nil is ignored.
func WithLoggerProvider(provider log.LoggerProvider) Option {
	return option(func(c *config) {
		if provider != nil {
			c.loggers = provider
		}
	})
}

// A Throttle tells whether a record would be suppressed before it is built. The
// processor of package exporter/throttle is one, and so is what exporter.Setup
// returns.
type Throttle interface {
	// Suppress reports whether a record of this failure at that time would be
	// suppressed, and counts it if so. It never lets a record through by itself:
	// where it returns false, the record has to be emitted.
	Suppress(at time.Time, action, target, errorType string) bool
}

// WithThrottle skips the building of a warning that the throttle behind the
// logger provider would suppress. It must be that very throttle. Nil, the default,
// builds every warning.
func WithThrottle(throttle Throttle) Option {
	return option(func(c *config) { c.throttle = throttle })
}

// WithSpanEvents turns the span event of a failure on (the default) or off. The
// log record of the same name is correlated to the span either way.
func WithSpanEvents(enabled bool) Option {
	return option(func(c *config) { c.spanEvents = enabled })
}

// WithBackendName sets lock.backend.name, for example "redis". The default is
// "_OTHER".
func WithBackendName(name string) Option {
	return option(func(c *config) { c.backendName = name })
}

// WithServerAddress sets server.address and server.port of the warnings, where
// the backend is one server. Port 0 is left out.
func WithServerAddress(host string, port int) Option {
	return option(func(c *config) { c.host, c.port = host, port })
}

// WithTarget declares a target by the keys of its locks, for locks that are made
// by their key: [Observer.KeyTarget] gives it to every key that the pattern
// matches, where '*' stands for one or more characters of any kind, a ':' too.
// Repeat it for each target, the more special pattern first: the first that
// matches a key names it. [New] returns an error for a name or pattern that
// [Observer.Target] refuses, and for one that is declared twice.
func WithTarget(name, pattern string) Option {
	return option(func(c *config) { c.declared = append(c.declared, keyTarget{name: name, pattern: pattern}) })
}

// LockOption configures the locks of a [Target]. Given to [New], it is the default
// of every target.
type LockOption interface {
	Option
	applyLock(*lockConfig)
}

type lockConfig struct {
	ttl      time.Duration
	limit    time.Duration
	wait     time.Duration
	failOpen bool
	logger   *slog.Logger
}

type lockOption func(*lockConfig)

func (o lockOption) applyLock(c *lockConfig) { o(c) }
func (o lockOption) apply(c *config)         { o(&c.lock) }

// WithTTL sets the time to live of a lease, from which utilization and the
// difference between expired and lost follow. The default, zero, is a lease
// without one: it has no utilization and cannot expire. Where each acquire has a
// time to live of its own, see [Acquire.SetTTL].
func WithTTL(ttl time.Duration) LockOption {
	return lockOption(func(c *lockConfig) { c.ttl = ttl })
}

// WithRenewalLimit sets for how long the lock renews a lease on its own: the
// utilization of a hold is a ratio of that, where it is longer than the time to
// live. The default, zero, is for a lease that is not renewed.
func WithRenewalLimit(limit time.Duration) LockOption {
	return lockOption(func(c *lockConfig) { c.limit = limit })
}

// WithWait sets how long an acquire is willing to wait, which its span shows. A
// negative wait, the default, leaves it out.
func WithWait(wait time.Duration) LockOption {
	return lockOption(func(c *lockConfig) { c.wait = wait })
}

// WithFailOpen says whether the caller's work runs unprotected when the backend
// fails at acquire. The default is false: the caller gets an error.
func WithFailOpen(open bool) LockOption {
	return lockOption(func(c *lockConfig) { c.failOpen = open })
}

// WithLogger sends the warnings to this logger instead of the OpenTelemetry
// pipeline: at most one a minute for each action and target, with the number of
// those that were suppressed. Nil, the default, is the pipeline, or
// [slog.Default] where there is none.
func WithLogger(logger *slog.Logger) LockOption {
	return lockOption(func(c *lockConfig) { c.logger = logger })
}
