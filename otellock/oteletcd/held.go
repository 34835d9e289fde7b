package oteletcd

import (
	"context"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A lock is what Mutex and Election have in common: it is held through a session.
// Like etcd's own, it is not for concurrent use.
type lock struct {
	locks   *Locks
	session *Session
	prefix  string
	target  *observe.Target
	lease   *observe.Lease // nil while it is not held
	watched bool           // the lease ends with the session
}

// hold keeps the lease of an acquire that has succeeded. A lock that was held
// already, which etcd grants again, stays one lock.
func (l *lock) hold(ctx context.Context, lease *observe.Lease) {
	if lease == nil {
		return
	}
	l.take().Drop(ctx)
	l.lease, l.watched = lease, l.locks.watch(ctx, l.session, lease)
}

// take returns the lease that is to be released now, or nil if there is none: the
// lock is not held, or its session has ended.
func (l *lock) take() *observe.Lease {
	lease := l.lease
	l.lease = nil
	if lease == nil || l.watched && !l.locks.forget(l.session, lease) {
		return nil
	}
	return lease
}

// watch ends the lease when its session ends. One goroutine watches a session, from
// its first lease on. It returns false for a session that has ended before: nobody
// renews its lease, which may live on until its time has passed.
func (l *Locks) watch(ctx context.Context, s *Session, lease *observe.Lease) bool {
	if s.Ctx().Err() != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	held, watched := l.held[s]
	if !watched {
		held = map[*observe.Lease]context.Context{}
		l.held[s] = held
		go l.await(s)
	}
	held[lease] = ctx
	return true
}

// forget reports whether the session has not ended the lease. await ends what is held by
// a session that is over, even where an Unlock comes first.
func (l *Locks) forget(s *Session, lease *observe.Lease) bool {
	select {
	case <-s.Done():
		return false
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, held := l.held[s][lease]
	delete(l.held[s], lease)
	return held
}

// await waits for the end of the session and ends what it holds.
//
// A session that ends by itself closes Done first and then its context. Close,
// Orphan and the end of a context that the session stands on do it in the other
// order. A select that waits for both is decided by the one that comes first.
func (l *Locks) await(s *Session) {
	lost := false
	if s.Ctx().Err() == nil {
		select {
		case <-s.Done():
			lost = s.Client().Ctx().Err() == nil // a client that is closed ends its sessions
		case <-s.Ctx().Done():
		}
	}
	l.mu.Lock()
	held := l.held[s]
	delete(l.held, s)
	l.mu.Unlock()
	for lease, ctx := range held {
		if ctx = context.WithoutCancel(ctx); lost {
			lose(ctx, lease)
		} else {
			lease.Drop(ctx)
		}
	}
}

// lose ends a lease that is gone.
func lose(ctx context.Context, lease *observe.Lease) {
	_, release := lease.Release(ctx)
	release.End(observe.ErrLost)
}
