package sentryissueexporter

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

const maxDrain = 64 << 10

// A project is one destination: what a DSN names. It is safe for concurrent use.
type project struct {
	dsn    *sentry.Dsn
	name   string // host and number, without the key
	url    string
	agent  string
	auth   string // contains the key
	header sentryissue.Project

	quota   *sentryissue.Quota
	limits  sentryissue.Limits
	refused atomic.Int64 // the status that was said last, 0 once Sentry accepts again

	sent, refusals, cut, limited metric.MeasurementOption
}

func newProject(raw string, cap int, sdk sentry.SdkInfo) (*project, error) {
	dsn, err := sentryissue.ParseDSN(raw)
	if err != nil {
		return nil, err
	}
	url := dsn.GetAPIURL()
	p := &project{
		dsn: dsn, name: url.Host + dsn.GetPath() + "/" + dsn.GetProjectID(), url: url.String(),
		agent:  sdk.Name + "/" + sdk.Version,
		auth:   fmt.Sprintf("Sentry sentry_version=7, sentry_client=%s/%s, sentry_key=%s", sdk.Name, sdk.Version, dsn.GetPublicKey()),
		header: sentryissue.Project{PublicKey: dsn.GetPublicKey(), OrgID: dsn.GetOrgID()},
		quota:  sentryissue.NewQuota(cap, cap),
	}
	if secret := dsn.GetSecretKey(); secret != "" {
		p.auth += ", sentry_secret=" + secret
	}
	name := attribute.String("project", p.name)
	outcome := func(s string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", s), name))
	}
	p.sent, p.refusals, p.cut = outcome("sent"), outcome("refused"), outcome("cut")
	p.limited = metric.WithAttributeSet(attribute.NewSet(name))
	return p, nil
}

// A refusal is the end of an event that no retry can change. Its status is 0
// where the event could not be written as JSON.
type refusal struct {
	project string
	status  int
}

// Error implements error.
func (r *refusal) Error() string {
	switch r.status {
	case 0:
		return r.project + ": the event cannot be written as JSON"
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return fmt.Sprintf("%s: HTTP status %d, check the DSN", r.project, r.status)
	}
	return fmt.Sprintf("%s: HTTP status %d", r.project, r.status)
}

// A postponed event may be sent again, after a time that Sentry asked for.
type postponed struct {
	project, why string
	wait         time.Duration // 0: it did not say
}

// Error implements error.
func (p *postponed) Error() string { return p.project + ": " + p.why }

// send makes one attempt. The error is a *refusal, or else the event may be sent
// again: of a *postponed after its wait.
func (p *project) send(ctx context.Context, client *http.Client, envelope []byte) error {
	const limited = "rate limited"
	if wait := p.limits.Remaining(); wait > 0 {
		return &postponed{p.name, limited, wait}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(envelope))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-sentry-envelope")
	req.Header.Set("User-Agent", p.agent)
	req.Header.Set("X-Sentry-Auth", p.auth)
	resp, err := client.Do(req)
	if err != nil {
		return err // a *url.Error, the URL of which has no key
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // so that the connection can be used again
	_ = resp.Body.Close()
	p.limits.Note(resp)
	switch status := resp.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusTooManyRequests && p.limits.Remaining() > 0:
		return &postponed{p.name, limited, p.limits.Remaining()}
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		wait, _ := sentryissue.RetryAfter(resp)
		return &postponed{p.name, fmt.Sprintf("HTTP status %d", status), wait}
	default:
		return &refusal{p.name, status}
	}
}
