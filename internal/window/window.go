// Package window suppresses reports that repeat themselves: for each key, a list
// of strings, it lets one through in a period and counts the others. It knows
// neither OpenTelemetry nor the Collector.
//
// A window begins with the report let through, at t: reports in [t, t+period) are
// suppressed, the next one passes. The model in the tests is the exact state
// machine. At any moment
//
//	occurrences = claims delivered + what those claims carried + Pending
//
// Time is the monotonic clock. A caller's timestamp can suppress a report, but not
// let it through. To suppress takes no lock and allocates nothing. All else happens
// under one mutex, which nobody holds while a report is written.
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

// Defaults and bounds. Other stands for a part of a key without an entry or totals
// of its own.
const (
	DefaultPeriod  = time.Minute
	DefaultMaxKeys = 4096
	MaxPeriod      = 24 * time.Hour
	MaxMaxKeys     = 1 << 20
	MaxKeyBytes    = 512 // of a key's strings together
	Other          = "_OTHER"
)

// Config sets up a [Window]. Zero values are defaults.
type Config struct {
	Period  time.Duration // if negative, every report passes and is counted
	MaxKeys int
	Parts   int                // the number of strings in a key; the default is two
	Summary func(*Claim) error // if set, writes what is pending one Period after a key's last occurrence
}

// A Window suppresses all but one report for each key and period. It is safe for
// concurrent use. Create it with [New].
type Window struct {
	base     time.Time // times are nanoseconds since then
	period   int64     // 0: nothing is suppressed
	quantum  int64     // resolution of entry.seen
	maxKeys  int
	summary  func(*Claim) error
	seed     maphash.Seed
	buckets  []atomic.Pointer[entry] // by hash of the key, each a chain
	types    errorTypes
	overflow *entry
	others   [1 + maxOtherRows]atomic.Pointer[row] // by first part; the first is for all further ones
	scanAt   atomic.Int64                          // until then a full table stays full
	closed   atomic.Bool
	armed    atomic.Bool   // the timer will run, or runs
	ticking  chan struct{} // taken by the timer while it runs, and by Close
	slots    chan struct{} // taken by each summary that is being written

	mu     sync.Mutex
	live   int    // keys in the table
	passed uint64 // hash of the key that passed the overflow gate last
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
	w.overflow = newEntry(w, others, &row{})
	w.others[0].Store(w.newRow(others))
	w.types.names.Store(&[]string{"", Other})
	w.scanAt.Store(never)
	return w, nil
}

func (w *Window) now() int64 { return int64(time.Since(w.base)) }

// at converts a timestamp, or reads the clock if it has no monotonic reading.
func (w *Window) at(t time.Time) int64 {
	if t == t.Round(0) {
		return w.now()
	}
	return int64(t.Sub(w.base))
}

// Suppress reports whether a report of the key would be suppressed now, and
// counts it if so. Where it returns false, as always after [Window.Close], the
// caller sends the report, and whoever owns the Window decides. now should be the
// time.Now of the occurrence; errorType may be empty.
func (w *Window) Suppress(now time.Time, errorType string, key ...string) bool {
	typ := w.types.index(errorType)
	return !w.closed.Load() && (w.suppress(w.at(now), typ, key) || w.suppress(w.now(), typ, key))
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
	held := r != nil && w.overflow.hold(at, typ)
	if held {
		r.overflow.Add(1)
	}
	return held
}

// Admit decides about one report. A nil Claim means that it is suppressed and
// counted. Otherwise the caller writes it with what the Claim carries, and then
// calls [Claim.Delivered] or [Claim.Failed]. The arguments are those of
// [Window.Suppress].
func (w *Window) Admit(now time.Time, errorType string, key ...string) *Claim {
	typ := w.types.index(errorType)
	if w.suppress(w.at(now), typ, key) {
		return nil
	}
	return w.admit(nil, typ, key) // by the clock
}

// Upstream is what a report says of those that another window suppressed.
type Upstream struct {
	Suppressed  uint64    // at most 4,294,967,295 are believed
	Since       time.Time // may be zero
	Until       time.Time // the last of them, of which Join takes note; may be zero
	ErrorTypes  []string
	ErrorCounts []uint64 // of each type; may be shorter
}

// AdmitUpstream is [Window.Admit] for a report that another window let through
// and counted: [Window.Totals] leaves it out.
func (w *Window) AdmitUpstream(up Upstream, errorType string, key ...string) *Claim {
	return w.admit(&up, w.types.index(errorType), key)
}

// Join adds what another window says in a summary, which is no occurrence itself.
// The key's next report carries it, or the summary one Period after the last Join.
// template is kept where no report of the key has passed.
func (w *Window) Join(up Upstream, template any, key ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wall := time.Now()
	now := int64(wall.Sub(w.base))
	e, _ := w.entry(key, now)
	e.join(up)
	if up.Suppressed == 0 {
		return
	}
	ago := time.Duration(0)
	if !up.Until.IsZero() {
		ago = min(max(wall.Sub(up.Until), 0), MaxPeriod)
	}
	e.see(now - int64(ago))
	e.joinedAt = now
	if e.template == nil {
		e.template = template
	}
	w.arm(w.period)
}

func (w *Window) admit(up *Upstream, typ int, key []string) *Claim {
	w.mu.Lock()
	defer w.mu.Unlock()
	wall := time.Now()
	now := int64(wall.Sub(w.base))
	e, r := w.entry(key, now)
	if up != nil {
		e.join(*up)
		r = w.overflow.row // nobody's
	}
	if e.inWindow(now) {
		e.suppress(now, typ, r)
		return nil
	}
	e.start.Store(now)
	c := e.take(now, wall)
	c.typ, c.records, c.row = typ, 1, r
	e.inFlight++
	if c.Overflow {
		w.passed = w.hash(key)
	}
	return c
}

// Keys returns how many keys have a window of their own.
func (w *Window) Keys() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.live
}

// Pending returns how many occurrences nothing written stands for: those
// suppressed, and those in the hands of claims that are not settled.
func (w *Window) Pending() (n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := range w.entries {
		n += e.suppressed() + e.inFlight
	}
	return n
}
