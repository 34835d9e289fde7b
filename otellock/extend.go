package otellock

import (
	"context"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// Extend makes the lease run out ttl from now. It never fails open: the error is
// [ErrExpired], [ErrLost] or [ErrStolen] if the lease is gone, for which every
// later call returns the same, and [ErrBackend] if nobody knows or if the lock
// had failed open. After ErrBackend, [Lease.Deadline] returns the earlier of the
// old deadline and the new: the server may have taken the new time without saying
// so. A ttl below 1 ms, above 100 years, or not above an attempt timeout that was
// set is [ErrInvalid]; a short one shortens the attempt timeout to a third of it.
// Extending a lock that is disabled does nothing. Calls that never reach the
// backend emit no telemetry.
func (l *Lease) Extend(ctx context.Context, ttl time.Duration) error {
	if l == nil || l.state == nil {
		return invalid("extend", "", "there is no lease")
	}
	s := l.state
	c := s.config.lockConfig
	c.ttl, c.extendFor, c.minHold = ttl, 0, 0
	if err := c.resolve(); err != nil {
		return invalid("extend", s.config.observed.Name(), err.Error())
	}
	switch {
	case s.disabled:
		return nil
	case !s.protected:
		return s.newError("extend", "unprotected", ErrBackend, nil)
	}
	if lost := s.knownLoss(); lost != nil { // which may be what has ended ctx
		return lost
	}
	if err := ended(ctx, time.Now()); err != nil {
		return s.newError("extend", "canceled", err, causeOf(ctx))
	}
	calls := &s.config.locker.calls
	calls.Begin()
	defer calls.End()
	return s.extend(ctx, ttl, c.attemptTimeout)
}

// knownLoss returns the loss that was found, or that the clock shows now; nil if the
// lease is not lost.
func (l *lease) knownLoss() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireIfOver(time.Now())
	if l.lost == nil {
		return nil
	}
	return l.lost
}

// extend waits for an extend that is under way, and then makes its own. It does not
// call the backend if the lease has ended or is known to be lost.
func (l *lease) extend(ctx context.Context, ttl, timeout time.Duration) error {
	done := make(chan struct{})
	for {
		before, err := l.beginExtend(done)
		if err != nil {
			return err
		}
		if before == nil {
			break
		}
		select {
		case <-before:
		case <-ctx.Done():
			return l.newError("extend", "canceled", ctx.Err(), causeOf(ctx))
		}
	}
	start := time.Now()
	ctx, op := l.observed.Extend(ctx, ttl)
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, deadline.Sub(start))
	}
	if failed := l.prolong(ctx, start, ttl, timeout, done, &op); failed != nil {
		return failed
	}
	return nil
}

// prolong makes an extend that beginExtend or beginRenewal has registered with done.
func (l *lease) prolong(ctx context.Context, start time.Time, ttl, timeout time.Duration, done chan struct{}, op *observe.Operation) *Error {
	l.mu.Lock()
	l.longest = max(l.longest, ttl)
	// The server may take a shorter time to live without ever saying so.
	if start.Add(ttl).Before(l.deadline()) {
		l.setDeadline(start, ttl)
		l.rearm()
	}
	l.mu.Unlock()
	failed, pending := l.request(ctx, "extend", ttl, timeout, op)
	failed, found := l.endExtend(start, ttl, failed, pending, done)
	if found {
		defer l.reports.Done()
	}
	if failed == nil {
		op.End(nil)
		return nil
	}
	if failed.kind != ErrBackend {
		l.stopWork(failed)
	}
	op.End(failed)
	return failed
}

// beginExtend registers an extend; endExtend closes done. If another extend is under
// way it returns the channel of that one instead.
func (l *lease) beginExtend(done chan struct{}) (before chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireIfOver(time.Now())
	switch {
	case l.lost != nil:
		return nil, l.lost
	case l.releasing || l.gone.Load():
		return nil, l.newError("extend", "released", ErrLost, nil)
	case l.extending != nil:
		return l.extending, nil
	}
	l.extending = done
	return nil, nil
}

// endExtend stores the result of the extend, and lets the next one begin. found says
// that the result is a loss which nobody has found before.
func (l *lease) endExtend(start time.Time, ttl time.Duration, failed *Error, pending bool, done chan struct{}) (_ *Error, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(done)
	l.extending = nil
	if failed != nil && failed.kind != ErrBackend && l.overtaken {
		// The release did not wait for it: what it found is no loss.
		failed = l.newError("extend", typeTimeout, ErrBackend, nil)
	}
	if l.watch != nil {
		l.watch.failed = failed
	}
	switch {
	case l.outlived: // the clock has found the loss meanwhile
		failed = l.lost
	case failed == nil:
		l.setDeadline(start, min(ttl, l.shortest))
		if l.watch != nil {
			l.watch.from = start
		}
	case failed.kind != ErrBackend:
		l.lost, found = failed, true
		l.reports.Add(1)
		l.gone.Store(true)
	}
	if pending {
		l.shortest = min(l.shortest, ttl)
	}
	l.rearm()
	return failed, found
}
