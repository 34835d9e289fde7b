package sentrylog

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/getsentry/sentry-go"
	sentryotel "github.com/getsentry/sentry-go/otel"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

// noRelease stands for "none" in the client's options, where an empty release
// would make sentry-go run git.
const noRelease = "-"

// newClient makes a client of the processor's own, and the queue behind it.
func newClient(dsn string, c config, a *account) (*sentry.Client, *queue, error) {
	t := &transport{retrier: retrier{next: c.transport}, http: sentry.NewHTTPSyncTransport(), idle: func() {}}
	if t.next == nil {
		// Not http.DefaultTransport: applications replace it by one that makes
		// spans and records of every request.
		base := &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ForceAttemptHTTP2:     true,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   attemptTimeout,
			ExpectContinueTimeout: time.Second,
		}
		t.next, t.idle = base, base.CloseIdleConnections
	}
	s := c.issues(nil)
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn:                    dsn,
		Release:                cmp.Or(s.Release, noRelease),
		Environment:            s.Environment,
		Transport:              t,
		HTTPClient:             &http.Client{Transport: &t.retrier},
		DisableTelemetryBuffer: true,
		DisableClientReports:   true, // nothing of sentry-go's drops here; the account tells of drops
		Integrations: func(all []sentry.Integration) []sentry.Integration {
			kept := []sentry.Integration{sentryotel.NewOtelIntegration()}
			for _, i := range all {
				switch i.Name() {
				case "Environment", "GlobalTags": // os, runtime and device; SENTRY_TAGS_*
					kept = append(kept, i)
				}
			}
			return kept
		},
	})
	if err != nil {
		return nil, nil, errors.New("sentrylog: sentry-go refused the DSN") // err may quote it
	}
	return client, newQueue(t, a, c.queueSize), nil
}

// capture finishes an event by the client, and adds it to the queue.
func (q *queue) capture(ctx context.Context, client *sentry.Client, e *sentryissue.Event, scope *sentry.Scope, owed unsent) {
	var finished *sentry.Event
	q.transport.captures.Store(e.EventID, &finished)
	defer q.transport.captures.Delete(e.EventID)
	client.CaptureEvent(e.Event, &sentry.EventHint{Context: ctx}, e.In(scope))
	if finished == nil { // a hook of the scope dropped it
		q.account.end(ctx, failClientRefused, owed)
		return
	}
	q.add(ctx, finished, owed)
}

// transport takes finished events from sentry-go, while they are captured, and
// sends them later.
type transport struct {
	retrier
	http     *sentry.HTTPSyncTransport
	idle     func() // closes idle connections
	captures sync.Map
}

var _ sentry.Transport = (*transport)(nil)

// SendEvent implements [sentry.Transport]. It writes what an application could
// still change as JSON.
func (t *transport) SendEvent(e *sentry.Event) {
	if e.Release == noRelease {
		e.Release = ""
	}
	e.MakeSerializationSafe()
	if to, ok := t.captures.Load(e.EventID); ok {
		*to.(**sentry.Event) = e
	}
}

// send sends an event, with retries as long as ctx allows.
func (t *transport) send(ctx context.Context, e *sentry.Event) failure {
	outcome := failEncoding // remains so when no request is made
	t.http.SendEventWithContext(context.WithValue(ctx, outcomeKey{}, &outcome), e)
	return outcome
}

// Configure implements [sentry.Transport].
func (t *transport) Configure(options sentry.ClientOptions) { t.http.Configure(options) }

// Flush implements [sentry.Transport]. The queue is flushed, not the client.
func (t *transport) Flush(time.Duration) bool { return true }

// FlushWithContext implements [sentry.Transport].
func (t *transport) FlushWithContext(context.Context) bool { return true }

// Close implements [sentry.Transport].
func (t *transport) Close() {}
