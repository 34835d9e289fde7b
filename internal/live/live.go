// Package live knows what the locks of this process are doing now: who holds, who
// waits, what failed last, and what waiting has cost since the start. Package
// observe writes it for those who asked for it, package lockz shows it.
//
// It holds bounded names, times, numbers and trace ids only: a key is a hash with a
// seed of this process.
package live

import (
	"cmp"
	"hash/maphash"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

var seed = maphash.MakeSeed()

// A Key tells one key from another within this process, and nothing else. 0 is one
// that is not known.
type Key uint64

// KeyOf returns the Key of a text.
func KeyOf(text string) Key { return Key(maphash.String(seed, text)) }

// A Target is what is known of one target of one backend. Create it with NewTarget.
type Target struct {
	Name, Pattern, Backend string

	mu       sync.Mutex
	waits    histogram
	failures map[string]*Failure // by action: few
}

var (
	mu      sync.Mutex
	targets []*Target
	entries = map[*place]struct{}{}
	pool    = sync.Pool{New: func() any { return new(place) }}
)

// NewTarget returns a Target whose failures and waits are kept from now on. Its
// names must be bounded: nobody removes it.
func NewTarget(name, pattern, backend string) *Target {
	t := &Target{Name: name, Pattern: pattern, Backend: backend, failures: map[string]*Failure{}}
	mu.Lock()
	defer mu.Unlock()
	targets = append(targets, t)
	return t
}

// An Entry is one lock that is waited for or held, until its End or Stop. What is
// called later does nothing, as on the zero Entry: the answer of an extend may come
// after the release that overtook it.
type Entry struct {
	*place
	turn uint64 // of the place
}

// A place is used by one Entry after the other.
type place struct {
	turn uint64 // how many have left it; changes under mu
	lock
}

type lock struct {
	target   *Target
	key      Key
	trace    trace.TraceID
	since    time.Time
	waiting  bool
	behind   trace.TraceID // the holder's, of a waiter
	deadline time.Time     // of a lease; zero without a time to live
	extends  int
	fence    uint64
	stack    stack // of a waiter
}

func begin(t *Target, key Key, id trace.TraceID, since time.Time) Entry {
	p := pool.Get().(*place)
	p.lock = lock{target: t, key: key, trace: id, since: since}
	return Entry{p, p.turn}
}

func (e Entry) add() Entry {
	mu.Lock()
	defer mu.Unlock()
	entries[e.place] = struct{}{}
	return e
}

// isOver reports whether End or Stop was called. mu is held.
func (e Entry) isOver() bool { return e.place.turn != e.turn }

func (e Entry) remove() {
	if e.place == nil {
		return
	}
	mu.Lock()
	over := e.isOver()
	if !over {
		delete(entries, e.place)
		e.place.turn++
	}
	mu.Unlock()
	if !over {
		pool.Put(e.place)
	}
}

// Hold says that a lock is held from now until End. Deadline is zero for a lease
// without a time to live.
func Hold(t *Target, key Key, id trace.TraceID, since, deadline time.Time) Entry {
	e := begin(t, key, id, since)
	e.deadline = deadline
	return e.add()
}

// Fenced says which fence the lease has.
func (e Entry) Fenced(fence uint64) {
	if e.place == nil {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	if !e.isOver() {
		e.fence = fence
	}
}

// Extended says that the lease lasts until deadline now.
func (e Entry) Extended(deadline time.Time) {
	if e.place == nil {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	if !e.isOver() {
		e.deadline = deadline
		e.extends++
	}
}

// End says that the lock is held no longer.
func (e Entry) End() { e.remove() }

// Wait says that the caller waits for a lock from since until Stop. It keeps the
// caller's stack, without skip frames above Wait.
func Wait(t *Target, key Key, id trace.TraceID, since time.Time, skip int) Entry {
	e := begin(t, key, id, since)
	e.waiting = true
	e.stack.capture(skip + 1)
	profile().Add(e.place, skip+1)
	return e.add()
}

// Behind says whose lock it is that the caller waits for.
func (e Entry) Behind(holder trace.TraceID) {
	if e.place == nil {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	if !e.isOver() {
		e.behind = holder
	}
}

// Stop says that the caller waits no longer, and counts what the wait has cost. It
// is called once.
func (e Entry) Stop(now time.Time) {
	if e.place == nil {
		return
	}
	profile().Remove(e.place)
	waited := max(now.Sub(e.since), 0)
	e.target.mu.Lock()
	e.target.waits.add(waited)
	e.target.mu.Unlock()
	costs.add(e.target.Name, &e.stack, waited)
	e.remove()
}

// profile is the profile "otellock.wait" of package runtime/pprof: the stacks that
// wait for a lock now. It is there once the first of them does.
var profile = sync.OnceValue(func() *pprof.Profile { return pprof.NewProfile("otellock.wait") })

// A Failure is what is known of the failures of one action on one target.
type Failure struct {
	Action     string
	Count      uint64 // since the start
	Suppressed uint64 // of these by the throttle
	First      time.Time
	Last       time.Time
	LastType   string        // error.type
	LastTrace  trace.TraceID // zero if it was not traced

	// HeldBack are those that the throttle has suppressed since it let the last
	// one through, at HeldSince. Without a throttle nobody knows.
	HeldBack  uint64
	HeldSince time.Time
}

// Fail counts a failure. suppressed is what the throttle has said to it.
func (t *Target) Fail(action, errorType string, suppressed bool, at time.Time, id trace.TraceID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.failures[action]
	if f == nil {
		f = &Failure{Action: action, First: at}
		t.failures[action] = f
	}
	f.Count++
	f.Last, f.LastType, f.LastTrace = at, errorType, id
	if !suppressed {
		f.HeldBack, f.HeldSince = 0, at
		return
	}
	f.Suppressed++
	f.HeldBack++
}

// A Lock is one that is waited for or held, as it was at the time of a snapshot.
type Lock struct {
	Target   *Target
	Key      Key
	Trace    trace.TraceID
	Since    time.Time
	Behind   trace.TraceID
	Deadline time.Time
	Extends  int
	Fence    uint64
}

// Locks returns who holds and who waits now, the oldest first.
func Locks() (held, waiting []Lock) {
	mu.Lock()
	defer mu.Unlock()
	for e := range entries {
		l := Lock{e.target, e.key, e.trace, e.since, e.behind, e.deadline, e.extends, e.fence}
		if e.waiting {
			waiting = append(waiting, l)
		} else {
			held = append(held, l)
		}
	}
	older := func(a, b Lock) int { return a.Since.Compare(b.Since) }
	slices.SortFunc(held, older)
	slices.SortFunc(waiting, older)
	return held, waiting
}

// Contention is what waiting for the locks of a target has cost since the start.
type Contention struct {
	Target        *Target
	Waits         uint64
	Total         time.Duration
	P50, P99, Max time.Duration
}

// Contentions returns the targets that anybody has waited for, the costliest first.
func Contentions() (all []Contention) {
	for _, t := range allTargets() {
		t.mu.Lock()
		w := t.waits
		t.mu.Unlock()
		if w.count > 0 {
			all = append(all, Contention{t, w.count, w.total, w.quantile(0.5), w.quantile(0.99), w.max})
		}
	}
	slices.SortStableFunc(all, func(a, b Contention) int { return cmp.Compare(b.Total, a.Total) })
	return all
}

// A TargetFailure is a Failure of a target.
type TargetFailure struct {
	Target *Target
	Failure
}

// Failures returns the failures of all targets, the latest first.
func Failures() (all []TargetFailure) {
	for _, t := range allTargets() {
		t.mu.Lock()
		for _, f := range t.failures {
			all = append(all, TargetFailure{t, *f})
		}
		t.mu.Unlock()
	}
	slices.SortStableFunc(all, func(a, b TargetFailure) int { return b.Last.Compare(a.Last) })
	return all
}

func allTargets() []*Target {
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(targets)
}
