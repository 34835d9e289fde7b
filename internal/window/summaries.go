package window

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/otellock/otellock-go/internal/guard"
)

const (
	maxSummaries = 32          // being written at a time
	patience     = time.Second // the longest that the timer waits for one
)

// Flush writes a summary for every key that holds a count and has had none
// within the last period. It returns when ctx is done, with its error, and
// otherwise the first error of write. A key whose summary failed keeps its count.
//
// Each call of write has a goroutine of its own, at most 32 at a time. One that is
// stuck is waited for as long as ctx lasts, by the timer a second.
func (w *Window) Flush(ctx context.Context, write func(*Claim) error) error {
	return w.summarize(ctx, write, func(e *entry) int64 { return e.summaryAt + w.period })
}

// Close stops the timer, writes a summary for every key that holds a count,
// whenever the last one was, and waits for all that are being written. It returns
// when ctx is done, with its error. Admit goes on.
func (w *Window) Close(ctx context.Context, write func(*Claim) error) error {
	w.closed.Store(true)
	if err := acquire(ctx, w.ticking); err != nil {
		return err
	}
	defer func() { <-w.ticking }()
	err := w.summarize(ctx, write, func(*entry) int64 { return never })
	for range maxSummaries {
		if late := acquire(ctx, w.slots); late != nil {
			return late
		}
		defer func() { <-w.slots }()
	}
	return err
}

func acquire(ctx context.Context, places chan<- struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *Window) summarize(ctx context.Context, write func(*Claim) error, when func(*entry) int64) (first error) {
	for e := range w.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c := e.summary(when); c != nil {
			first = cmp.Or(first, w.write(ctx, c, write))
		}
	}
	return first
}

// summary moves what is suppressed into a claim, if it is time.
func (e *entry) summary(when func(*entry) int64) *Claim {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	wall := time.Now()
	now := int64(wall.Sub(e.w.base))
	if e.suppressed() == 0 || now < when(e) {
		return nil
	}
	e.summaryAt = now
	return e.take(now, wall)
}

func (w *Window) write(ctx context.Context, c *Claim, write func(*Claim) error) error {
	if err := acquire(ctx, w.slots); err != nil {
		c.Failed()
		return err
	}
	return guard.Go(ctx, func() error {
		defer func() {
			c.Failed() // unless it is delivered
			<-w.slots
		}()
		err := write(c)
		if err == nil {
			c.Delivered()
		}
		return err
	})
}

// due is when the timer writes a summary, math.MaxInt64 if it need not.
func (e *entry) due() int64 {
	if e.suppressed() == 0 || e.w.closed.Load() {
		return math.MaxInt64
	}
	return max(e.summaryAt, e.seen.Load(), e.joinedAt) + e.w.period
}

// arm starts the timer unless it runs. Whatever makes something pending calls it.
func (w *Window) arm(after int64) {
	if w.summary != nil && !w.closed.Load() && !w.armed.Swap(true) {
		time.AfterFunc(time.Duration(after), w.tick)
	}
}

// tick writes what is due, and arms the timer for what will be or is left.
func (w *Window) tick() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	w.ticking <- struct{}{}
	_ = w.summarize(ctx, w.summary, (*entry).due)
	<-w.ticking
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed.Store(false) // before the look at the counters: who adds to them arms afterwards
	next := int64(math.MaxInt64)
	for e := range w.entries {
		next = min(next, e.due())
	}
	if next < math.MaxInt64 {
		w.arm(max(next-w.now(), 0))
	}
}
