package sentrylog

import (
	"cmp"
	"errors"
	"net/http"
	"os"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

type config struct {
	client               *sentry.Client
	clientSet            bool
	release, environment string
	filter               func(*sdklog.Record) bool // nil: lockReport
	tags, inApp          []string
	events, lostLeases   int
	queueSize            int
	transport            http.RoundTripper
	meterProvider        metric.MeterProvider
}

const (
	defaultCap   = 60 // events of a class in one minute
	defaultQueue = 2048
)

func newConfig(opts []Option) config {
	c := config{events: defaultCap, lostLeases: defaultCap, queueSize: defaultQueue}
	for _, o := range opts {
		if o != nil {
			c = o.apply(c)
		}
	}
	return c
}

func (c config) validate() error {
	switch {
	case c.events < 0 || c.lostLeases < 0:
		return errors.New("sentrylog: WithCap takes numbers from 0, which means no cap")
	case c.queueSize < 1:
		return errors.New("sentrylog: WithQueueSize takes a number from 1")
	case c.clientSet && !c.client.IsEnabled():
		return errors.New("sentrylog: WithClient was given a nil or a disabled client; call sentry.Init first")
	case c.clientSet && c.transport != nil:
		return errors.New("sentrylog: WithHTTPTransport has no effect on the client given to WithClient: set it in that client's options")
	}
	return nil
}

// issues returns what wins over a record's resource.
func (c config) issues(client *sentry.Client) sentryissue.Config {
	s := sentryissue.Config{Tags: c.tags, InApp: c.inApp}
	if len(s.InApp) == 0 {
		s.InApp = mainModule()
	}
	if c.clientSet {
		o := client.Options()
		s.Release, s.Environment, s.ServerName = cmp.Or(c.release, o.Release), cmp.Or(c.environment, o.Environment), o.ServerName
		return s // the client's integrations add its modules
	}
	s.Release = cmp.Or(c.release, os.Getenv("SENTRY_RELEASE"))
	s.Environment = cmp.Or(c.environment, os.Getenv("SENTRY_ENVIRONMENT"))
	s.Modules = modules()
	return s
}

// An Option configures a [Processor].
type Option interface{ apply(config) config }

type option func(config) config

func (o option) apply(c config) config { return o(c) }

// WithClient sends through the application's own client, such as
// sentry.CurrentHub().Client() after sentry.Init. The DSN given to [New] is then
// ignored. The processor flushes the client and never closes it.
//
// What the client was made with applies: transport, hooks, sampling,
// integrations. Its release, environment and server name win over the record's
// resource, so that lock events agree with the application's others. BeforeSend
// finds the context of the failed operation in its hint.
//
// sentry-go does not tell whether an event arrived. [Processor.Sent] then counts
// what the client accepted, and an error only says what it refused at once or
// did not flush in time. Its buffer holds 100 events and drops the oldest.
// Retries and rate limits are the client's own. [WithHTTPTransport] is refused
// together with it.
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

// WithFilter sets which records become events. The default keeps lock warnings
// ([LockWarnings]) and the summaries that close their account; with
// WithFilter(LockWarnings) there are no summaries. The filter must neither keep
// nor change the record, and may be called by several goroutines at once. Nil is
// ignored.
func WithFilter(keep func(*sdklog.Record) bool) Option {
	return option(func(c config) config {
		if keep != nil {
			c.filter = keep
		}
		return c
	})
}

// WithTags adds a tag for every key that is an attribute of the record or, where
// it is none, a member of the baggage on the context: what a request is about,
// where no Sentry hub says it. The key user.id names the event's user as well.
func WithTags(keys ...string) Option {
	return option(func(c config) config {
		c.tags = append(c.tags[:len(c.tags):len(c.tags)], keys...)
		return c
	})
}

// WithInApp sets the packages, by import path and with those below it, whose
// frames Sentry shows as the application's own. The default is the main module.
func WithInApp(packages ...string) Option {
	return option(func(c config) config {
		c.inApp = append(c.inApp[:len(c.inApp):len(c.inApp)], packages...)
		return c
	})
}

// WithCap sets how many events are emitted in any one minute: of lost leases
// (expired, lost, stolen) the second number, of everything else the first, so
// that an outage never hides a stolen lease. Summaries have the first number to
// themselves. The default is 60 and 60. 0 means no cap.
func WithCap(events, lostLeases int) Option {
	return option(func(c config) config {
		c.events, c.lostLeases = events, lostLeases
		return c
	})
}

// WithQueueSize sets how many events wait to be sent. Further ones are dropped
// and counted. The default is 2,048, far above what the cap lets pass. It has no
// effect with [WithClient].
func WithQueueSize(events int) Option {
	return option(func(c config) config {
		c.queueSize = events
		return c
	})
}

// WithHTTPTransport sets what carries the requests, for proxies and private
// certificates. The default is a transport of the processor's own that honours
// HTTPS_PROXY. Retries and rate limits happen above it. Nil is ignored.
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
