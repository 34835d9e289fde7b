package otellock

import (
	"context"
	"time"
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
	c.ttl = ttl
	if err := c.resolve(); err != nil {
		return invalid("extend", s.config.observed.Name(), err.Error())
	}
	switch {
	case s.config.disabled:
		return nil
	case !s.protected:
		return s.newError("extend", "unprotected", ErrBackend, nil)
	}
	if err := ended(ctx, time.Now()); err != nil {
		return s.newError("extend", "canceled", err, causeOf(ctx))
	}
	calls := &s.config.locker.calls
	calls.Begin()
	defer calls.End()
	return s.extend(ctx, ttl, c.attemptTimeout)
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
	l.mu.Lock()
	l.longest = max(l.longest, ttl)
	l.mu.Unlock()
	// The server may take a shorter time to live without ever saying so.
	l.length.Store(min(l.length.Load(), int64(start.Sub(l.start)+ttl)))
	failed, pending := l.request(ctx, "extend", ttl, timeout, &op)
	if failed = l.endExtend(start, ttl, failed, pending, done); failed != nil {
		op.End(failed)
		return failed
	}
	op.End(nil)
	return nil
}

// beginExtend registers an extend, whose end is told by closing done. If another
// is under way it returns that one's channel instead.
func (l *lease) beginExtend(done chan struct{}) (before chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
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

// endExtend keeps what the extend has found, and lets the next one begin.
func (l *lease) endExtend(start time.Time, ttl time.Duration, failed *Error, pending bool, done chan struct{}) *Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(done)
	l.extending = nil
	if failed != nil && failed.kind != ErrBackend && l.overtaken {
		// The release did not wait for it: what it found is no loss.
		failed = l.newError("extend", typeTimeout, ErrBackend, nil)
	}
	switch {
	case failed == nil:
		l.length.Store(int64(start.Sub(l.start) + min(ttl, l.shortest)))
	case failed.kind != ErrBackend:
		l.lost = failed
		l.gone.Store(true)
	}
	if pending {
		l.shortest = min(l.shortest, ttl)
	}
	return failed
}
