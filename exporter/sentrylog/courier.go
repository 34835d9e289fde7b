package sentrylog

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	attemptTimeout = 10 * time.Second
	backoffBase    = 250 * time.Millisecond
	backoffMax     = 8 * time.Second
	maxDrain       = 64 << 10
)

// delivery is the fate of one event. It travels in the context of the request,
// since sentry-go itself tells nobody.
type delivery struct {
	ctx     context.Context // of the Export call
	once    bool            // no second attempt
	outcome failure
}

type deliveryKey struct{}

var errUndelivered = errors.New("sentrylog: not delivered") // seen by sentry-go only

// courier carries requests to Sentry: it retries, and holds back what Sentry
// does not want now.
type courier struct {
	next   http.RoundTripper
	limits limits
}

// RoundTrip implements [http.RoundTripper]. It returns a response only for an
// event that Sentry took.
func (c *courier) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	d, ok := ctx.Value(deliveryKey{}).(*delivery)
	if !ok {
		d = &delivery{once: true}
	}
	if req.Body != nil {
		defer req.Body.Close()
	}
	for attempt := 0; ; attempt++ {
		if wait := c.limits.remaining(time.Now()); wait > 0 {
			if d.once || !pause(ctx, wait) {
				d.outcome = failRateLimited
				return nil, errUndelivered
			}
		}
		resp, err := c.try(ctx, req)
		var again bool
		var wait time.Duration
		d.outcome, again, wait = c.judge(ctx, resp, err)
		if d.outcome == delivered {
			return resp, nil
		}
		if resp != nil {
			_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // so that the connection can be used again
			_ = resp.Body.Close()
		}
		if d.once || !again {
			return nil, errUndelivered
		}
		if d.outcome == failRateLimited {
			continue // the limit says how long
		}
		if !pause(ctx, max(wait, backoff(attempt))) {
			return nil, errUndelivered
		}
	}
}

func (c *courier) try(ctx context.Context, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	clone := req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			cancel()
			return nil, err
		}
		clone.Body = body
	}
	resp, err := c.next.RoundTrip(clone)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = cancelOnClose{resp.Body, cancel}
	return resp, nil
}

// judge says what an attempt came to, whether another may help, and how long
// the server asked to wait before it.
func (c *courier) judge(ctx context.Context, resp *http.Response, err error) (f failure, again bool, wait time.Duration) {
	if err != nil {
		f = classify(err)
		return f, ctx.Err() == nil && f != failCertificate, 0
	}
	now := time.Now()
	c.limits.note(resp, now)
	// This is the only keeper of limits: sentry-go's own transport would drop
	// events without a word.
	resp.Header.Del("X-Sentry-Rate-Limits")
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return delivered, false, 0
	case code == http.StatusTooManyRequests:
		if c.limits.remaining(now) > 0 {
			return failRateLimited, true, 0
		}
		return statusFailure(code), true, 0 // limited for another category, and yet refused
	case code == http.StatusRequestTimeout, code >= 500:
		wait, _ = retryAfter(resp.Header.Get("Retry-After"), now)
		return statusFailure(code), true, wait
	default:
		return statusFailure(code), false, 0
	}
}

// backoff returns a time to wait before the attempt after this one: full jitter
// over a doubling span.
func backoff(attempt int) time.Duration {
	span := backoffMax
	if attempt < 6 {
		span = min(backoffMax, backoffBase<<attempt)
	}
	return span/8 + rand.N(span-span/8)
}

// pause waits, and says whether it did. It does not begin to wait for what the
// context's deadline would cut short anyway.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

type cancelOnClose struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c cancelOnClose) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
