package otellock

import (
	"context"
	"sync/atomic"
)

// activity counts what is under way, so that Close can wait for it.
type activity struct {
	running atomic.Int64
	idle    chan struct{} // one slot: running may have reached zero
}

func newActivity() activity { return activity{idle: make(chan struct{}, 1)} }

func (a *activity) begin() { a.running.Add(1) }

func (a *activity) end() {
	if a.running.Add(-1) == 0 {
		select {
		case a.idle <- struct{}{}:
		default:
		}
	}
}

// wait returns when nothing is under way, or with the context's error.
func (a *activity) wait(ctx context.Context) error {
	for a.running.Load() != 0 {
		select {
		case <-a.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select { // pass it on: another Close may wait as well
	case a.idle <- struct{}{}:
	default:
	}
	return nil
}
