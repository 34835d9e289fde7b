// Package otelgocron observes the Locker of a github.com/go-co-op/gocron/v2
// scheduler, whichever lock it stands on: a span, a count and, for a failure, one
// bounded warning for each time that a job is to be locked and unlocked.
package otelgocron

import (
	"context"
	"errors"
	"runtime"
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
// [observe.WithTarget], and the backend with [observe.WithBackendName]. New panics if
// locker or busy is nil, and on an option that [observe.New] refuses.
//
// A gocron Locker has no time to live and does not tell of a lease that was lost, so
// neither is claimed here unless Unlock returns one of observe's errors. gocron unlocks
// when the job ends: a job that hangs is held. A Lock that becomes garbage without an
// Unlock is counted as abandoned, and nothing is done about it.
func New(locker gocron.Locker, busy func(error) bool, opts ...observe.Option) gocron.Locker {
	if locker == nil {
		panic(errors.New("otelgocron: locker is nil: give the one that you would give to gocron"))
	}
	if busy == nil {
		panic(errors.New("otelgocron: busy is nil: give a function that tells the error of a job that another scheduler has"))
	}
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
	runtime.SetFinalizer(lease, abandon) // allocates nothing, unlike AddCleanup
	return &held{Lock: lock, lease: lease}, nil
}

// abandon counts a lease that became garbage with its Lock.
func abandon(lease *observe.Lease) { lease.Abandon(context.Background()) }

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
	runtime.SetFinalizer(h.lease, nil)
	ctx, release := h.lease.Release(ctx)
	err := h.Lock.Unlock(ctx)
	release.End(err)
	return err
}
