package otellock

import (
	"context"
	"crypto/rand"
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
	if c.disabled && ended(ctx, time.Now()) == nil {
		c.observed.Disabled(ctx)
		return true, nil
	}
	ctx, op := l.beginAcquire(ctx)
	err = l.wait(ctx, &op)
	if err != nil && l.pending {
		c.locker.cleanup.add(ctx, l, false)
	}
	l.observed = op.End(err)
	switch {
	case err == nil:
		l.protected = true
		return true, nil
	case errors.Is(err, ErrBackend) && !c.failClosed:
		return true, nil
	}
	return false, err
}

func (l *lease) beginAcquire(ctx context.Context) (context.Context, observe.Acquire) {
	if l.try {
		return l.config.observed.TryAcquire(ctx)
	}
	return l.config.observed.Acquire(ctx)
}

// wait makes attempts until one of them decides:
//
//	granted in time                          the lease is held
//	busy                                     wait; ErrContended at the end, or at once for a try
//	no connection, nothing was sent          again, for one attempt timeout after anybody's last answer
//	failed, and the caller's context is over its error: canceled, or a failure if nobody ever answered
//	failed for the first time after busy     wait: a live holder was there a moment ago
//	failed                                   ErrBackend
//
// An attempt that was never answered may still land. The next one has the same
// token, and finds it. After an answer the token is not asked for again: the next
// attempt has a new one, and a token that may still land is cleaned up.
func (l *lease) wait(ctx context.Context, op *observe.Acquire) error {
	c, start := l.config, time.Now()
	if err := ended(ctx, start); err != nil {
		return l.newError("acquire", "canceled", err, context.Cause(ctx))
	}
	if heldBy(l.outer, c.locker, l.key) {
		return ErrContended
	}
	limit := c.wait
	if l.try { // it waits for nothing but a connection
		limit = min(limit, c.attemptTimeout)
	}
	l.token = rand.Text()
	var wasBusy, absorbed bool
	now, silent := start, start // silent: since when nobody was answered, while there is no connection
	for retries := 0; ; retries++ {
		sent, timeout := now, budget(ctx, now, c.attemptTimeout-now.Sub(silent))
		grant, err := c.locker.call(ctx, "acquire", Claim{Key: l.key, Token: l.token, TTL: c.ttl, Again: retries > 0}, timeout)
		now = time.Now()
		class := ""
		switch {
		case err != nil:
			class = observe.ErrorType(err)
		case grant.Acquired && now.Sub(sent) < c.ttl:
			l.begin(sent)
			return nil
		case grant.Acquired:
			err, class = errLateGrant, typeTimeout
		}
		l.pending = l.pending || unanswered(class)

		end, unsent := error(ErrContended), false // what the end of the wait would mean
		switch over := ended(ctx, now); {
		case err == nil:
			wasBusy = true
			if l.try {
				return end
			}
		case over != nil && (wasBusy || !errors.Is(over, context.DeadlineExceeded)):
			return l.newError("acquire", "canceled", over, context.Cause(ctx))
		case over != nil:
			op.Refuse()
			if class != typePool {
				class = typeTimeout
			}
			return l.newError("acquire", class, over, err)
		case class == typePool && (c.locker.answeredSince(silent) || now.Sub(silent) < c.attemptTimeout-c.backoffBase):
			if c.locker.answeredSince(silent) {
				silent = now
			}
			end, unsent = l.newError("acquire", class, ErrBackend, err), true
		case wasBusy && class == typeTimeout && timeout < c.attemptTimeout-sent.Sub(silent):
			// The caller's deadline cut the attempt short: no evidence against the backend.
		case !wasBusy || absorbed:
			return l.newError("acquire", class, ErrBackend, err)
		default:
			absorbed = true
		}

		left := limit - now.Sub(start)
		if left <= 0 {
			return end
		}
		if !unanswered(class) {
			l.renewToken(ctx)
		}
		op.Wait()
		delay := c.backoff(retries)
		if unsent { // waiting for a connection was a pause
			delay = min(delay, c.backoffBase)
		}
		err = pause(ctx, min(left, delay))
		now = time.Now()
		switch {
		case err != nil:
			return l.newError("acquire", "canceled", err, context.Cause(ctx))
		case !unsent:
			silent = now
		case now.Sub(silent) >= c.attemptTimeout:
			return end
		}
		op.Retry()
	}
}

var errLateGrant = errors.New("the grant arrived after its time to live had passed")

// begin starts the lease that was asked for at sent.
func (l *lease) begin(sent time.Time) {
	l.start = sent
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
	l.token = rand.Text()
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
