package otellock

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// attempt calls the backend once. A backend that panics has not answered, and
// costs no more than one that hangs.
func (l *Locker) attempt(ctx context.Context, op operation, c Claim, timeout time.Duration) (grant Grant, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			grant, err = Grant{}, fmt.Errorf("the backend panicked: %v", p)
		}
	}()
	switch op {
	case opAcquire:
		grant, err = l.backend.Acquire(ctx, c)
	case opExtend:
		err = l.backend.Extend(ctx, c)
	default:
		err = l.backend.Release(ctx, c)
	}
	if err == nil || errors.Is(err, ErrLost) || errors.Is(err, ErrStolen) || answered(errorType(err)) {
		l.answered.Store(int64(time.Since(l.made)))
	}
	return grant, err
}

// answeredSince reports whether the backend has answered any attempt of this
// Locker since t.
func (l *Locker) answeredSince(t time.Time) bool {
	return l.answered.Load() >= int64(t.Sub(l.made))
}

// A result is what the backend said to a release or an extend.
type result struct {
	class   string // of the failure; empty where there is none
	cause   error  // its raw error
	at      time.Time
	retries int
	pending bool // an attempt was never answered and may still land
}

// call makes attempts to release or to extend within the timeout from now,
// whatever becomes of the caller: one more if the first was never answered, and
// others while there is no free connection.
//
// A repeated release may find what the first one did. If that was sent before
// the lease's deadline, a key that is absent or another's means success; if it
// was sent later, the lease had expired.
func (h *hold) call(ctx context.Context, op operation, ttl time.Duration, now time.Time, timeout time.Duration) result {
	l := h.settings.family.locker
	ctx = context.WithoutCancel(ctx)
	var r result
	end, limit := now.Add(timeout), timeout/2
	first := now // when the first attempt was sent that was never answered
	for {
		_, err := l.attempt(ctx, op, h.claim(ttl), limit)
		if r.at = since(now); err == nil {
			return r
		}
		loss := lossType(err, r.at, h.deadline())
		switch {
		case loss != "" && r.pending && op != opExtend:
			if !first.Before(h.deadline()) {
				r.class = typeExpired
			}
			return r
		case loss != "":
			r.class = loss // its sentinel says it: an expired lease is not ErrLost as well
			return r
		}
		r.class, r.cause = errorType(err), err
		again := r.class == typePool
		if unanswered(r.class) {
			again = !r.pending
			if again {
				first = now
			}
			r.pending = true
		}
		if limit = end.Sub(r.at); !again || limit <= 0 {
			return r
		}
		if now = r.at; r.class == typePool {
			if limit < timeout/4 {
				return r // too little to learn anything else
			}
			_ = pause(ctx, h.settings.backoff(0))
			now = since(now)
			limit = end.Sub(now)
		}
		r.class, r.cause = "", nil
		r.retries++
	}
}

// sentinel is the error that a failed release or extend of this class is.
func sentinel(class string) error {
	if kind, ok := lossesByKind[class]; ok {
		return kind
	}
	return ErrBackend
}

// since is the time now, by the monotonic clock of an earlier one: half the cost
// of time.Now, which an operation would otherwise pay five times.
func since(earlier time.Time) time.Time { return earlier.Add(time.Since(earlier)) }

// ended is why the caller's context is over, or nil. A deadline is over when the
// clock says so, even where its timer is late.
func ended(ctx context.Context, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !now.Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// budget is the time that one attempt gets: its own timeout, but at most half of
// what the caller has left, so that fn still has time to run unprotected.
func budget(ctx context.Context, now time.Time, timeout time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, deadline.Sub(now)/2)
	}
	return timeout
}
