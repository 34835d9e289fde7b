package otellock

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// acquire takes the lock, or fails open: ok means that fn may run. A lock that
// stayed busy is ErrContended.
func (l *lease) acquire(ctx context.Context) (ok bool, err error) {
	c := l.config
	l.outer = LeaseFromContext(ctx)
	if l.disabled = !c.isEnabled(ctx); l.disabled && ended(ctx, time.Now()) == nil {
		c.observed.Disabled(ctx)
		return true, nil
	}
	ctx, op := l.beginAcquire(ctx)
	op.Key(l.key)
	err = l.wait(ctx, &op)
	if err != nil && l.pending {
		c.locker.cleanup.add(ctx, l, false)
	}
	l.observed = op.End(err)
	switch {
	case err == nil:
		l.protected = true
		l.observed.Fenced(l.fence)
		return true, nil
	case !c.failClosed && isBackend(err):
		return true, nil
	}
	return false, err
}

// isBackend looks at the lock's own word only: what the error wraps may be another
// lock's.
func isBackend(err error) bool {
	own, ok := err.(*Error)
	return ok && own.kind == ErrBackend
}

// causeOf returns the cause of a context's end, unless it is the error of a lock:
// that would be taken for an error of this one.
func causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	for _, ours := range []error{ErrContended, ErrBackend, ErrExpired, ErrLost, ErrStolen, ErrClosed, ErrInvalid} {
		if errors.Is(cause, ours) {
			return nil
		}
	}
	return cause
}

func (l *lease) beginAcquire(ctx context.Context) (context.Context, observe.Acquire) {
	if l.try {
		return l.config.observed.TryAcquire(ctx)
	}
	return l.config.observed.Acquire(ctx)
}

// wait makes attempts until one of them decides, or the wait is over.
//
// An attempt that was never answered may still land. The next one has the same
// token, and finds it. After an answer the token is not asked for again: the next
// attempt has a new one, and a token that may still land is cleaned up.
func (l *lease) wait(ctx context.Context, op *observe.Acquire) error {
	c, start := l.config, time.Now()
	if err := ended(ctx, start); err != nil {
		return l.newError("acquire", "canceled", err, causeOf(ctx))
	}
	if heldBy(l.outer, c.locker, l.key) {
		return ErrContended
	}
	limit := c.wait
	if l.try { // it waits for nothing but a connection
		limit = min(limit, c.attemptTimeout)
	}
	l.token = c.newValue(ctx)
	w := waiter{lease: l, op: op, silent: start}
	for retries := 0; ; retries++ {
		a := w.attempt(ctx, retries > 0)
		if a.err == nil && a.granted {
			l.startAt(a)
			return nil
		}
		l.pending = l.pending || mayHold(a.class)
		end, final := w.judge(ctx, a)
		left := limit - a.at.Sub(start)
		if final || left <= 0 {
			return end
		}
		if !unanswered(a.class) {
			l.renewToken(ctx)
		}
		op.Wait()
		delay := c.backoff(retries)
		if w.unsent { // waiting for a connection was a pause
			delay = min(delay, c.backoffBase)
		}
		if err := pause(ctx, min(left, delay)); err != nil {
			return l.newError("acquire", "canceled", err, causeOf(ctx))
		}
		switch now := time.Now(); {
		case !w.unsent:
			w.silent = now
		case now.Sub(w.silent) < c.attemptTimeout:
		case w.busy && !w.absorbed:
			w.absorbed, w.silent = true, now
		default:
			return w.failed
		}
		op.Retry()
	}
}

// A waiter knows what the attempts of one acquire have met so far.
type waiter struct {
	lease    *lease
	op       *observe.Acquire
	busy     bool      // the lock was: a live holder was there a moment ago
	absorbed bool      // one failure since then
	unsent   bool      // the last attempt found no connection
	failed   error     // of the last attempt that failed
	silent   time.Time // since when nobody was answered, while there is no connection
}

// An attempt is one call of the backend to take the lock.
type attempt struct {
	sent, at time.Time // its begin and its end
	granted  bool
	fence    uint64
	held     Held // who has the key, where it was not granted
	cut      bool // it had less than the attempt timeout, for the caller's deadline
	err      error
	class    string // of err
}

var errLateGrant = errors.New("the grant arrived after its time to live had passed")

func (w *waiter) attempt(ctx context.Context, again bool) attempt {
	l, now := w.lease, time.Now()
	whole := l.config.attemptTimeout - now.Sub(w.silent)
	timeout := budget(ctx, now, whole)
	grant, err := l.config.locker.call(ctx, "acquire", Claim{Key: l.key, Token: l.token, TTL: l.config.ttl, Again: again, Fence: l.config.fencing}, timeout)
	a := attempt{sent: now, at: time.Now(), granted: grant.Acquired, fence: grant.Fence, held: grant.Held, cut: timeout < whole, err: err}
	switch {
	case err != nil:
		a.class = observe.ErrorType(err)
	case a.granted && a.at.Sub(a.sent) >= l.config.ttl:
		a.err, a.class = errLateGrant, typeTimeout
	}
	return a
}

// judge returns what an attempt that was not granted means: an error that is
// final, or the one that the acquire ends with if its wait is over now.
//
//	busy                                     wait; ErrContended at the end, or at once for a try
//	failed, and the caller's context is over its error: canceled, or a failure if nobody ever answered
//	no connection, nothing was sent          again, for one attempt timeout after anybody's last answer
//	cut short after busy                     wait: no evidence against the backend
//	failed for the first time after busy     wait: a live holder was there a moment ago
//	failed                                   ErrBackend
func (w *waiter) judge(ctx context.Context, a attempt) (end error, final bool) {
	l := w.lease
	c := l.config
	w.unsent = false
	if a.err == nil {
		w.busy = true
		l.meet(a.held, w.op)
		return ErrContended, l.try
	}
	if over := ended(ctx, a.at); over != nil {
		if w.busy || !errors.Is(over, context.DeadlineExceeded) {
			return l.newError("acquire", "canceled", over, causeOf(ctx)), true
		}
		w.op.Refuse()
		class := typeTimeout
		if a.class == typePool {
			class = typePool
		}
		return l.newError("acquire", class, over, a.err), true
	}
	w.failed = l.newError("acquire", a.class, ErrBackend, a.err)
	end = w.failed
	if w.busy {
		end = ErrContended
	}
	if a.class == typePool {
		alive := c.locker.answeredSince(w.silent)
		if alive {
			w.silent = a.at
		}
		if w.unsent = alive || a.at.Sub(w.silent) < c.attemptTimeout-c.backoffBase; w.unsent {
			return end, false
		}
	}
	switch {
	case w.busy && a.class == typeTimeout && a.cut:
	case w.busy && !w.absorbed:
		w.absorbed = true
	default:
		return w.failed, true
	}
	return end, false
}

// startAt starts a lease that was granted to the attempt.
func (l *lease) startAt(a attempt) {
	l.start, l.granted, l.fence = a.sent, a.at, a.fence
	l.met, l.holder = "", nil
	l.length.Store(int64(l.config.ttl))
	l.shortest = maxTTL
	if l.pending { // an earlier attempt may still land, and set this time to live
		l.shortest = l.config.ttl
	}
}

// renewToken makes sure that the next attempt asks for a token that no earlier
// one has asked for.
func (l *lease) renewToken(ctx context.Context) {
	if l.pending {
		l.config.locker.cleanup.add(ctx, l, false)
		l.pending = false
	}
	l.token = l.config.newValue(ctx)
}

// call makes one attempt at the backend. A backend that panics has not answered,
// and costs no more than one that hangs.
func (l *Locker) call(ctx context.Context, op string, c Claim, timeout time.Duration) (grant Grant, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			grant, err = Grant{}, fmt.Errorf("the backend panicked: %v", p)
		}
	}()
	switch op {
	case "acquire":
		grant, err = l.backend.Acquire(ctx, c)
	case "extend":
		err = l.backend.Extend(ctx, c)
	default:
		err = l.backend.Release(ctx, c)
	}
	if err == nil || isAnswer(observe.ErrorType(err)) {
		l.answered.Store(int64(time.Since(l.made)))
	}
	return grant, err
}

// answeredSince reports whether the backend has answered any attempt of this
// Locker since t.
func (l *Locker) answeredSince(t time.Time) bool {
	return l.answered.Load() >= int64(t.Sub(l.made))
}

// ended returns why the caller's context is over, or nil. A deadline is over when
// the clock says so, even where its timer is late.
func ended(ctx context.Context, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !now.Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// budget returns the time that one attempt gets: its own timeout, but at most half
// of what the caller has left, so that fn still has time to run unprotected.
func budget(ctx context.Context, now time.Time, timeout time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, deadline.Sub(now)/2)
	}
	return timeout
}

// backoff is random between zero and the base doubled n times, within the limit.
func (c lockConfig) backoff(n int) time.Duration {
	limit := c.backoffMax
	if n < 32 && c.backoffBase < limit>>n {
		limit = c.backoffBase << n
	}
	return mathrand.N(limit) + 1
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
