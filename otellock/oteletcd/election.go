package oteletcd

import (
	"context"
	"errors"

	"go.etcd.io/etcd/client/v3/concurrency"
)

// Election is etcd's [concurrency.Election] with its operations observed: to be the
// leader is to hold a lock.
type Election struct {
	*etcdElection
	lock
}

type etcdElection = concurrency.Election // embedded under a name that is not exported

// NewElection returns an Election of the default [Locks]. See
// [concurrency.NewElection].
func NewElection(s *Session, pfx string) *Election { return defaultLocks().NewElection(s, pfx) }

// ResumeElection returns an Election of the default [Locks]. See
// [concurrency.ResumeElection].
func ResumeElection(s *Session, pfx string, leaderKey string, leaderRev int64) *Election {
	return defaultLocks().ResumeElection(s, pfx, leaderKey, leaderRev)
}

// NewElection returns an Election on the prefix, whose target is found by the
// prefix. It sends nothing.
func (l *Locks) NewElection(s *Session, pfx string) *Election {
	return l.election(s, pfx, concurrency.NewElection(s, pfx))
}

// ResumeElection returns an Election with a leader that is known. Nothing is
// emitted for a leadership that was won elsewhere, nor for its end.
func (l *Locks) ResumeElection(s *Session, pfx string, leaderKey string, leaderRev int64) *Election {
	return l.election(s, pfx, concurrency.ResumeElection(s, pfx, leaderKey, leaderRev))
}

func (l *Locks) election(s *Session, pfx string, own *concurrency.Election) *Election {
	return &Election{own, lock{locks: l, session: s, prefix: pfx, target: l.observer.KeyTarget(pfx)}}
}

// Unwrap returns etcd's own election. What is done with it is not observed.
func (e *Election) Unwrap() *concurrency.Election { return e.etcdElection }

// Campaign calls etcd's Campaign, which waits for the leadership as Lock does for a
// mutex: acquired, canceled, or a failure of the backend.
func (e *Election) Campaign(ctx context.Context, val string) error {
	ctx, acquire := e.target.Acquire(ctx)
	acquire.Key(e.prefix)
	acquire.Wait() // it does not tell when it does
	before := e.Rev()
	err := e.etcdElection.Campaign(ctx, val)
	e.hold(ctx, acquire.End(e.classify(&acquire, err, func() bool { return e.Rev() != before })))
	return err
}

// Proclaim calls etcd's Proclaim. If that finds another leader, or none, while this
// one was taken for it, the leadership is lost.
func (e *Election) Proclaim(ctx context.Context, val string) error {
	err := e.etcdElection.Proclaim(ctx, val)
	if errors.Is(err, ErrElectionNotLeader) {
		lose(ctx, e.take())
	}
	return err
}

// Resign calls etcd's Resign: released, or a release that failed. It emits nothing
// where there is nothing to resign from.
func (e *Election) Resign(ctx context.Context) (err error) {
	ctx, release := e.take().Release(ctx)
	err = e.etcdElection.Resign(ctx)
	release.End(e.classify(nil, err, nil))
	return err
}
