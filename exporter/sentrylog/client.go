package sentrylog

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/getsentry/sentry-go"
	sentryotel "github.com/getsentry/sentry-go/otel"
)

// noRelease stands for "none" in the client's options, where an empty release
// would make sentry-go run git.
const noRelease = "-"

// newClient returns a client of the processor's own, and what sends its events.
func newClient(dsn string, c config) (*sentry.Client, *transport, error) {
	t := &transport{HTTPSyncTransport: sentry.NewHTTPSyncTransport(), next: c.transport, idle: func() {}}
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
	issues := c.issues(nil)
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn:                    dsn,
		Release:                cmp.Or(issues.Release, noRelease),
		Environment:            issues.Environment,
		Transport:              t,
		HTTPClient:             &http.Client{Transport: t},
		DisableTelemetryBuffer: true,
		DisableClientReports:   true, // the account tells of drops
		Integrations: func(all []sentry.Integration) []sentry.Integration {
			kept := slices.DeleteFunc(all, func(i sentry.Integration) bool {
				return i.Name() != "Environment" && i.Name() != "GlobalTags" // os, runtime and device; SENTRY_TAGS_*
			})
			return append(kept, sentryotel.NewOtelIntegration())
		},
	})
	if err != nil {
		return nil, nil, errors.New("sentrylog: sentry-go refused the DSN") // err may quote it
	}
	return client, t, nil
}
