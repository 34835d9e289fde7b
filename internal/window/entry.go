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
	row   *row                   // counts what is held; the overflow gate's is nobody's
	next  atomic.Pointer[entry]  // of its bucket
	start atomic.Int64           // of the window; written under mu
	seen  atomic.Int64           // the last suppressed occurrence, to within a quantum
	held  [maxTypes]atomic.Int64 // suppressed occurrences by error type; negative once evicted

	// The rest is under Window.mu.
	named     uint32    // a bit for each type that a window upstream named
	inFlight  uint64    // in the hands of unsettled claims
	since     time.Time // when the count began
	summaryAt int64     // the last summary
	joinedAt  int64     // the last Join
	template  any
}

func newEntry(w *Window, key []string, r *row) *entry {
	e := &entry{w: w, key: key, row: r, summaryAt: never, joinedAt: never}
	e.start.Store(never)
	e.seen.Store(never)
	return e
}

func (e *entry) inWindow(at int64) bool { return uint64(at-e.start.Load()) < uint64(e.w.period) }

// hold counts an occurrence if at lies in the entry's window.
func (e *entry) hold(at int64, typ int) bool { return e.inWindow(at) && e.count(at, typ) }

// count adds one occurrence, unless the entry was evicted: nobody would read it.
func (e *entry) count(at int64, typ int) bool {
	e.see(at) // first, so that whoever takes the count knows when it ended
	n := e.held[typ].Add(1)
	if n == 1 {
		e.w.arm(e.w.period)
	}
	return n > 0
}

func (e *entry) see(at int64) {
	for seen := e.seen.Load(); at-seen > e.w.quantum && !e.seen.CompareAndSwap(seen, at); {
		seen = e.seen.Load()
	}
}

// suppress is count for whoever holds mu. If r is not the entry's row, it counts
// the occurrence instead.
func (e *entry) suppress(at int64, typ int, r *row) {
	e.see(at)
	e.held[typ].Add(1)
	if r != e.row {
		e.row.Suppressed--
		r.overflow.Add(1)
	}
	e.w.arm(e.w.period)
}

// add adds occurrences that the totals have already.
func (e *entry) add(typ int, n uint64) {
	e.held[typ].Add(int64(n))
	e.row.Suppressed -= n
}

// join adds what a window upstream has counted.
func (e *entry) join(up Upstream) {
	rest := min(up.Suppressed, math.MaxUint32) // no sum of them overflows
	counts := make([]uint64, len(up.ErrorTypes))
	copy(counts, up.ErrorCounts)
	for i, name := range up.ErrorTypes {
		typ, n := e.w.types.index(name), min(counts[i], rest)
		e.named |= 1 << typ
		e.add(typ, n)
		rest -= n
	}
	e.add(0, rest)
	e.began(up.Since)
}

func (e *entry) began(since time.Time) {
	if !since.IsZero() && (e.since.IsZero() || since.Before(e.since)) {
		e.since = since
	}
}

// take moves everything that is suppressed into a claim.
func (e *entry) take(now int64, wall time.Time) *Claim {
	e.began(wall)
	c := &Claim{
		Key: e.key, Overflow: e == e.w.overflow, Since: e.since,
		Until:    wall.Add(time.Duration(min(e.seen.Load()-now, 0))),
		Template: e.template, entry: e, row: e.row, at: now, named: e.named,
	}
	for typ := range e.held {
		c.counts[typ] = uint64(e.held[typ].Swap(0))
		c.Suppressed += c.counts[typ]
	}
	c.ErrorTypes, c.ErrorCounts = e.w.types.list(&c.counts, c.named)
	e.row.Suppressed += c.Suppressed
	e.inFlight += c.Suppressed
	e.named, e.since = 0, wall
	return c
}

func (e *entry) suppressed() (n uint64) {
	for typ := range *e.w.types.names.Load() {
		n += uint64(max(e.held[typ].Load(), 0))
	}
	return n
}

// freeAt is when the entry may go, math.MaxInt64 while it has a count. It stays
// for a period after a summary, or its key could have a second one too early.
func (e *entry) freeAt() int64 {
	if e.inFlight != 0 || e.suppressed() != 0 {
		return math.MaxInt64
	}
	return max(e.start.Load(), e.summaryAt) + e.w.period
}

// evict marks the entry as evicted, unless a late occurrence is counted.
func (e *entry) evict() bool {
	for typ := range e.held {
		if !e.held[typ].CompareAndSwap(0, math.MinInt64) {
			for ; typ > 0; typ-- {
				e.held[typ-1].Store(0)
			}
			return false
		}
	}
	e.start.Store(never)
	return true
}
