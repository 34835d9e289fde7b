package window

import (
	"math"
	"sync/atomic"
	"time"
)

// entry is one key, or the overflow gate.
type entry struct {
	w     *Window
	key   []string
	next  atomic.Pointer[entry]   // of its bucket
	row   *row                    // nil for the overflow gate
	start atomic.Int64            // of the window: when the last report passed; written under mu
	seen  atomic.Int64            // the last suppressed occurrence, to within a quantum
	held  [typeCount]atomic.Int64 // suppressed occurrences by error type; negative once evicted

	// The rest is under Window.mu.
	back      tally     // suppressed again because a claim failed, or joined from upstream
	inFlight  uint64    // in the hands of unsettled claims
	since     time.Time // when the count began
	summaryAt int64     // the last summary
	template  any
}

func newEntry(w *Window, key []string, r *row) *entry {
	e := &entry{w: w, key: key, row: r, summaryAt: never}
	e.start.Store(never)
	e.seen.Store(never)
	return e
}

// inWindow is false for an evicted entry.
func (e *entry) inWindow(at int64) bool { return uint64(at-e.start.Load()) < uint64(e.w.period) }

// hold counts an occurrence if at lies in the entry's window.
func (e *entry) hold(at int64, typ int) bool { return e.inWindow(at) && e.count(at, typ) }

// count adds one occurrence. It returns false if the entry was evicted: nobody
// will read its counters again, and the caller looks the key up anew.
func (e *entry) count(at int64, typ int) bool {
	e.see(at) // first, so that whoever takes the count knows when it ended
	n := e.held[typ].Add(1)
	if n == 1 && !e.w.armed.Load() {
		e.w.mu.Lock()
		e.w.arm(e.w.period)
		e.w.mu.Unlock()
	}
	return n > 0
}

func (e *entry) see(at int64) {
	for seen := e.seen.Load(); at-seen > e.w.quantum && !e.seen.CompareAndSwap(seen, at); {
		seen = e.seen.Load()
	}
}

// putBack counts an occurrence that the counters do not have.
func (e *entry) putBack(typ int, at int64) {
	e.see(at)
	e.back.add(e.w.types.name(typ), 1)
	e.w.arm(e.w.period)
}

// join adds what a window upstream has counted.
func (e *entry) join(up Upstream) {
	for i, name := range up.ErrorTypes {
		var n uint64
		if i < len(up.ErrorCounts) {
			n = min(up.ErrorCounts[i], up.Suppressed)
		}
		up.Suppressed -= n
		e.back.add(e.w.types.name(e.w.types.index(name)), n)
	}
	if up.Suppressed > 0 {
		e.back.add("", up.Suppressed)
	}
	e.began(up.Since)
}

// began says that the count began then, or earlier.
func (e *entry) began(since time.Time) {
	if !since.IsZero() && (e.since.IsZero() || since.Before(e.since)) {
		e.since = since
	}
}

// take moves everything that is suppressed into a claim.
func (e *entry) take(now int64, wall time.Time) *Claim {
	for typ := range e.w.types.known() {
		if e.held[typ].Load() > 0 {
			n := uint64(e.held[typ].Swap(0))
			e.back.add(e.w.types.name(typ), n)
			if e.row != nil {
				e.row.suppressed += n
			}
		}
	}
	e.began(wall)
	c := &Claim{
		Key: e.key, Overflow: e.row == nil, Suppressed: e.back.sum(), Since: e.since,
		Until:    wall.Add(time.Duration(min(e.seen.Load()-now, 0))),
		Template: e.template, entry: e, at: now, counts: e.back,
	}
	c.ErrorTypes, c.ErrorCounts = c.counts.list()
	e.back, e.since = nil, wall
	e.inFlight = add(e.inFlight, c.Suppressed)
	e.w.scanBy(now + e.w.period)
	return c
}

// suppressed is what is suppressed and in nobody's hands.
func (e *entry) suppressed() uint64 { return add(e.counted(), e.back.sum()) }

func (e *entry) counted() (n uint64) {
	for typ := range e.w.types.known() {
		n += uint64(max(e.held[typ].Load(), 0))
	}
	return n
}

// lastSaid is when something last went out for the key. An entry that was evicted
// within a period of its summary could have a second one too early.
func (e *entry) lastSaid() int64 { return max(e.start.Load(), e.summaryAt) }

// evict marks the entry as evicted if it may go. Otherwise it returns when it
// may; whatever takes a count off it says that then.
func (e *entry) evict(now int64) (next int64, gone bool) {
	if e.inFlight != 0 || e.suppressed() != 0 {
		return math.MaxInt64, false
	}
	if next = e.lastSaid() + e.w.period; now < next {
		return next, false
	}
	for typ := range e.held {
		if !e.held[typ].CompareAndSwap(0, math.MinInt64) { // a late occurrence
			for ; typ > 0; typ-- {
				e.held[typ-1].Store(0)
			}
			return math.MaxInt64, false
		}
	}
	e.start.Store(never)
	return 0, true
}
