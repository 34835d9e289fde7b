// Package window suppresses reports that repeat themselves: it lets one through
// for each key and window, and accounts for every other. It knows neither
// OpenTelemetry nor the Collector: a log processor, a console and a Collector
// component stand on it.
//
// A key is a list of strings. Its window begins with the last report let
// through, at t: reports in [t, t+W) are suppressed, the first at or after t+W
// passes. The model in the tests is the exact state machine. At any moment
//
//	occurrences = claims delivered + what those claims carried + Pending
//
// where a report that sums up others, from a window upstream, counts as many
// times as it says.
//
// Time is the monotonic clock, so a stepped wall clock changes nothing. A
// caller's timestamp is believed for suppressing, never for letting through:
// before a report passes, the clock is read again. Where a timestamp has no
// monotonic reading, or lies before the window, the clock counts.
//
// To suppress takes no lock and allocates nothing: it finds the key, loads the
// start of its window and adds one to a counter. A claim, a summary and an
// eviction happen under one mutex, which nobody holds while a report is written.
//
// When the table is full, keys without a count that had neither report nor
// summary for a period make room. Where none does, and for keys longer than
// [MaxKeyBytes], all reports share one more window, the overflow gate.
package window

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults and bounds of a [Config].
const (
	DefaultPeriod  = time.Minute
	DefaultMaxKeys = 4096
	MaxPeriod      = 24 * time.Hour
	MaxMaxKeys     = 1 << 20
	// MaxKeyBytes bounds the strings of a key together. Longer keys are never
	// stored and never cut: they share the overflow gate.
	MaxKeyBytes = 512
)

// Other stands for a part of a key that has no entry or totals of its own.
const Other = "_OTHER"

// Config sets up a [Window]. Zero values are defaults.
type Config struct {
	// Period is the length of a window. With a negative Period every report
	// passes, and is counted.
	Period  time.Duration
	MaxKeys int
	Parts   int // the number of strings in a key; the default is two
	// Summary, if set, writes what is still pending one Period after a key's last
	// occurrence, at most once for each key and window, as [Window.Flush] does.
	Summary func(*Claim) error
}

// A Window suppresses all but one report for each key and period. It is safe for
// concurrent use. Create it with [New].
type Window struct {
	base    time.Time // times are nanoseconds since then
	period  int64     // 0: nothing is suppressed
	quantum int64     // resolution of entry.seen
	maxKeys int
	summary func(*Claim) error

	seed     maphash.Seed
	buckets  []atomic.Pointer[entry] // by hash of the key, each a chain
	types    errorTypes
	overflow *entry
	others   atomic.Pointer[[]*row] // by first part; the first is for all further ones
	scanAt   atomic.Int64           // until then a full table stays full
	closed   atomic.Bool
	armed    atomic.Bool   // the timer will run, or runs
	ticking  chan struct{} // taken by the timer while it runs, and by Close
	slots    chan struct{} // taken by each summary that is being written

	mu     sync.Mutex
	live   int      // keys in the table
	passed []string // the key that passed the overflow gate last, if it fits the table
	timer  *time.Timer
	rows   []*row
	byKey  map[string]*row
}

const never = math.MinInt64 / 2 // a time before all others; adding a period does not overflow

// New returns a Window, or an error that names the setting that makes no sense.
func New(cfg Config) (*Window, error) {
	cfg.Period = max(cmp.Or(cfg.Period, DefaultPeriod), 0)
	cfg.MaxKeys, cfg.Parts = cmp.Or(cfg.MaxKeys, DefaultMaxKeys), cmp.Or(cfg.Parts, 2)
	if cfg.Period > MaxPeriod || cfg.MaxKeys < 1 || cfg.MaxKeys > MaxMaxKeys || cfg.Parts < 1 {
		return nil, fmt.Errorf("window: a period of %v and %d keys of %d parts: give at most %v, 1 to %d keys, and at least 1 part",
			cfg.Period, cfg.MaxKeys, cfg.Parts, MaxPeriod, MaxMaxKeys)
	}
	w := &Window{
		base:    time.Now(),
		period:  int64(cfg.Period),
		quantum: int64(min(cfg.Period>>16, time.Millisecond)),
		maxKeys: cfg.MaxKeys,
		summary: cfg.Summary,
		seed:    maphash.MakeSeed(),
		buckets: make([]atomic.Pointer[entry], 1<<bits.Len(uint(cfg.MaxKeys-1))),
		ticking: make(chan struct{}, 1),
		slots:   make(chan struct{}, maxSummaries),
		byKey:   make(map[string]*row),
	}
	others := slices.Repeat([]string{Other}, cfg.Parts)
	w.overflow = newEntry(w, others, nil)
	w.others.Store(&[]*row{w.newRow(others)})
	w.types.names.Store(&[]string{"", Other})
	w.scanAt.Store(never)
	return w, nil
}

func (w *Window) now() int64 { return int64(time.Since(w.base)) }

// at converts a caller's timestamp, or reads the clock if the timestamp has no
// monotonic reading.
func (w *Window) at(t time.Time) int64 {
	if t == t.Round(0) {
		return w.now()
	}
	return int64(t.Sub(w.base))
}

// Suppress reports whether a report of the key would be suppressed now, and
// counts it if so: the caller need not build it. It never claims. Where it
// returns false the caller sends the report, and whoever owns the Window decides
// and counts. now should be the time.Now of the occurrence; errorType is kept for
// the report that carries the count, and may be empty. After [Window.Close] it
// returns false, because nobody would hear of the count.
func (w *Window) Suppress(now time.Time, errorType string, key ...string) bool {
	if w.closed.Load() {
		return false
	}
	typ := w.types.index(errorType)
	return w.suppress(w.at(now), typ, key) || w.suppress(w.now(), typ, key)
}

// suppress counts an occurrence if at lies in the window of its key.
func (w *Window) suppress(at int64, typ int, key []string) bool {
	if e := w.find(key); e != nil {
		return e.hold(at, typ)
	}
	if at >= w.scanAt.Load() && !tooLong(key) { // there may be room
		return false
	}
	r := w.findOther(key)
	if r == nil || !w.overflow.hold(at, typ) {
		return false
	}
	r.overflow.Add(1)
	return true
}

// Admit decides about one report. A nil Claim means that the report is
// suppressed and counted. Otherwise the caller writes the report with what the
// Claim carries, and then calls exactly one of [Claim.Delivered] and
// [Claim.Failed]. The arguments are those of [Window.Suppress].
func (w *Window) Admit(now time.Time, errorType string, key ...string) *Claim {
	typ := w.types.index(errorType)
	if w.suppress(w.at(now), typ, key) {
		return nil
	}
	return w.admit(Upstream{}, false, typ, key)
}

// Upstream is what a report says of those that another window suppressed before
// it.
type Upstream struct {
	Suppressed  uint64
	Since       time.Time // may be zero
	ErrorTypes  []string
	ErrorCounts []uint64 // of each type; may be shorter
}

// AdmitUpstream is [Window.Admit] for a report that another window let through.
// What that window counted joins what this one counts, and [Window.Totals]
// leaves the report out, because the other window has counted it.
func (w *Window) AdmitUpstream(up Upstream, errorType string, key ...string) *Claim {
	return w.admit(up, true, w.types.index(errorType), key)
}

// admit decides by the clock.
func (w *Window) admit(up Upstream, upstream bool, typ int, key []string) *Claim {
	w.mu.Lock()
	defer w.mu.Unlock()
	wall := time.Now()
	now := int64(wall.Sub(w.base))
	e, r := w.entry(key, now)
	e.join(up)
	if e.inWindow(now) {
		e.putBack(typ, now)
		if !upstream {
			r.countSuppressed(e)
		}
		return nil
	}
	e.start.Store(now)
	c := e.take(now, wall)
	c.typ, c.records, c.upstream, c.row = typ, 1, upstream, r
	e.inFlight = add(e.inFlight, 1)
	if e == w.overflow {
		w.passed = nil
		if !tooLong(key) {
			w.passed = cloneKey(key)
		}
	}
	return c
}

// Pending returns how many occurrences are neither written nor carried by
// anything written: suppressed, or in the hands of a caller that has a Claim and
// has settled nothing yet.
func (w *Window) Pending() (n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := range w.entries {
		n = add(n, add(e.suppressed(), e.inFlight))
	}
	return n
}
