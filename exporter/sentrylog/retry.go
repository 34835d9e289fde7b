package sentrylog

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/getsentry/sentry-go"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

const (
	attemptTimeout = 10 * time.Second
	backoffBase    = 250 * time.Millisecond
	backoffMax     = 8 * time.Second
	maxDrain       = 64 << 10
	never          = -1 * time.Second // to wait before another attempt
)

var errUndelivered = errors.New("sentrylog: not delivered") // seen by sentry-go only

// transport takes finished events from sentry-go while they are captured, and
// sends them later by sentry-go's own transport, below which it stands once more:
// it compresses requests, tries again what may succeed, and waits while Sentry
// wants nothing.
type transport struct {
	*sentry.HTTPSyncTransport
	next     http.RoundTripper
	idle     func()   // closes idle connections
	captured sync.Map // finished events by their id, until take
	limits   sentryissue.Limits

	// Of the sender, which is the only one to use them.
	outcome failure      // what became of the event
	last    failure      // of the last attempt, whichever the event
	zip     *gzip.Writer // 800 KB
}

// SendEvent implements [sentry.Transport]. It writes what an application could
// still change as JSON.
func (t *transport) SendEvent(e *sentry.Event) {
	if e.Release == noRelease {
		e.Release = ""
	}
	e.MakeSerializationSafe()
	t.captured.Store(e.EventID, e)
}

func (t *transport) take(id sentry.EventID) *sentry.Event {
	e, _ := t.captured.LoadAndDelete(id)
	return e.(*sentry.Event)
}

// send sends an event, with retries as long as ctx allows. It is for one
// goroutine.
func (t *transport) send(ctx context.Context, e *sentry.Event) failure {
	t.outcome = failEncoding // remains so when no request is made
	t.SendEventWithContext(ctx, e)
	return t.outcome
}

// RoundTrip implements [http.RoundTripper]. It returns a response only for an
// event that Sentry accepted.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	body, err := t.compress(req.Body)
	if err != nil {
		return nil, err
	}
	for attempt := 0; ; attempt++ {
		if wait := t.limits.Remaining(); wait > 0 && !pause(ctx, wait) {
			t.outcome = failRateLimited
			return nil, errUndelivered
		}
		if err := ctx.Err(); err != nil {
			t.outcome = cmp.Or(t.last, classify(err)) // why those before it took all the time
			return nil, errUndelivered
		}
		resp, err := t.try(ctx, req, body)
		var wait time.Duration
		t.outcome, wait = t.judge(resp, err)
		switch t.last = t.outcome; {
		case t.outcome == delivered:
			return resp, nil
		case t.outcome == failRateLimited: // the limit says how long
		case wait == never, !pause(ctx, max(wait, backoff(attempt))):
			return nil, errUndelivered
		}
	}
}

func (t *transport) compress(body io.ReadCloser) ([]byte, error) {
	defer func() { _ = body.Close() }()
	var b bytes.Buffer
	if t.zip == nil {
		t.zip = gzip.NewWriter(&b)
	}
	t.zip.Reset(&b)
	_, err := io.Copy(t.zip, body)
	err = errors.Join(err, t.zip.Close())
	return b.Bytes(), err
}

// try makes one attempt. What Sentry writes into a response is of no interest.
func (t *transport) try(ctx context.Context, req *http.Request, body []byte) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	clone := req.Clone(ctx)
	clone.Body, clone.ContentLength, clone.GetBody = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	clone.Header.Set("Content-Encoding", "gzip")
	resp, err := t.next.RoundTrip(clone)
	if err != nil {
		return nil, err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // so that the connection can be used again
	_ = resp.Body.Close()
	resp.Body = http.NoBody
	return resp, nil
}

// judge says what an attempt came to, and how long the server asked to wait
// before another, or never.
func (t *transport) judge(resp *http.Response, err error) (failure, time.Duration) {
	if err != nil {
		if f := classify(err); f != failCertificate {
			return f, 0
		}
		return failCertificate, never
	}
	t.limits.Note(resp)
	resp.Header.Del("X-Sentry-Rate-Limits") // by which sentry-go would drop events without a word
	status := resp.StatusCode
	switch {
	case status >= 200 && status < 300:
		return delivered, 0
	case status == http.StatusTooManyRequests && t.limits.Remaining() > 0:
		return failRateLimited, 0
	case status == http.StatusTooManyRequests: // limited for another category, and yet refused
		return statusFailure(status), 0
	case status == http.StatusRequestTimeout, status >= 500:
		wait, _ := sentryissue.RetryAfter(resp)
		return statusFailure(status), wait
	}
	return statusFailure(status), never
}

// backoff returns a time to wait before the attempt after this one: jitter over
// a doubling span.
func backoff(attempt int) time.Duration {
	span := min(backoffMax, backoffBase<<min(attempt, 6))
	return span/8 + rand.N(span-span/8)
}

// pause waits, and reports whether it did. It does not begin to wait for what
// the context's deadline would cut short anyway.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
