package otelrueidislock

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/otellock/observe"
)

type (
	// LockerOption is rueidislock's.
	LockerOption = rueidislock.LockerOption

	// Locker is rueidislock's. That of [NewLocker] also has a method
	// Unwrap() Locker, which returns rueidislock's own. What that does is not observed.
	Locker = rueidislock.Locker
)

var (
	// ErrNotLocked is rueidislock's.
	ErrNotLocked = rueidislock.ErrNotLocked

	// ErrLockerClosed is rueidislock's.
	ErrLockerClosed = rueidislock.ErrLockerClosed
)

// NewLocker returns a Locker. Without options of package observe it emits to
// OpenTelemetry's global providers, as "redis", with names that are derived from those
// of the locks. It returns the error of an option that [observe.New] refuses, and
// rueidislock's own.
func NewLocker(option LockerOption, opts ...observe.Option) (Locker, error) {
	observer, err := observe.New(append([]observe.Option{observe.WithBackendName("redis")}, opts...)...)
	if err != nil {
		return nil, err
	}
	l := &locker{observer: observer}
	build := option.ClientBuilder
	if build == nil {
		build = rueidis.NewClient
	}
	option.ClientBuilder = func(option rueidis.ClientOption) (rueidis.Client, error) {
		var err error
		if l.client, err = build(option); err != nil {
			return nil, err
		}
		return client{l.client}, nil
	}
	if l.Locker, err = rueidislock.NewLocker(option); err != nil {
		return nil, err
	}
	return l, nil
}

type locker struct {
	rueidislock.Locker
	client   rueidis.Client
	observer *observe.Observer
	closed   atomic.Bool
}

func (l *locker) Unwrap() Locker         { return l.Locker }
func (l *locker) Client() rueidis.Client { return l.client }

func (l *locker) Close() {
	l.closed.Store(true)
	l.Locker.Close()
}

func (l *locker) WithContext(ctx context.Context, name string) (context.Context, context.CancelFunc, error) {
	if l.closed.Load() { // what it refuses is no operation
		return l.Locker.WithContext(ctx, name)
	}
	observed, acquire := l.observer.KeyTarget(name).Acquire(ctx)
	acquire.Key(name)
	return l.take(&lock{parent: ctx, watch: watch{Context: observed, locker: l, acquire: acquire}}, name, l.Locker.WithContext)
}

func (l *locker) TryWithContext(ctx context.Context, name string) (context.Context, context.CancelFunc, error) {
	return l.try(ctx, name, l.Locker.TryWithContext)
}

func (l *locker) ForceWithContext(ctx context.Context, name string) (context.Context, context.CancelFunc, error) {
	return l.try(ctx, name, l.Locker.ForceWithContext)
}

func (l *locker) try(ctx context.Context, name string, take taker) (context.Context, context.CancelFunc, error) {
	if l.closed.Load() {
		return take(ctx, name)
	}
	observed, acquire := l.observer.KeyTarget(name).TryAcquire(ctx)
	acquire.Key(name)
	return l.take(&lock{parent: ctx, watch: watch{Context: observed, locker: l, acquire: acquire, try: true}}, name, take)
}

// A taker is a method of rueidislock's Locker.
type taker = func(context.Context, string) (context.Context, context.CancelFunc, error)

func (l *locker) take(lock *lock, name string, take taker) (context.Context, context.CancelFunc, error) {
	ctx, cancel, err := take(&lock.watch, name)
	lock.lease = lock.taken(err)
	if ctx == nil {
		return ctx, cancel, err
	}
	// What runs under the lock is no part of taking it.
	ctx = trace.ContextWithSpan(ctx, trace.SpanFromContext(lock.parent))
	if err != nil {
		return ctx, cancel, err
	}
	lock.held = ctx
	stop := context.AfterFunc(ctx, lock.gone)
	return ctx, func() {
		stop()
		lock.release(cancel)
	}, nil
}

// A lock is one call that takes a lock, and what was taken.
type lock struct {
	watch
	parent context.Context // of the caller
	held   context.Context // that the caller was given
	lease  *observe.Lease
	once   sync.Once // ends the lease
}

// release calls cancel, which waits until rueidislock has let the lock go. A caller
// who does that because the context has ended may come before gone, or while it runs:
// then it waits for it, as the caller may end the parent next.
func (l *lock) release(cancel func()) {
	l.once.Do(func() { l.end(cancel) })
	cancel()
}

// gone is called when the context of the lock has ended before cancel was called.
func (l *lock) gone() { l.once.Do(func() { l.end(func() {}) }) }

// end ends the lease: lost where the context of the lock has ended by itself.
func (l *lock) end(cancel func()) {
	var err error
	if l.held.Err() != nil && l.parent.Err() == nil && !l.locker.closed.Load() {
		err = observe.ErrLost
	}
	_, release := l.lease.Release(l.parent)
	cancel()
	release.End(err)
}
