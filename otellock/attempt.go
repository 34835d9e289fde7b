package otellock

import (
	"context"
	"sync"
	"time"
)

// An attemptContext is the context of one attempt at the backend. It is
// context.WithDeadline, but makes its timer only when somebody asks for Done: a
// client that turns the deadline into one of its connection, and a backend in
// memory, never do, and two timers an operation are the larger part of what the
// lock would add to them.
type attemptContext struct {
	context.Context // the caller's
	deadline        time.Time

	mu      sync.Mutex
	timed   context.Context // made by the first Done
	cancel  context.CancelFunc
	stopped bool
}

var _ context.Context = (*attemptContext)(nil)

func (c *attemptContext) Deadline() (time.Time, bool) { return c.deadline, true }

func (c *attemptContext) Done() <-chan struct{} { return c.timer().Done() }

func (c *attemptContext) Err() error {
	c.mu.Lock()
	timed := c.timed
	stopped := c.stopped
	c.mu.Unlock()
	if timed != nil {
		return timed.Err()
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if stopped {
		return context.Canceled
	}
	if time.Until(c.deadline) <= 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// Value asks the timed context where there is one, so that package context
// finds it as the parent of what is derived from this one.
func (c *attemptContext) Value(key any) any {
	c.mu.Lock()
	timed := c.timed
	c.mu.Unlock()
	if timed != nil {
		return timed.Value(key)
	}
	return c.Context.Value(key)
}

// String keeps fmt from walking through the struct, beside whoever uses it.
func (c *attemptContext) String() string { return "otellock: attempt" }

// GoString is String.
func (c *attemptContext) GoString() string { return c.String() }

func (c *attemptContext) timer() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.Context, c.deadline)
		if c.stopped {
			c.cancel()
		}
	}
	return c.timed
}

// stop ends the attempt: whatever still waits on the context is let go.
func (c *attemptContext) stop() {
	c.mu.Lock()
	c.stopped = true
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Unlock()
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
