package otellock

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// call makes one attempt at the backend. A backend that panics has not answered,
// and costs no more than one that hangs.
func (l *Locker) call(ctx context.Context, op string, c Claim, timeout time.Duration) (grant Grant, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var waiter Waiter // who takes over from a release
	if (op == "release" || op == "cleanup") && c.Keep == 0 {
		if q := l.queues.waiter(c.Key); q != nil {
			waiter = q
			if l.notifier != nil {
				c.Waiter = q
				defer func() { // its last waiter may have left before the backend was told
					if q.isEmpty() {
						l.forget(q)
					}
				}()
			}
		}
	}
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
	class := ""
	if err != nil {
		class = observe.ErrorType(err)
	}
	if err == nil || isAnswer(class) {
		l.answered.Store(int64(time.Since(l.made)))
		l.breakers.answered(c.Key)
	}
	if waiter != nil && (err == nil && l.notifier == nil || class == typeLost) {
		waiter.WakeAlone()
	}
	return grant, err
}

// forget tells the backend that nobody waits in the queue any more. What it does not
// hear expires there.
func (l *Locker) forget(q *queue) {
	defer func() { _ = recover() }()
	l.notifier.Forget(q.key, q)
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
	return random(limit)
}

// random is between zero and the limit.
func random(limit time.Duration) time.Duration { return mathrand.N(limit) + 1 }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
