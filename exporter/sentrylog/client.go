package sentrylog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/getsentry/sentry-go"
	sentryotel "github.com/getsentry/sentry-go/otel"

	"github.com/otellock/otellock-go/internal/sentrydsn"
	"github.com/otellock/otellock-go/internal/sentryissue"
)

// sender captures events. It is one of two: ownClient and appClient.
type sender interface {
	send(ctx context.Context, e *sentry.Event, scope *sentry.Scope) failure
	flush(ctx context.Context) bool
	close(ctx context.Context) bool
	client() *sentry.Client
	buffers() bool // takes events before they are delivered
}

// connect makes the sender, and reads the DSN that it sends to.
func connect(dsn string, c config) (sender, sentrydsn.DSN, error) {
	if !c.clientSet {
		project, err := sentrydsn.Parse(dsn)
		if err != nil {
			return nil, project, fmt.Errorf("sentrylog: %w", err)
		}
		s, err := newOwnClient(dsn, defaults(c), c.transport)
		return s, project, err
	}
	if dsn != "" {
		return nil, sentrydsn.DSN{}, errors.New("sentrylog: WithClient has its own DSN: pass an empty one to New")
	}
	if c.transport != nil {
		return nil, sentrydsn.DSN{}, errors.New("sentrylog: WithHTTPTransport has no effect on the client given to WithClient: set it in that client's options")
	}
	s, err := newAppClient(c.client)
	if err != nil {
		return nil, sentrydsn.DSN{}, err
	}
	project, err := sentrydsn.Parse(c.client.Options().Dsn)
	if err != nil {
		project = sentrydsn.DSN{} // a client with a transport of its own needs none
	}
	return s, project, nil
}

// organization returns the number that Sentry wants in an envelope's header, 0
// where neither the options nor the host of the DSN tell it.
func organization(o sentry.ClientOptions) uint64 {
	if o.OrgID != 0 {
		return o.OrgID
	}
	if dsn, err := sentry.NewDsn(o.Dsn); err == nil {
		return dsn.GetOrgID()
	}
	return 0
}

// ownClient is a client of the exporter's own, whose transport tells what
// became of each event.
type ownClient struct {
	sentry    *sentry.Client
	transport *transport
	idle      func() // closes idle connections
}

func newOwnClient(dsn string, d sentryissue.Defaults, next http.RoundTripper) (*ownClient, error) {
	idle := func() {}
	if next == nil {
		// Not http.DefaultTransport: applications replace it by one that makes
		// spans and records of every request.
		base := &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   workers,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   attemptTimeout,
			ExpectContinueTimeout: time.Second,
		}
		next, idle = base, base.CloseIdleConnections
	}
	t := newTransport(next)
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn:                    dsn,
		Release:                cmp.Or(d.Release, noRelease),
		Environment:            d.Environment,
		ServerName:             d.ServerName,
		Transport:              t,
		HTTPClient:             t.httpClient(),
		DisableTelemetryBuffer: true,
		DisableClientReports:   true, // nothing of sentry-go's drops here; drops are told by the ledger
		Integrations: func([]sentry.Integration) []sentry.Integration {
			return []sentry.Integration{sentryotel.NewOtelIntegration()}
		},
	})
	if err != nil {
		t.stop()
		return nil, errors.New("sentrylog: sentry-go refused the DSN") // err may quote it
	}
	return &ownClient{sentry: client, transport: t, idle: idle}, nil
}

func (c *ownClient) send(ctx context.Context, e *sentry.Event, scope *sentry.Scope) failure {
	d := &delivery{ctx: ctx, outcome: failEncoding} // stays so when no request is made
	c.transport.expect(e.EventID, d)
	defer c.transport.forget(e.EventID)
	if c.sentry.CaptureEvent(e, &sentry.EventHint{}, scope) == nil {
		return failClientRefused
	}
	return d.outcome
}

func (c *ownClient) flush(context.Context) bool { return true }

func (c *ownClient) close(context.Context) bool {
	c.transport.stop()
	c.sentry.Close()
	c.idle()
	return true
}

func (c *ownClient) client() *sentry.Client { return c.sentry }

func (c *ownClient) buffers() bool { return false }

// appClient is the application's client. It is flushed and never closed.
type appClient struct{ sentry *sentry.Client }

func newAppClient(client *sentry.Client) (*appClient, error) {
	if !client.IsEnabled() {
		return nil, errors.New("sentrylog: WithClient was given a nil or a disabled client")
	}
	if o := client.Options(); o.Dsn == "" && o.Transport == nil {
		return nil, errors.New("sentrylog: the client given to WithClient has no DSN and would discard every event")
	}
	return &appClient{client}, nil
}

func (c *appClient) send(_ context.Context, e *sentry.Event, scope *sentry.Scope) failure {
	if c.sentry.CaptureEvent(e, &sentry.EventHint{}, scope) == nil {
		return failClientRefused
	}
	return delivered
}

func (c *appClient) flush(ctx context.Context) bool { return c.sentry.FlushWithContext(ctx) }

func (c *appClient) close(ctx context.Context) bool { return c.flush(ctx) }

func (c *appClient) client() *sentry.Client { return c.sentry }

func (c *appClient) buffers() bool { return true }

// defaults resolves what wins over the resource.
func defaults(c config) sentryissue.Defaults {
	if c.clientSet {
		o := c.client.Options()
		return sentryissue.Defaults{
			Release:     cmp.Or(c.release, o.Release),
			Environment: cmp.Or(c.environment, o.Environment),
			ServerName:  o.ServerName,
		}
	}
	return sentryissue.Defaults{
		Release:     cmp.Or(c.release, os.Getenv("SENTRY_RELEASE")),
		Environment: cmp.Or(c.environment, os.Getenv("SENTRY_ENVIRONMENT")),
	}
}
