package otelredislock

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/bsm/redislock"

	"github.com/otellock/otellock-go/internal/rediserror"
	"github.com/otellock/otellock-go/otellock/observe"
)

// Lock is a lock that was obtained. It is safe for concurrent use, as redislock's is.
type Lock struct {
	*Client
	peer  *redislock.Lock
	lease *observe.Lease
	ended atomic.Bool // in telemetry
}

// Unwrap returns redislock's own Lock. What it does is not observed.
func (l *Lock) Unwrap() *redislock.Lock {
	if l == nil {
		return nil
	}
	return l.peer
}

// Key returns the Redis key of the lock.
func (l *Lock) Key() string { return l.peer.Key() }

// Token returns the token of the lock.
func (l *Lock) Token() string { return l.peer.Token() }

// Metadata returns the metadata of the lock.
func (l *Lock) Metadata() string { return l.peer.Metadata() }

// TTL returns the time to live that remains, 0 if the lock has expired.
func (l *Lock) TTL(ctx context.Context) (time.Duration, error) { return l.peer.TTL(ctx) }

// Refresh extends the lock with a new TTL. It returns [ErrNotObtained] if the lock is
// not held any more.
func (l *Lock) Refresh(ctx context.Context, ttl time.Duration, opt *Options) error {
	if l.ended.Load() {
		return l.peer.Refresh(ctx, ttl, opt)
	}
	ctx, extend := l.lease.Extend(ctx, ttl)
	err := errPanicked // unless it returns
	defer func() { extend.End(loss(err)) }()
	err = l.peer.Refresh(ctx, ttl, opt)
	return err
}

// Release releases the lock. It returns [ErrLockNotHeld] if it is not held any more,
// as on a nil Lock.
func (l *Lock) Release(ctx context.Context) error {
	if l == nil {
		return ErrLockNotHeld
	}
	if l.ended.Swap(true) {
		return l.peer.Release(ctx)
	}
	runtime.SetFinalizer(l.lease, nil)
	ctx, release := l.lease.Release(ctx)
	err := errPanicked // unless it returns
	defer func() { release.End(loss(err)) }()
	err = l.peer.Release(ctx)
	return err
}

// loss returns what observe calls the error of a lock that was held.
func loss(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrLockNotHeld), errors.Is(err, ErrNotObtained):
		return observe.ErrLost
	}
	return rediserror.Classify(err)
}
