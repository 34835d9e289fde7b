package otellock

import (
	"context"
	"errors"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A waiter is one acquire, from its first attempt to its last. Its place is in the
// queue of its key.
type waiter struct {
	lease *lease
	op    *observe.Acquire
	start time.Time
	limit time.Duration // for which it starts attempts

	queue         *queue
	ahead, behind *waiter
	signal        chan struct{} // made when it waits; has one slot: something has changed
	shared        *attempt      // the failure of somebody ahead, which is this waiter's too

	unsent bool      // the last attempt found no connection, and was not sent
	failed attempt   // the last that failed
	silent time.Time // since when nothing was heard: one attempt timeout after that it is a failure
	wakes  int       // of the queue, when the last attempt began
}

func newWaiter(l *lease, op *observe.Acquire, start time.Time) *waiter {
	c := l.config
	w := &waiter{lease: l, op: op, start: start, limit: c.wait, silent: start}
	if l.try { // it waits for nothing but a connection
		w.limit = min(c.wait, c.attemptTimeout)
	}
	if w.queues() {
		c.locker.queues.enter(w)
	} else {
		c.locker.queues.alone(w)
	}
	return w
}

// queues reports whether it waits with others. Who asks once, for a try or without a
// wait, does not, and the backend is not told of a queue that is over at once.
func (w *waiter) queues() bool { return !w.lease.try && w.lease.config.wait > 0 }

func (w *waiter) leave() { w.queue.leave(w) }

// turn returns when it is w's turn to ask, or with the error that ends the wait.
//
// The first in the queue asks when the queue is woken, when its pause is over, and
// once more at the end of its wait. The others go by what the first was told: if
// that was "busy", their wait ends as their own would. While it was told nothing,
// they wait no longer than for an attempt of their own.
func (w *waiter) turn(ctx context.Context) error {
	c := w.lease.config
	for {
		now := time.Now()
		if err := ended(ctx, now); err != nil {
			return w.over(ctx, err, w.failed)
		}
		s := w.look()
		left := w.limit - now.Sub(w.start)
		if s.busy {
			w.lease.meet(s.held, w.op)
		}
		switch {
		case s.shared != nil:
			return w.lease.failedBy(*s.shared)
		case s.first && (!s.due.After(now) || left <= 0):
			return w.resume(now)
		case s.first:
			left = min(left, s.due.Sub(now))
		case s.busy && left <= 0:
			return ErrContended
		case !s.busy:
			patience := budget(ctx, w.silent, c.attemptTimeout) - now.Sub(w.silent)
			if patience <= 0 {
				if left <= 0 || !c.locker.answeredSince(w.silent) {
					return w.lease.newError("acquire", typeTimeout, ErrBackend, context.DeadlineExceeded)
				}
				w.silent = now // it answers others: the first waits for a connection
				continue
			}
			left = patience
		}
		w.op.Wait()
		w.block(ctx, left)
	}
}

// look returns how things stand in the queue.
func (w *waiter) look() (s struct {
	shared      *attempt
	first, busy bool
	held        Held
	due         time.Time
}) {
	q := w.queue
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	if w.signal == nil && (q.first != w || !q.due.IsZero()) {
		w.signal = make(chan struct{}, 1)
	}
	s.shared, s.first, s.busy, s.held, s.due = w.shared, q.first == w, q.busy, q.held, q.due
	return s
}

// block waits for a signal, for d at most.
func (w *waiter) block(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.signal:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// resume decides whether a waiter whose last attempt found no connection goes on. It
// does for one attempt timeout, and once more if the lock was just known to be busy.
func (w *waiter) resume(now time.Time) error {
	c, q := w.lease.config, w.queue
	switch {
	case !w.unsent:
	case now.Sub(w.silent) < c.attemptTimeout:
		return nil
	case q.wasBusy() && !q.absorbed:
		q.absorbed = true
	default:
		q.fail(w.failed)
		return w.lease.failedBy(w.failed)
	}
	w.silent = now
	return nil
}

// begin begins an attempt.
func (w *waiter) begin(retries int) {
	var how observe.WakeUp
	w.wakes, how = w.queue.begin()
	if retries > 0 {
		w.op.Retry()
	} else if w.signal != nil {
		w.op.Turn()
	}
	w.op.WokenBy(how)
}

// granted tells the queue that w has the lock.
func (w *waiter) granted() {
	c := w.lease.config
	w.queue.granted(Held{Token: w.lease.token, Left: c.ttl}, time.Now().Add(min(pollInterval, c.ttl)))
}

// rest plans the next attempt: half a second from now where the backend has
// promised to wake the queue, or when the holder's lease runs out, else after the
// back-off.
func (w *waiter) rest(a attempt, retries int) {
	c := w.lease.config
	pause := c.backoff(retries)
	switch {
	case a.class == typeBreaker:
		pause = longestProbe // the end of the outage wakes the queue
	case a.err != nil && w.unsent: // waiting for a connection was a pause
		pause = min(pause, c.backoffBase)
	case a.err == nil && a.grant.Queued:
		pause = pollInterval
	}
	if left := a.grant.Held.Left; a.err == nil && left > 0 {
		pause = min(pause, left+time.Millisecond)
	}
	w.op.Wait()
	w.queue.rest(w.wakes, a.at.Add(pause))
}

// wasBusy reports whether the last answer to the queue was that the lock is held.
func (q *queue) wasBusy() bool {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	return q.busy
}

var errBreakerOpen = errors.New("the breaker is open: the server has left several attempts in a row unanswered")
