package sentrylog

import (
	"cmp"
	"errors"
	"net/http"
	"os"
	"runtime/debug"
	"sync"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

type config struct {
	client               *sentry.Client
	clientSet            bool
	release, environment string
	filter               func(*sdklog.Record) bool // nil: lockWarningsAndSummaries
	tags, inApp          []string
	events, lostLeases   int
	queueSize            int
	transport            http.RoundTripper
	meterProvider        metric.MeterProvider
	undelivered          []func(sdklog.Record, string)
}

func newConfig(opts []Option) (config, error) {
	c := config{events: 60, lostLeases: 60, queueSize: 2048}
	for _, o := range opts {
		if o != nil {
			o.apply(&c)
		}
	}
	switch {
	case c.events < 0 || c.lostLeases < 0:
		return c, errors.New("sentrylog: WithCap takes numbers from 0, which means no cap")
	case c.queueSize < 1:
		return c, errors.New("sentrylog: WithQueueSize takes a number from 1")
	case c.clientSet && !c.client.IsEnabled():
		return c, errors.New("sentrylog: WithClient was given a nil or a disabled client; call sentry.Init first")
	case c.clientSet && c.transport != nil:
		return c, errors.New("sentrylog: WithHTTPTransport has no effect on the client given to WithClient: set it in that client's options")
	}
	return c, nil
}

// issues returns what wins over a record's resource.
func (c config) issues(client *sentry.Client) sentryissue.Config {
	main, modules := build()
	s := sentryissue.Config{Tags: c.tags, InApp: c.inApp}
	if len(s.InApp) == 0 && main != "" && main != "command-line-arguments" {
		s.InApp = []string{main}
	}
	if c.clientSet { // its integrations add the modules
		o := client.Options()
		s.Release, s.Environment, s.ServerName = cmp.Or(c.release, o.Release), cmp.Or(c.environment, o.Environment), o.ServerName
		return s
	}
	s.Release = cmp.Or(c.release, os.Getenv("SENTRY_RELEASE"))
	s.Environment = cmp.Or(c.environment, os.Getenv("SENTRY_ENVIRONMENT"))
	s.Modules = modules
	return s
}

// build returns the main module, and the first hundred modules by version. The
// map is shared and must not be changed.
var build = sync.OnceValues(func() (main string, modules map[string]string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", nil
	}
	modules = map[string]string{info.Main.Path: info.Main.Version}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if len(modules) < 100 && len(m.Path)+len(m.Version) <= 200 {
			modules[m.Path] = m.Version
		}
	}
	return info.Main.Path, modules
})

// An Option configures a [Processor].
type Option interface{ apply(*config) }

type option func(*config)

func (o option) apply(c *config) { o(c) }

// WithClient sends through the application's own client, such as
// sentry.CurrentHub().Client() after sentry.Init, and ignores the DSN given to
// [New]. What the client was made with applies: transport, hooks, sampling,
// integrations; its release, environment and server name win over the record's
// resource. BeforeSend finds the context of the failed operation in its hint. The
// processor flushes the client and never closes it.
//
// sentry-go does not tell whether an event arrived. [Processor.Sent] then counts
// what the client accepted, and an error only says what it refused at once or
// did not flush in time. Its buffer holds 100 events and drops the oldest.
func WithClient(client *sentry.Client) Option {
	return option(func(c *config) { c.client, c.clientSet = client, true })
}

// WithRelease sets the release of every event. Without it the release is
// SENTRY_RELEASE, or else the resource's service.version.
func WithRelease(release string) Option { return option(func(c *config) { c.release = release }) }

// WithEnvironment sets the environment of every event. Without it the
// environment is SENTRY_ENVIRONMENT, or else the resource's
// deployment.environment.name.
func WithEnvironment(environment string) Option {
	return option(func(c *config) { c.environment = environment })
}

// WithFilter sets which records become events. The default keeps [LockWarnings]
// and the summaries that close their account; with WithFilter(LockWarnings) there
// are no summaries. The filter must neither keep nor change the record, and may
// be called by several goroutines at once. Nil is ignored.
func WithFilter(keep func(*sdklog.Record) bool) Option {
	return option(func(c *config) {
		if keep != nil {
			c.filter = keep
		}
	})
}

// WithTags adds a tag for every key that is an attribute of the record or, where
// it is none, a member of the baggage on the context. The key user.id names the
// event's user as well, where no Sentry hub does.
func WithTags(keys ...string) Option {
	return option(func(c *config) { c.tags = append(c.tags, keys...) })
}

// WithInApp sets the packages, by import path and with those below it, whose
// frames Sentry shows as the application's own. The default is the main module.
func WithInApp(packages ...string) Option {
	return option(func(c *config) { c.inApp = append(c.inApp, packages...) })
}

// WithCap sets how many events are emitted in any one minute: of lost leases
// (expired, lost, stolen) the second number, of everything else the first, so
// that an outage never hides a stolen lease. Summaries have the first number to
// themselves. The default is 60 and 60. 0 means no cap.
func WithCap(events, lostLeases int) Option {
	return option(func(c *config) { c.events, c.lostLeases = events, lostLeases })
}

// WithQueueSize sets how many events wait to be sent. Further ones are dropped
// and counted. The default is 2,048. It has no effect with [WithClient].
func WithQueueSize(events int) Option { return option(func(c *config) { c.queueSize = events }) }

// WithHTTPTransport sets what carries the requests, for proxies and private
// certificates. The default is a transport of the processor's own that honours
// HTTPS_PROXY. It is refused together with [WithClient]. Nil is ignored.
func WithHTTPTransport(transport http.RoundTripper) Option {
	return option(func(c *config) { c.transport = transport })
}

// WithMeterProvider sets where otel.sdk.exporter.log.exported is counted. The
// default is the global provider. Nil is ignored.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return option(func(c *config) { c.meterProvider = provider })
}

// WithUndelivered calls f for every record whose event was given up or cut by the
// cap, with the reason in words that hold no address, key or answer of a server.
// An event is given up after five minutes of retries, or at Shutdown. f may be
// called by several goroutines at once, and must not wait. With [WithClient] only
// the cap is known. Given twice, both are called. Nil is ignored.
func WithUndelivered(f func(record sdklog.Record, reason string)) Option {
	return option(func(c *config) {
		if f != nil {
			c.undelivered = append(c.undelivered, f)
		}
	})
}
