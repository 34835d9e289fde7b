package otellock

import (
	"context"
	"time"
)

// A watch follows the deadline of a lease that is renewed, or whose loss ends the
// work. All of it is guarded by the lease's mu. It never refers to the Lease that
// is given out, so that a forgotten one is garbage.
type watch struct {
	ctx     context.Context         // has the values of the caller's, and never ends
	cancel  context.CancelCauseFunc // ends the context of the work; nil where a loss does not
	expiry  *time.Timer             // calls expire
	renewal *time.Timer             // calls renew; nil where nothing is renewed
	from    time.Time               // when the latest extend began that was granted, or the acquire
	ttl     time.Duration           // of the lease, as the deadline has it: an Extend may set another
	failed  *Error                  // of the latest extend, unless it was granted
}

// startWatch starts the watch of a lease that was just acquired, if it needs one.
// It returns the context of the work.
func (l *lease) startWatch(ctx context.Context) context.Context {
	c := l.config
	if !l.protected || !c.cancelOnLoss && c.extendFor == 0 {
		return ctx
	}
	l.observed.KeepCaller()
	w := &watch{ctx: context.WithoutCancel(ctx), from: l.start, ttl: c.ttl}
	if c.cancelOnLoss {
		ctx, w.cancel = context.WithCancelCause(ctx)
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = w
	w.expiry = time.AfterFunc(l.lossAt().Sub(now), l.expire)
	if at, ok := l.renewAt(now); ok {
		w.renewal = time.AfterFunc(at.Sub(now), l.renew)
	}
	return ctx
}

// lossAt returns when the lease counts as lost, unless it is extended. Work that is
// renewed and that ends with the lease is told one attempt timeout before the
// deadline, so that it can stop before somebody else starts. A short [Lease.Extend]
// shortens that to a third of its time to live. l.mu is held.
func (l *lease) lossAt() time.Time {
	if l.watch.cancel != nil && l.config.extendFor > 0 {
		return l.deadline().Add(-min(l.config.attemptTimeout, l.watch.ttl/3))
	}
	return l.deadline()
}

// setDeadline makes the lease run out ttl after start. l.mu is held.
func (l *lease) setDeadline(start time.Time, ttl time.Duration) {
	l.length.Store(int64(start.Sub(l.start) + ttl))
	if l.watch != nil {
		l.watch.ttl = ttl
	}
}

// rearm sets the timers again after the deadline has changed. l.mu is held.
func (l *lease) rearm() {
	w, now := l.watch, time.Now()
	if w == nil || l.ending || l.lost != nil {
		return
	}
	w.expiry.Reset(l.lossAt().Sub(now))
	if w.renewal == nil {
		return
	}
	if at, ok := l.renewAt(now); ok {
		w.renewal.Reset(at.Sub(now))
	} else {
		w.renewal.Stop()
	}
}

// expire makes the lease lost if its time is over by the local clock, whatever the
// server says later.
func (l *lease) expire() {
	l.mu.Lock()
	w := l.watch
	if l.ending || l.lost != nil {
		garbage := l.finished && l.lost == nil
		l.mu.Unlock()
		if garbage { // a runtime.Cleanup does not stop the work itself: in a synctest bubble it must not
			l.stopWork(nil)
		}
		return
	}
	if early := time.Until(l.lossAt()); early > 0 { // it was extended meanwhile
		w.expiry.Reset(early)
		l.mu.Unlock()
		return
	}
	lost := l.newError("lease", typeExpired, ErrExpired, nil)
	if w.failed != nil {
		lost.cause = w.failed
	}
	l.lost, l.outlived = lost, true
	l.reports.Add(1)
	l.gone.Store(true)
	calls := &l.config.locker.calls
	calls.Begin() // so that Close waits for the report
	l.mu.Unlock()
	defer calls.End()
	defer l.reports.Done()
	l.stopWork(lost)
	l.observed.Expire(w.ctx, lost)
}

// expireIfOver calls expire if the lease is over and the timer is late, as it is on
// a busy machine. l.mu is held, except during that call.
func (l *lease) expireIfOver(now time.Time) {
	if l.watch == nil || l.ending || l.lost != nil || now.Before(l.lossAt()) {
		return
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	l.expire()
}

// stopWork ends the watch and the context of the work; cause is nil after a release.
func (l *lease) stopWork(cause *Error) {
	l.mu.Lock()
	w := l.watch
	if w != nil {
		w.expiry.Stop()
		if w.renewal != nil {
			w.renewal.Stop()
		}
	}
	l.mu.Unlock()
	switch {
	case w == nil || w.cancel == nil:
	case cause == nil:
		w.cancel(nil)
	default:
		w.cancel(cause)
	}
}

// loss returns what Extend, a renewal or the watch found of the lease.
func (l *lease) loss() *Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}
