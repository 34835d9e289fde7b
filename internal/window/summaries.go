package window

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Flush sends a summary for every key that holds a count and has had none
// within the last period; the others stay pending. It ends early, with the
// context's error, when ctx is done. Otherwise it returns the first error of
// send; a key whose send fails or panics keeps its count.
func (w *Window) Flush(ctx context.Context, send func(*Claim) error) error {
	_, err := w.summaries.each(ctx, flush, send)
	return err
}

// Close stops the timer, waits for a summary that it is sending, and then sends
// one for every key that holds a count, whenever the last one was: nothing comes
// after it. It ends early, with the context's error, when ctx is done. The gates
// then hold nothing back any more. Admit goes on, without a timer.
func (w *Window) Close(ctx context.Context, send func(*Claim) error) error {
	w.closed.Store(true)
	w.each(func(e *entry) bool {
		e.fresh.Store(never) // sends the gates to where they see closed
		return true
	})
	if err := w.summaries.stop(ctx); err != nil {
		return err
	}
	_, err := w.summaries.each(ctx, final, send)
	return err
}

// summaries owns the timer that brings out what is pending when a key's
// failures stop. It is armed only while something is pending.
type summaries struct {
	w    *Window
	send func(*Claim) error

	armed atomic.Bool // a tick is due or running

	mu     sync.Mutex // a leaf
	timer  *time.Timer
	closed bool
	idle   chan struct{} // closed when no tick is due or running; nil before the first

	ctx    context.Context // done when closed
	cancel context.CancelFunc
}

func (s *summaries) init(w *Window, send func(*Claim) error) {
	s.w, s.send = w, send
	s.ctx, s.cancel = context.WithCancel(context.Background())
}

// wake arms the timer. It is called whenever something becomes pending.
func (s *summaries) wake() {
	if s.send == nil || s.armed.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.armed.Load() {
		return
	}
	s.armed.Store(true)
	s.idle = make(chan struct{})
	s.timer = time.AfterFunc(time.Duration(s.w.period), s.tick)
}

// tick sends what is due and arms the timer for what will be.
func (s *summaries) tick() {
	next := s.w.now() + s.w.period // if send ends this goroutine
	defer func() { s.rearm(next) }()
	next, _ = s.each(s.ctx, due, s.send)
}

// rearm arms the timer for next, math.MaxInt64 for not at all.
func (s *summaries) rearm(next int64) {
	s.mu.Lock()
	if next < math.MaxInt64 && !s.closed {
		s.timer.Reset(time.Duration(max(next-s.w.now(), 0)))
		s.mu.Unlock()
		return
	}
	s.armed.Store(false)
	close(s.idle)
	s.mu.Unlock()
	if s.w.holdsAny() { // since the scan, by somebody who saw the timer armed
		s.wake()
	}
}

func (s *summaries) stop(ctx context.Context) error {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	idle := s.idle
	if s.armed.Load() && s.timer.Stop() {
		s.armed.Store(false)
		close(idle)
	}
	s.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// occasion is what a summary is sent for.
type occasion int

const (
	due   occasion = iota // one period after the last occurrence
	flush                 // as long as the last summary is a period ago
	final                 // always
)

// each sends a summary for every key that the occasion allows. It returns when
// the timer would find the next, math.MaxInt64 for never, and the first error.
func (s *summaries) each(ctx context.Context, o occasion, send func(*Claim) error) (next int64, first error) {
	next = math.MaxInt64
	one := func(e *entry) bool {
		if err := ctx.Err(); err != nil {
			first = err
			return false
		}
		c, at := e.summarize(o)
		if c != nil {
			if err := settle(c, send); err != nil && first == nil {
				first = err
			}
			at = e.due()
		}
		next = min(next, at)
		return true
	}
	if one(s.w.overflow) {
		s.w.each(one)
	}
	return next, first
}

// settle sends one summary, and puts its count back if that fails.
func settle(c *Claim, send func(*Claim) error) (err error) {
	defer c.Failed()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("window: sending a summary panicked with a %T", v)
		}
	}()
	if err = send(c); err == nil {
		c.Delivered()
	}
	return err
}

// due is when the timer will want a summary of e, math.MaxInt64 if nothing is
// held.
func (e *entry) due() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.heldBack() == 0 {
		return math.MaxInt64
	}
	return max(e.nextSummary(), e.seen.Load()+e.w.period)
}

// nextSummary is when a summary no longer follows the last one too closely.
func (e *entry) nextSummary() int64 {
	if e.summaryAt == never {
		return never
	}
	return e.summaryAt + e.w.period
}

// summarize hands over what is held if the occasion allows. Otherwise next says
// when the timer will, math.MaxInt64 if nothing is held.
func (e *entry) summarize(o occasion) (c *Claim, next int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.word.Load()&deadBit != 0 || e.heldBack() == 0 {
		return nil, math.MaxInt64
	}
	wall := time.Now()
	now := int64(wall.Sub(e.w.base))
	next = max(e.nextSummary(), e.seen.Load()+e.w.period)
	if o == due && now < next || o == flush && now < e.nextSummary() {
		return nil, next
	}
	n, types := e.take()
	c = &Claim{
		Action: e.action, Target: e.target, Overflow: e.row == nil,
		Suppressed: n, Since: e.since, ErrorTypes: e.w.types.names(types),
		entry: e, types: types,
	}
	e.since, e.summaryAt = wall, now
	return c, math.MaxInt64
}

// holdsAny reports whether anything waits for the timer.
func (w *Window) holdsAny() (any bool) {
	held := func(e *entry) bool {
		any = e.due() < math.MaxInt64
		return !any
	}
	if held(w.overflow) {
		w.each(held)
	}
	return any
}
