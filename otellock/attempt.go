package otellock

import (
	"context"
	"sync/atomic"
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
	timed           atomic.Pointer[timedContext] // made by the first Done, or over
}

type timedContext struct {
	context.Context
	cancel context.CancelFunc
}

// noTimer is what an attempt that has ended has in the place of one.
var noTimer = func() *timedContext {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return &timedContext{ctx, cancel}
}()

var _ context.Context = (*attemptContext)(nil)

func (c *attemptContext) Deadline() (time.Time, bool) { return c.deadline, true }

func (c *attemptContext) Done() <-chan struct{} {
	if timed := c.timed.Load(); timed != nil {
		return timed.Done()
	}
	ctx, cancel := context.WithDeadline(c.Context, c.deadline)
	if !c.timed.CompareAndSwap(nil, &timedContext{ctx, cancel}) {
		cancel()
	}
	return c.timed.Load().Done()
}

func (c *attemptContext) Err() error {
	if timed := c.timed.Load(); timed != nil {
		return timed.Err()
	}
	if c.Context.Err() == nil && time.Until(c.deadline) > 0 {
		return nil
	}
	c.Done() // so that the answer stays the same
	return c.timed.Load().Err()
}

// Value asks the timed context where there is one, so that package context
// finds it as the parent of what is derived from this one.
func (c *attemptContext) Value(key any) any {
	if timed := c.timed.Load(); timed != nil && timed != noTimer {
		return timed.Value(key)
	}
	return c.Context.Value(key)
}

// stop ends the attempt: whatever still waits on the context is let go.
func (c *attemptContext) stop() {
	if !c.timed.CompareAndSwap(nil, noTimer) {
		c.timed.Load().cancel()
	}
}

// String keeps fmt from walking through the struct, beside whoever uses it.
func (c *attemptContext) String() string { return "otellock: attempt" }

// GoString is String.
func (c *attemptContext) GoString() string { return c.String() }

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
