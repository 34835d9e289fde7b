package otellock

import (
	"context"
	"errors"
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

// wait makes attempts until one of them decides, or the wait is over. It waits for
// its turn before each: whoever came before asks first.
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
	if c.locker.breakers.isOpen(l.key) {
		return l.newError("acquire", typeBreaker, ErrBackend, errBreakerOpen)
	}
	l.token = c.newValue(ctx)
	w := newWaiter(l, op, start)
	defer w.leave()
	for retries := 0; ; retries++ {
		if err := w.turn(ctx); err != nil {
			return err
		}
		w.begin(retries)
		a := w.attempt(ctx, retries > 0)
		if a.err == nil && a.grant.Acquired {
			l.startAt(a)
			w.granted()
			return nil
		}
		l.pending = l.pending || mayHold(a.class)
		end, final := w.judge(ctx, a)
		if final || a.at.Sub(start) >= w.limit {
			return end
		}
		if !unanswered(a.class) {
			l.renewToken(ctx)
		}
		w.rest(a, retries)
	}
}

// An attempt is one call of the backend to take the lock.
type attempt struct {
	sent, at time.Time // its begin and its end
	timeout  time.Duration
	grant    Grant
	cut      bool // it had less than the attempt timeout, for the caller's deadline
	err      error
	class    string // of err
}

// provesFor reports whether a failure says as much to another waiter as an attempt
// of its own would. Silence does only if it was no shorter than the other's timeout.
func (a attempt) provesFor(w *waiter) bool {
	return a.class != typeTimeout && a.class != typePool || w.lease.config.attemptTimeout <= a.timeout
}

var errLateGrant = errors.New("the grant arrived after its time to live had passed")

func (w *waiter) attempt(ctx context.Context, again bool) attempt {
	l, now := w.lease, time.Now()
	c := l.config
	if c.locker.breakers.isOpen(l.key) {
		return attempt{sent: now, at: now, err: errBreakerOpen, class: typeBreaker}
	}
	whole := c.attemptTimeout
	if w.unsent { // it has waited for a connection
		whole -= now.Sub(w.silent)
	}
	if w.signal != nil { // or for its turn
		whole = min(whole, w.limit+c.attemptTimeout-now.Sub(w.start))
	}
	timeout := budget(ctx, now, whole)
	claim := Claim{Key: l.key, Token: l.token, TTL: c.ttl, Again: again, Fence: c.fencing}
	if c.locker.notifier != nil && w.queues() {
		claim.Waiter = w.queue
	}
	grant, err := c.locker.call(ctx, "acquire", claim, timeout)
	if claim.Waiter != nil && !grant.Acquired {
		w.queue.tell()
	}
	a := attempt{sent: now, at: time.Now(), timeout: timeout, grant: grant, cut: timeout < whole, err: err}
	switch {
	case err != nil:
		a.class = observe.ErrorType(err)
	case a.grant.Acquired && a.at.Sub(a.sent) >= c.ttl:
		a.err, a.class = errLateGrant, typeTimeout
	}
	if err != nil && a.class == typeTimeout && timeout >= c.attemptTimeout {
		c.locker.breakers.unanswered(l.key, c.attemptTimeout)
	}
	return a
}

// judge returns what an attempt that was not granted means: an error that is
// final, or the one that the acquire ends with if its wait is over now.
//
//	busy                                     wait; ErrContended at the end, or at once for a try
//	failed, and the caller's context is over its error: canceled, or a failure if nobody ever answered
//	breaker open after busy                  wait for the probe
//	no connection, nothing was sent          again, for one attempt timeout after anybody's last answer
//	cut short after busy                     wait: no evidence against the backend
//	failed for the first time after busy     wait: a live holder was there a moment ago
//	failed                                   ErrBackend, for the other waiters too
func (w *waiter) judge(ctx context.Context, a attempt) (end error, final bool) {
	l, q := w.lease, w.queue
	c := l.config
	w.unsent = false
	if a.err == nil {
		q.answered(a.grant)
		l.meet(a.grant.Held, w.op)
		return ErrContended, l.try
	}
	if over := ended(ctx, a.at); over != nil {
		return w.over(ctx, over, a), true
	}
	w.failed = a
	end = l.failedBy(a)
	if q.busy {
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
	case q.busy && a.class == typeBreaker:
	case q.busy && a.class == typeTimeout && a.cut:
	case q.busy && !q.absorbed:
		q.absorbed = true
	default:
		q.fail(a)
		return l.failedBy(a), true
	}
	return end, false
}

// over returns the error of an acquire whose caller's context has ended.
func (w *waiter) over(ctx context.Context, why error, a attempt) error {
	l := w.lease
	if w.queue.wasBusy() || !errors.Is(why, context.DeadlineExceeded) {
		return l.newError("acquire", "canceled", why, causeOf(ctx))
	}
	w.op.Refuse()
	class := typeTimeout
	if a.class == typePool {
		class = typePool
	}
	return l.newError("acquire", class, why, a.err)
}

func (l *lease) failedBy(a attempt) *Error { return l.newError("acquire", a.class, ErrBackend, a.err) }

// startAt starts a lease that was granted to the attempt.
func (l *lease) startAt(a attempt) {
	l.start, l.granted, l.fence = a.sent, a.at, a.grant.Fence
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
	}
	l.token = l.config.newValue(ctx)
}
