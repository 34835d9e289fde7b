package window

import (
	"strings"
	"sync/atomic"
	"time"
)

// Gate returns a function that reports whether a report of the key would be
// held back now, and if so counts it, so that the caller need not build it. It
// never claims: where it says false the caller sends the report, and whoever
// owns the window decides and counts. The function is safe for concurrent use
// and allocates nothing.
//
// now and errorType are as in [Window.Admit]. After [Window.Close] the function
// always says false.
func (w *Window) Gate(action, target string) func(now time.Time, errorType string) bool {
	g := &gate{w: w, timeline: w.timeline, quantum: w.quantum}
	g.report = report{action: strings.Clone(action), target: strings.Clone(target)}
	if !g.overlong() {
		g.hash = w.hash(action, target)
	}
	g.entry.Store(newEntry(w, 0, "", ""))
	g.errorType.Store(noErrorType)
	return g.suppress
}

type gate struct {
	timeline
	quantum int64

	// What the last occurrence had: outages are monotonous. At first, an entry
	// that is not in the table and holds nothing back.
	entry     atomic.Pointer[entry]
	errorType atomic.Pointer[errorType]

	w *Window
	report
	hash uint64
}

// suppress is entry.hold for the entry and the error type of the last
// occurrence, if that is less than a quantum ago.
func (g *gate) suppress(now time.Time, errorType string) bool {
	at, ok := g.quickly(now)
	if !ok {
		at = g.portably(now)
	}
	e, t := g.entry.Load(), g.errorType.Load()
	if uint64(at-e.fresh.Load()) <= uint64(g.quantum) && t.is(errorType) {
		if v := e.word.Add(1); ordinary(v, t.bit) || e.counted(v, t.bit) {
			return true
		}
	}
	return g.suppressSlowly(at, errorType)
}

// suppressSlowly looks up what suppress did not know.
func (g *gate) suppressSlowly(at int64, errorType string) bool {
	w, t := g.w, g.w.types.get(errorType)
	if w.closed.Load() {
		return false
	}
	g.errorType.Store(t)
	bit := t.bit
	e := w.overflow
	if !g.overlong() {
		e = w.find(g.hash, g.action, g.target)
	}
	switch {
	case e == nil && !w.full(at):
		return false
	case e == nil || e == w.overflow:
		if !w.overflow.hold(at, bit) && !w.overflow.hold(w.now(), bit) {
			return false
		}
		w.ledger.other(g.action).overflow.Add(1)
		return true
	}
	g.entry.Store(e)
	return e.hold(at, bit) || e.hold(w.now(), bit)
}
