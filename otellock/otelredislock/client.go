package otelredislock

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/bsm/redislock"

	"github.com/otellock/otellock-go/internal/rediserror"
	"github.com/otellock/otellock-go/otellock/observe"
)

// Client wraps a Redis client, as redislock's does, and observes its locks.
type Client struct {
	peer     *redislock.Client
	observer *observe.Observer
}

// New returns a Client. Without options it emits to OpenTelemetry's global
// providers, as "redis", with names that are derived from the keys. It panics on an
// option that [observe.New] refuses, such as a target that is declared twice.
func New(client RedisClient, opts ...observe.Option) *Client {
	observer := defaultObserver()
	if len(opts) > 0 {
		observer = newObserver(opts)
	}
	return &Client{redislock.New(client), observer}
}

var defaultObserver = sync.OnceValue(func() *observe.Observer { return newObserver(nil) })

func newObserver(opts []observe.Option) *observe.Observer {
	observer, err := observe.New(append([]observe.Option{observe.WithBackendName("redis")}, opts...)...)
	if err != nil {
		panic(err)
	}
	return observer
}

// Unwrap returns redislock's own Client. What it does is not observed.
func (c *Client) Unwrap() *redislock.Client { return c.peer }

// Obtain is a short-cut for New(...).Obtain(...).
func Obtain(ctx context.Context, client RedisClient, key string, ttl time.Duration, opt *Options) (*Lock, error) {
	return New(client).Obtain(ctx, key, ttl, opt)
}

// Obtain tries to obtain a lock of the key with the given TTL, as redislock does.
// Its errors are redislock's, among them [ErrNotObtained].
func (c *Client) Obtain(ctx context.Context, key string, ttl time.Duration, opt *Options) (*Lock, error) {
	target := c.observer.KeyTarget(key)
	if opt == nil || opt.RetryStrategy == nil || opt.RetryStrategy == redislock.NoRetry() {
		observed, acquire := target.TryAcquire(ctx)
		acquire.Key(key)
		acquire.SetTTL(ttl)
		returned := false
		defer func() {
			if !returned {
				acquire.End(errPanicked)
			}
		}()
		peer, err := c.peer.Obtain(observed, key, ttl, opt)
		returned = true
		return c.lock(peer, acquire.End(reason(err))), err
	}

	deadline, limited := ctx.Deadline()
	wait := ttl // the limit that redislock sets
	if limited {
		wait = time.Until(deadline)
	}
	observed, acquire := target.Acquire(ctx)
	acquire.Key(key)
	acquire.SetTTL(ttl)
	acquire.SetWait(wait)
	r := &retries{acquire: acquire, next: opt.RetryStrategy}
	changed := *opt
	changed.RetryStrategy = r
	returned := false
	defer func() {
		if !returned {
			r.panicked()
		}
	}()
	peer, err := c.peer.Obtain(observed, key, ttl, &changed)
	returned = true
	ended := err == context.DeadlineExceeded || err == context.Canceled // as they are: in a back-off
	if !ended {
		r.attempt()
	}
	result := reason(err)
	if ended && !limited && ctx.Err() == nil && r.busy {
		result = observe.ErrContended
	}
	return c.lock(peer, r.acquire.End(result)), err
}

// retries is the caller's RetryStrategy for one Obtain, which asks it after each
// attempt that found the lock busy.
type retries struct {
	acquire observe.Acquire
	next    RetryStrategy
	busy    bool
	asking  bool      // the caller's strategy has not returned
	due     time.Time // of the next attempt; zero without one
}

// NextBackoff returns what the caller's strategy returns.
func (r *retries) NextBackoff() time.Duration {
	r.attempt()
	r.busy, r.asking = true, true
	backoff := r.next.NextBackoff()
	r.asking = false
	if backoff > 0 {
		r.acquire.Wait()
		r.due = time.Now().Add(backoff)
	}
	return backoff
}

// attempt counts the attempt after the last back-off.
func (r *retries) attempt() {
	if !r.due.IsZero() {
		r.acquire.RetryAt(r.due)
		r.due = time.Time{}
	}
}

// panicked ends an Obtain that does not return. A strategy that panics gives up a lock
// that was busy.
func (r *retries) panicked() {
	if r.asking {
		r.acquire.End(observe.ErrContended)
		return
	}
	r.attempt()
	r.acquire.End(errPanicked)
}

// errPanicked stands for a call of redislock that does not return, because its client
// panics or ends the goroutine. Only the telemetry sees it.
var errPanicked = errors.New("otelredislock: the client panicked")

// reason returns what observe calls the error of redislock.
func reason(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotObtained):
		return observe.ErrContended
	}
	return rediserror.Classify(err)
}

// lock returns the Lock of a lease, nil where there is none.
func (c *Client) lock(peer *redislock.Lock, lease *observe.Lease) *Lock {
	if peer == nil {
		return nil
	}
	runtime.SetFinalizer(lease, abandon) // allocates nothing, unlike AddCleanup
	return &Lock{Client: c, peer: peer, lease: lease}
}

// abandon counts a lease that became garbage with its Lock.
func abandon(lease *observe.Lease) { lease.Abandon(context.Background()) }
