package window

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	maxSummaries    = 32          // being written at a time
	summaryPatience = time.Second // the longest that the timer waits for one
)

var errExited = errors.New("window: writing a summary ended its goroutine")

// Flush writes a summary for every key that holds a count and has had none
// within the last period; the others stay pending. It returns when ctx is done,
// with its error, and otherwise the first error of write. A key whose summary
// failed keeps its count.
//
// Each call of write has a goroutine of its own, at most 32 at a time, and its
// claim is settled when it returns: one that panics or calls Goexit has failed,
// one that is stuck is waited for as long as ctx lasts, by the timer a second.
// It counts once, whenever it ends.
func (w *Window) Flush(ctx context.Context, write func(*Claim) error) error {
	return w.summarize(ctx, flush, write)
}

// Close stops the timer and writes a summary, as Flush does, for every key that
// holds a count, whenever the last one was: nothing comes after it. It waits for
// all that are being written, and returns when ctx is done, with its error. Admit
// goes on, without a timer.
func (w *Window) Close(ctx context.Context, write func(*Claim) error) error {
	w.mu.Lock()
	w.closed.Store(true)
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	if err := acquire(ctx, w.ticking); err != nil {
		return err
	}
	defer func() { <-w.ticking }()
	err := w.summarize(ctx, final, write)
	for range maxSummaries {
		if late := acquire(ctx, w.slots); late != nil {
			return late
		}
		defer func() { <-w.slots }()
	}
	return err
}

// acquire takes a place in a channel that serves as a semaphore.
func acquire(ctx context.Context, places chan<- struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// occasion is what a summary is written for.
type occasion int

const (
	due   occasion = iota // one period after the last occurrence
	flush                 // as long as the last summary is a period ago
	final                 // always
)

// summarize writes a summary for every key that the occasion allows, and returns
// the first error.
func (w *Window) summarize(ctx context.Context, o occasion, write func(*Claim) error) (first error) {
	for e := range w.entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if o == due && w.closed.Load() {
			return nil
		}
		if c := e.summary(o); c != nil {
			if err := w.write(ctx, o, c, write); first == nil {
				first = err
			}
		}
	}
	return first
}

// summary moves what is suppressed into a claim if the occasion allows.
func (e *entry) summary(o occasion) *Claim {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	wall := time.Now()
	now := int64(wall.Sub(e.w.base))
	from := [...]int64{due: e.due(), flush: e.summaryAt + e.w.period, final: never}[o]
	if e.suppressed() == 0 || now < from {
		return nil
	}
	e.summaryAt = now
	return e.take(now, wall)
}

// due is when the timer writes a summary, math.MaxInt64 if nothing is suppressed.
func (e *entry) due() int64 {
	if e.suppressed() == 0 {
		return math.MaxInt64
	}
	return max(e.summaryAt, e.seen.Load()) + e.w.period
}

// write calls the function on a goroutine of its own, which settles the claim.
func (w *Window) write(ctx context.Context, o occasion, c *Claim, write func(*Claim) error) error {
	if o == due {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, summaryPatience)
		defer cancel()
	}
	if err := acquire(ctx, w.slots); err != nil {
		c.Failed()
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := errExited
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("window: writing a summary panicked with a %T", v)
			}
			c.Failed() // unless it is delivered
			<-w.slots
			done <- err
		}()
		if err = write(c); err == nil {
			c.Delivered()
		}
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arm starts the timer unless it runs. It is called whenever something becomes
// pending, under mu.
func (w *Window) arm(after int64) {
	if w.summary != nil && !w.closed.Load() && !w.armed.Swap(true) {
		w.timer = time.AfterFunc(time.Duration(after), w.tick)
	}
}

// tick writes what is due and arms the timer for what will be.
func (w *Window) tick() {
	w.ticking <- struct{}{}
	_ = w.summarize(context.Background(), due, w.summary)
	<-w.ticking
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed.Store(false) // before the look at the counters: who adds to them looks at it afterwards
	next := int64(math.MaxInt64)
	for e := range w.entries {
		next = min(next, e.due())
	}
	if next < math.MaxInt64 {
		w.arm(max(next-w.now(), 0))
	}
}
