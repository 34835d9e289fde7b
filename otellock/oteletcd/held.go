package oteletcd

import (
	"context"
	"sync/atomic"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A lock is what Mutex and Election have in common: it is held through a session.
// Like etcd's own, it is not for concurrent use.
type lock struct {
	locks   *Locks
	session *Session
	target  *observe.Target
	held    *holding // nil while it is not held
}

// A holding is a lease, from the acquire to the release or to the end of its
// session, whichever comes first.
type holding struct {
	lease *observe.Lease
	ctx   context.Context // of the acquire
	ended atomic.Bool
}

// end returns the lease at its first call, and then nil.
func (h *holding) end() *observe.Lease {
	if h == nil || h.ended.Swap(true) {
		return nil
	}
	return h.lease
}

// hold keeps the lease of an acquire that has succeeded. A lock that was held
// already, which etcd grants again, stays one lock.
func (l *lock) hold(ctx context.Context, lease *observe.Lease) {
	if lease == nil {
		return
	}
	l.take().Drop(ctx)
	l.held = &holding{lease: lease, ctx: ctx}
	l.locks.watch(l.session, l.held)
}

// take returns the lease that is to be released now, or nil if there is none: the
// lock is not held, or its session has ended.
func (l *lock) take() *observe.Lease {
	held := l.held
	l.held = nil
	l.locks.forget(l.session, held)
	return held.end()
}

// watch ends the holding when its session ends. One goroutine watches a session,
// from its first holding on.
func (l *Locks) watch(s *Session, h *holding) {
	if s.Ctx().Err() != nil {
		return // nobody renews the lease, which may live on until its time has passed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	held, watched := l.held[s]
	if !watched {
		held = map[*holding]struct{}{}
		l.held[s] = held
		go l.await(s)
	}
	held[h] = struct{}{}
}

func (l *Locks) forget(s *Session, h *holding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held[s], h)
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
	for h := range held {
		if ctx := context.WithoutCancel(h.ctx); lost {
			lose(ctx, h.end())
		} else {
			h.end().Drop(ctx)
		}
	}
}

// lose ends a lease that is gone.
func lose(ctx context.Context, lease *observe.Lease) {
	_, release := lease.Release(ctx)
	release.End(observe.ErrLost)
}
