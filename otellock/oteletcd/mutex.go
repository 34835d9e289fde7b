package oteletcd

import (
	"context"
	"sync"

	"go.etcd.io/etcd/client/v3/concurrency"
)

// Mutex is etcd's [concurrency.Mutex] with its operations observed. Like that, it
// belongs to one goroutine at a time.
type Mutex struct {
	*etcdMutex
	lock
}

type etcdMutex = concurrency.Mutex // embedded under a name that is not exported

// NewMutex returns a Mutex of the default [Locks]. See [concurrency.NewMutex].
func NewMutex(s *Session, pfx string) *Mutex { return defaultLocks().NewMutex(s, pfx) }

// NewMutex returns a Mutex on the prefix, whose target is found by the prefix. It
// sends nothing.
func (l *Locks) NewMutex(s *Session, pfx string) *Mutex {
	return &Mutex{concurrency.NewMutex(s, pfx), lock{locks: l, session: s, prefix: pfx, target: l.observer.KeyTarget(pfx)}}
}

// Unwrap returns etcd's own mutex. What is done with it is not observed.
func (m *Mutex) Unwrap() *concurrency.Mutex { return m.etcdMutex }

// Lock calls etcd's Lock: acquired, canceled, or a failure of the backend.
func (m *Mutex) Lock(ctx context.Context) error {
	ctx, acquire := m.target.Acquire(ctx)
	acquire.Key(m.prefix)
	acquire.Wait() // it does not tell when it does
	err := m.etcdMutex.Lock(ctx)
	m.hold(ctx, acquire.End(m.classify(&acquire, err, m.answered)))
	return err
}

// TryLock calls etcd's TryLock: acquired, skipped, canceled, or a failure of the
// backend.
func (m *Mutex) TryLock(ctx context.Context) error {
	ctx, acquire := m.target.TryAcquire(ctx)
	acquire.Key(m.prefix)
	err := m.etcdMutex.TryLock(ctx)
	m.hold(ctx, acquire.End(m.classify(&acquire, err, m.answered)))
	return err
}

// Unlock calls etcd's Unlock: released, or a release that failed. An Unlock of a
// Mutex that is not held, or no longer, emits nothing, nor does a second attempt
// after one that failed.
func (m *Mutex) Unlock(ctx context.Context) error {
	ctx, release := m.take().Release(ctx)
	err := m.etcdMutex.Unlock(ctx)
	release.End(m.classify(nil, err, nil))
	return err
}

// answered reports whether etcd has answered the acquire that failed: it had put
// the key then, with a revision, and has deleted it, or has failed to.
func (m *Mutex) answered() bool {
	const deleted = "\x00"
	owner := m.IsOwner()
	return m.Key() == deleted || owner.GetCompare().GetCreateRevision() > 0
}

// NewLocker returns a sync.Locker of the default [Locks]. See [concurrency.NewLocker].
func NewLocker(s *Session, pfx string) sync.Locker { return defaultLocks().NewLocker(s, pfx) }

// NewLocker returns a Mutex on the prefix as a sync.Locker. Like etcd's own it
// waits for as long as the client lives, and panics with the error of Lock and
// Unlock.
func (l *Locks) NewLocker(s *Session, pfx string) sync.Locker { return &locker{l.NewMutex(s, pfx)} }

type locker struct{ *Mutex }

func (l *locker) Lock() {
	if err := l.Mutex.Lock(l.session.Client().Ctx()); err != nil {
		panic(err)
	}
}

func (l *locker) Unlock() {
	if err := l.Mutex.Unlock(l.session.Client().Ctx()); err != nil {
		panic(err)
	}
}
