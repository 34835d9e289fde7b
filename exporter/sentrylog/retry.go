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
	"time"
)

const (
	attemptTimeout = 10 * time.Second
	backoffBase    = 250 * time.Millisecond
	backoffMax     = 8 * time.Second
	maxDrain       = 64 << 10
)

// outcomeKey is where the context of a request has room for what became of it,
// since sentry-go tells nobody.
type outcomeKey struct{}

var errUndelivered = errors.New("sentrylog: not delivered") // seen by sentry-go only

// retrier is the transport of the requests to Sentry. It compresses them, tries
// again what may succeed, and waits while Sentry wants nothing.
type retrier struct {
	next   http.RoundTripper
	limits limits
	// Of the sender, which is the only one to use them.
	last failure      // of the last attempt
	zip  *gzip.Writer // 800 KB
}

// RoundTrip implements [http.RoundTripper]. It returns a response only for an
// event that Sentry accepted.
func (r *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	outcome, ok := ctx.Value(outcomeKey{}).(*failure)
	if !ok {
		outcome = new(failure)
	}
	body, err := r.compress(req.Body)
	if err != nil {
		return nil, err
	}
	for attempt := 0; ; attempt++ {
		if wait := r.limits.remaining(time.Now()); wait > 0 && !pause(ctx, wait) {
			*outcome = failRateLimited
			return nil, errUndelivered
		}
		if err := ctx.Err(); err != nil {
			*outcome = cmp.Or(r.last, classify(err)) // why those before it took all the time
			return nil, errUndelivered
		}
		resp, err := r.try(ctx, req, body)
		var again bool
		var wait time.Duration
		*outcome, again, wait = r.judge(ctx, resp, err)
		r.last = *outcome
		if *outcome == delivered {
			return resp, nil
		}
		if *outcome == failRateLimited {
			continue // the limit says how long
		}
		if !again || !pause(ctx, max(wait, backoff(attempt))) {
			return nil, errUndelivered
		}
	}
}

func (r *retrier) compress(body io.ReadCloser) ([]byte, error) {
	defer func() { _ = body.Close() }()
	var b bytes.Buffer
	if r.zip == nil {
		r.zip = gzip.NewWriter(&b)
	}
	r.zip.Reset(&b)
	_, err := io.Copy(r.zip, body)
	if err == nil {
		err = r.zip.Close()
	}
	return b.Bytes(), err
}

// try makes one attempt. What Sentry writes into a response is of no interest.
func (r *retrier) try(ctx context.Context, req *http.Request, body []byte) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	clone := req.Clone(ctx)
	clone.Body, clone.ContentLength, clone.GetBody = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	clone.Header.Set("Content-Encoding", "gzip")
	resp, err := r.next.RoundTrip(clone)
	if err != nil {
		return nil, err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // so that the connection can be used again
	_ = resp.Body.Close()
	resp.Body = http.NoBody
	return resp, nil
}

// judge says what an attempt came to, whether another may help, and how long
// the server asked to wait before it.
func (r *retrier) judge(ctx context.Context, resp *http.Response, err error) (f failure, again bool, wait time.Duration) {
	if err != nil {
		f = classify(err)
		return f, ctx.Err() == nil && f != failCertificate, 0
	}
	now := time.Now()
	r.limits.note(resp, now)
	// This is the only keeper of limits: sentry-go's own transport would drop
	// events without a word.
	resp.Header.Del("X-Sentry-Rate-Limits")
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return delivered, false, 0
	case code == http.StatusTooManyRequests:
		if r.limits.remaining(now) > 0 {
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

// backoff returns a time to wait before the attempt after this one: jitter over
// a doubling span.
func backoff(attempt int) time.Duration {
	span := backoffMax
	if attempt < 6 {
		span = min(backoffMax, backoffBase<<attempt)
	}
	return span/8 + rand.N(span-span/8)
}

// pause waits, and reports whether it did. It does not begin to wait for what
// the context's deadline would cut short anyway.
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
