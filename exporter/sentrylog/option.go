package sentrylog

import (
	"errors"
	"net/http"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

type config struct {
	client               *sentry.Client
	clientSet            bool
	release, environment string
	filter               func(*sdklog.Record) bool
	events, lostLeases   int
	transport            http.RoundTripper
	meterProvider        metric.MeterProvider
}

// defaultCap is how many events of a class go out in one minute.
const defaultCap = 60

func newConfig(opts []Option) config {
	c := config{filter: LockWarnings, events: defaultCap, lostLeases: defaultCap}
	for _, o := range opts {
		if o != nil {
			c = o.apply(c)
		}
	}
	return c
}

func (c config) validate() error {
	if c.events < 0 || c.lostLeases < 0 {
		return errors.New("sentrylog: WithCap takes numbers from 0, which means no cap")
	}
	return nil
}

// An Option configures an [Exporter].
type Option interface{ apply(config) config }

type option func(config) config

func (o option) apply(c config) config { return o(c) }

// WithClient sends through the application's own client instead of one made
// from a DSN, which must then be empty. The exporter flushes it and never closes
// it.
//
// What the client was made with then holds: its transport, its hooks, its
// sampling. A release, environment or server name in its options wins over the
// record's resource, so that lock events agree with the application's others.
// sentry-go tells nobody whether an event arrived: an error from Export, and
// the failures counted, are only what the client refused at once and what a
// flush could not wait for. Retries and rate limits are the client's own.
// [WithHTTPTransport] is refused together with it.
func WithClient(client *sentry.Client) Option {
	return option(func(c config) config {
		c.client, c.clientSet = client, true
		return c
	})
}

// WithRelease sets the release of every event. Without it the release is
// SENTRY_RELEASE, or else the resource's service.version.
func WithRelease(release string) Option {
	return option(func(c config) config {
		c.release = release
		return c
	})
}

// WithEnvironment sets the environment of every event. Without it the
// environment is SENTRY_ENVIRONMENT, or else the resource's
// deployment.environment.name.
func WithEnvironment(environment string) Option {
	return option(func(c config) config {
		c.environment = environment
		return c
	})
}

// WithFilter sets which records become events. The default is [LockWarnings].
// The filter must not keep the record nor change it, and may be called by several
// goroutines at once. A record that it panics on is refused, and Export returns
// an error. Nil is ignored.
func WithFilter(keep func(*sdklog.Record) bool) Option {
	return option(func(c config) config {
		if keep != nil {
			c.filter = keep
		}
		return c
	})
}

// WithCap sets how many events go out in any one minute, by the time that their
// sending begins: of lost leases (expired, lost, stolen) the second number, of
// everything else the first, so that an outage never hides a stolen lease. The
// default is 60 and 60. 0 means no cap.
func WithCap(events, lostLeases int) Option {
	return option(func(c config) config {
		c.events, c.lostLeases = events, lostLeases
		return c
	})
}

// WithHTTPTransport sets what carries the requests, for proxies and private
// certificates. The default is a transport of the exporter's own that honours
// HTTPS_PROXY. Retries and rate limits are done above it. Nil is ignored.
func WithHTTPTransport(transport http.RoundTripper) Option {
	return option(func(c config) config {
		c.transport = transport
		return c
	})
}

// WithMeterProvider sets where otel.sdk.exporter.log.exported is counted. The
// default is the global provider. Nil is ignored.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return option(func(c config) config {
		c.meterProvider = provider
		return c
	})
}
