// Package otelgocron observes the Locker of a github.com/go-co-op/gocron/v2
// scheduler, whichever lock it stands on: a span, a count and, for a failure, one
// bounded warning for each time that a job is to be locked and unlocked.
package otelgocron

import (
	"context"
	"sync/atomic"

	"github.com/go-co-op/gocron/v2"

	"github.com/otellock/otellock-go/otellock/observe"
)

// New returns a Locker that does what locker does, and observes it. busy tells, for
// an error of locker's Lock, whether another scheduler has the job: it is skipped
// then. Every other error is a failure of the backend, except that of a context that
// has ended.
//
// The key of a job is its name. Declare what the names stand for with
// [observe.WithTarget], and the backend with [observe.WithBackendName]. New panics on
// an option that [observe.New] refuses. A gocron Locker has no time to live and does
// not tell of a lease that was lost, so neither is claimed here unless Unlock
// returns one of observe's errors.
func New(locker gocron.Locker, busy func(error) bool, opts ...observe.Option) gocron.Locker {
	observer, err := observe.New(opts...)
	if err != nil {
		panic(err)
	}
	return &observed{locker, busy, observer}
}

type observed struct {
	gocron.Locker
	busy     func(error) bool
	observer *observe.Observer
}

// Lock returns what the Locker returns.
func (o *observed) Lock(ctx context.Context, key string) (gocron.Lock, error) {
	ctx, acquire := o.observer.KeyTarget(key).TryAcquire(ctx)
	acquire.Key(key)
	lock, err := o.Locker.Lock(ctx, key)
	result := err
	if err != nil && o.busy(err) {
		result = observe.ErrContended
	}
	lease := acquire.End(result)
	if err != nil {
		return lock, err
	}
	return &held{Lock: lock, lease: lease}, nil
}

type held struct {
	gocron.Lock
	lease *observe.Lease
	ended atomic.Bool
}

// Unlock returns what the Lock returns. Only the first one is observed.
func (h *held) Unlock(ctx context.Context) error {
	if h.ended.Swap(true) {
		return h.Lock.Unlock(ctx)
	}
	ctx, release := h.lease.Release(ctx)
	err := h.Lock.Unlock(ctx)
	release.End(err)
	return err
}
