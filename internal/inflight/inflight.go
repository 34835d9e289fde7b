// Package inflight counts what is under way, so that a Close can wait for it.
package inflight

import (
	"context"
	"sync/atomic"
)

// A Counter counts what is under way. Unlike a sync.WaitGroup it can be waited
// for with a context, and begun while somebody waits.
type Counter struct {
	running atomic.Int64
	idle    chan struct{} // has one slot: running may have reached zero
}

// New returns a Counter at zero.
func New() Counter { return Counter{idle: make(chan struct{}, 1)} }

// Begin counts one more.
func (c *Counter) Begin() { c.running.Add(1) }

// End counts one less.
func (c *Counter) End() {
	if c.running.Add(-1) == 0 {
		c.nudge()
	}
}

// Wait returns when nothing is under way, or with the context's error.
func (c *Counter) Wait(ctx context.Context) error {
	for c.running.Load() != 0 {
		select {
		case <-c.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.nudge() // another Wait may be there as well
	return nil
}

func (c *Counter) nudge() {
	select {
	case c.idle <- struct{}{}:
	default:
	}
}
