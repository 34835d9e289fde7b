package window

import (
	"sync"
	"sync/atomic"
	"time"
)

// An entry's word holds, from the top: a mark that the entry was evicted, the
// set of error types seen, and the count, so that one atomic operation takes
// all of it.
const (
	deadBit   = 1 << 63
	typeShift = 32
	typeMask  = 1<<63 - 1<<typeShift
	spillAt   = 1 << 31 // well before the count reaches the types
)

// entry is one key, or the overflow gate.
type entry struct {
	w               *Window
	period, quantum int64 // of w

	hash           uint64
	action, target string
	next           atomic.Pointer[entry]

	anchor atomic.Int64 // when the last report passed; written under mu
	word   atomic.Uint64
	seen   atomic.Int64 // the last occurrence, to within a quantum
	fresh  atomic.Int64 // likewise, if all of the quantum after it is in the window

	mu        sync.Mutex
	extra     uint64 // held, and in no total: put back, or from upstream
	inFlight  uint64 // in the hands of unsettled claims
	since     time.Time
	summaryAt int64
	template  any
	row       *row // nil for the overflow gate

	passed *[2]string // overflow gate: the key that passed last, if it fits the table
}

func newEntry(w *Window, h uint64, action, target string) *entry {
	e := &entry{w: w, period: w.period, quantum: w.quantum, hash: h, action: action, target: target, summaryAt: never}
	e.anchor.Store(never)
	e.fresh.Store(never)
	return e
}

// holds reports whether at lies in the entry's window. It is false for an
// anchor after at and for an evicted entry.
func (e *entry) holds(at int64) bool {
	return uint64(at-e.anchor.Load()) < uint64(e.period)
}

// hold counts an occurrence if at lies in the entry's window.
func (e *entry) hold(at int64, bit uint64) bool {
	if uint64(at-e.fresh.Load()) <= uint64(e.quantum) { // the same, for most
		v := e.word.Add(1)
		return ordinary(v, bit) || e.counted(v, bit)
	}
	return e.holds(at) && e.count(at, bit)
}

// count adds one occurrence. It returns false if the entry was evicted: nobody
// will read its count again, and the caller looks the key up anew.
func (e *entry) count(at int64, bit uint64) bool {
	if at-e.seen.Load() > e.quantum {
		e.seen.Store(at)
		if at+e.quantum < e.anchor.Load()+e.period {
			e.fresh.Store(at)
		}
	}
	v := e.word.Add(1)
	return ordinary(v, bit) || e.counted(v, bit)
}

// ordinary reports whether a new value of the word asks for nothing more.
func ordinary(v, bit uint64) bool {
	return v&(deadBit|spillAt|bit) == bit && uint32(v) != 1
}

// counted does what a new value of the word asks for.
func (e *entry) counted(v, bit uint64) bool {
	if v&deadBit != 0 {
		return false
	}
	if v&bit != bit {
		e.word.Or(bit) // named one report late if this one was taken just now
	}
	switch n := uint32(v); {
	case n == 1:
		e.w.summaries.wake()
	case n >= spillAt:
		e.spill()
	}
	return true
}

// spill moves the count out of the word, in good time before it would overflow.
func (e *entry) spill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.word.Load()&deadBit == 0 {
		e.word.Or(e.drain())
	}
}

// drain empties the word into extra and returns the types. The caller holds mu
// and knows that the entry is live.
func (e *entry) drain() (types uint64) {
	v := e.word.Swap(0)
	n := uint64(uint32(v))
	if e.row != nil {
		e.row.suppressed.Add(n)
	}
	e.extra = add(e.extra, n)
	return v & typeMask
}

// take hands over everything that is held, on the terms of drain.
func (e *entry) take() (n, types uint64) {
	types = e.drain()
	n, e.extra = e.extra, 0
	e.inFlight = add(e.inFlight, n)
	return n, types
}

// admit claims the window or counts the occurrence, by the clock. live is false
// if the entry was evicted.
func (e *entry) admit(r *report) (c *Claim, live bool) {
	e.mu.Lock()
	if e.word.Load()&deadBit != 0 {
		e.mu.Unlock()
		return nil, false
	}
	wall := time.Now()
	now := int64(wall.Sub(e.w.base))
	if e.holds(now) {
		e.holdLocked(r, now)
		e.mu.Unlock()
		e.w.summaries.wake()
		return nil, true
	}
	c = e.claim(r, now, wall)
	e.mu.Unlock()
	return c, true
}

// holdLocked counts r, which may stand for many occurrences.
func (e *entry) holdLocked(r *report, now int64) {
	e.seen.Store(now)
	e.word.Or(r.bit | r.extraBits)
	e.extra = add(e.extra, add(1, r.extra))
	if !r.since.IsZero() && r.since.Before(e.since) {
		e.since = r.since
	}
	if !r.upstream {
		e.countHeld(r.action)
	}
}

// claim lets r through and hands it what is held.
func (e *entry) claim(r *report, now int64, wall time.Time) *Claim {
	e.anchor.Store(now)
	e.seen.Store(now - e.quantum - 1) // the next occurrence, even at once, is news
	n, types := e.take()
	c := &Claim{
		Action: e.action, Target: e.target, Overflow: e.row == nil,
		Suppressed: add(n, r.extra), Since: e.since,
		entry: e, at: now, types: types | r.extraBits, own: r.bit, upstream: r.upstream,
		action: r.action, records: 1,
	}
	if c.Since.IsZero() {
		c.Since = wall
	}
	if !r.since.IsZero() && r.since.Before(c.Since) {
		c.Since = r.since
	}
	c.ErrorTypes = e.w.types.names(c.types)
	e.since = wall
	e.inFlight = add(e.inFlight, add(r.extra, 1))
	e.w.lowerScan(now)
	return c
}

// countHeld counts one occurrence for the totals that no drain will count.
func (e *entry) countHeld(action string) {
	if e.row != nil {
		e.row.suppressed.Add(1)
	} else {
		e.w.ledger.other(action).overflow.Add(1)
	}
}

// countEmitted counts one report written.
func (e *entry) countEmitted(action string) {
	if e.row != nil {
		e.row.emitted.Add(1)
	} else {
		e.w.ledger.other(action).emitted.Add(1)
	}
}

func (e *entry) pending() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heldBack() + e.inFlight
}

// heldBack is what is held and in nobody's hands. The caller holds mu.
func (e *entry) heldBack() uint64 {
	return add(uint64(uint32(e.word.Load())), e.extra)
}

// add saturates: an upstream count is another process's word.
func add(a, b uint64) uint64 {
	if a > 1<<62 || b > 1<<62 || a+b > 1<<62 {
		return 1 << 62
	}
	return a + b
}

func sub(a, b uint64) uint64 {
	if b > a {
		return 0
	}
	return a - b
}
