// Package window decides which of many like reports is let through: one per
// key and window, with an exact account of every other. It knows nothing of
// OpenTelemetry, so that a log processor and a console path can stand on it.
//
// A key is an (action, target) pair. Its window is anchored at the last report
// let through, at t: reports in [t, t+W) are held back, and the first at or
// after t+W passes. At any moment
//
//	occurrences = claims delivered + what those claims carried + Pending
//
// where a report that an upstream window had summed up counts as many times as
// it says.
//
// # Time
//
// Only the monotonic clock is used, measured from [New], so a stepped wall
// clock changes nothing and virtual time works. A caller's timestamp is believed
// for holding back and never for letting through: before a report passes, the
// clock is read again, under the key's lock. A report is thus never let through
// early, and a timestamp that lies before the key's anchor or that carries no
// monotonic reading is replaced by the clock.
//
// # Concurrency
//
// A report that is held back takes no lock and allocates nothing: it loads the
// key's anchor and adds one to the key's count. Everything that happens once per
// window (a claim, a summary, an eviction) excludes each other under the key's
// mutex, which no caller holds while it writes a report.
//
// # Bounds
//
// The table holds MaxKeys keys. When it is full, keys that hold no count and had
// no report and no summary within a period make room. Where none does, or where a
// key is longer than [MaxKeyBytes], reports share one overflow gate with a window
// of its own.
package window

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults and bounds of a [Config].
const (
	DefaultPeriod  = time.Minute
	DefaultMaxKeys = 4096
	// MaxPeriod and MaxMaxKeys are the largest values that New takes.
	MaxPeriod  = 24 * time.Hour
	MaxMaxKeys = 1 << 20
	// MaxKeyBytes bounds action and target together. Longer keys are never
	// stored and never cut: they share the overflow gate.
	MaxKeyBytes = 512
)

// Other stands for a key that has no series or entry of its own.
const Other = "_OTHER"

// Config sets up a [Window]. The zero value is ready for use.
type Config struct {
	// Period is the length of a window. Zero means DefaultPeriod. With a
	// negative Period every report passes, and is counted.
	Period time.Duration
	// MaxKeys bounds the table. Zero means DefaultMaxKeys.
	MaxKeys int
	// Summary, if set, is called from a timer with what is still pending one
	// Period after a key's last occurrence, at most once per key and window. An
	// error, a panic or a Goexit puts the counts back for the next attempt, one
	// Period later. Calls for different keys follow each other on one goroutine:
	// one that may be stuck belongs on another, by [Claim.HandOver].
	Summary func(*Claim) error
}

// A Window holds back all but one report per key and period. It is safe for
// concurrent use. Create it with [New].
type Window struct {
	period  int64 // ns; 0: nothing is held back
	quantum int64 // resolution of entry.seen
	maxKeys int
	timeline
	seed    maphash.Seed
	salt    [2]uint64
	buckets []atomic.Pointer[entry]
	types   errorTypes

	overflow *entry
	// nextScan is when the full table may next have an expired key. Until then
	// unknown keys go to the overflow gate without a lock. unknownScan: ask.
	nextScan atomic.Int64

	mu     sync.Mutex // insertion, eviction, overflow claims, ledger; before entry.mu
	live   int
	ledger ledger

	summaries summaries
	closed    atomic.Bool
}

// New returns a Window, or an error that names the setting that makes no sense.
func New(cfg Config) (*Window, error) {
	switch {
	case cfg.Period == 0:
		cfg.Period = DefaultPeriod
	case cfg.Period > MaxPeriod:
		return nil, fmt.Errorf("window: period %v is longer than %v", cfg.Period, MaxPeriod)
	case cfg.Period < 0:
		cfg.Period = 0
	}
	switch {
	case cfg.MaxKeys == 0:
		cfg.MaxKeys = DefaultMaxKeys
	case cfg.MaxKeys < 0 || cfg.MaxKeys > MaxMaxKeys:
		return nil, fmt.Errorf("window: maximum of %d keys is not within 1 and %d", cfg.MaxKeys, MaxMaxKeys)
	}
	w := &Window{
		period:   int64(cfg.Period),
		quantum:  int64(cfg.Period) >> 16,
		maxKeys:  cfg.MaxKeys,
		timeline: newTimeline(),
		seed:     maphash.MakeSeed(),
		buckets:  make([]atomic.Pointer[entry], 1<<bits.Len(uint(cfg.MaxKeys-1))),
	}
	w.salt = [2]uint64{maphash.String(w.seed, "0"), maphash.String(w.seed, "1")}
	w.overflow = newEntry(w, 0, Other, Other)
	w.nextScan.Store(unknownScan)
	w.ledger.init(cfg.MaxKeys)
	w.summaries.init(w, cfg.Summary)
	return w, nil
}

// Admit decides about one report. A nil Claim means that the report is held
// back and counted. Otherwise the caller sends the report with what the Claim
// carries and then calls exactly one of [Claim.Delivered] and [Claim.Failed].
//
// errorType is remembered for the report that carries the count; it may be
// empty. now should be the time.Now of the occurrence; see the package
// documentation for how far it is believed.
func (w *Window) Admit(action, target, errorType string, now time.Time) *Claim {
	at, bit := w.at(now), w.types.bit(errorType)
	var h uint64
	if len(action)+len(target) <= MaxKeyBytes {
		h = w.hash(action, target)
		if e := w.find(h, action, target); e != nil {
			if e.hold(at, bit) {
				return nil
			}
			return w.admit(h, report{action: action, target: target, bit: bit})
		}
		if !w.full(at) {
			return w.admit(h, report{action: action, target: target, bit: bit})
		}
	}
	if w.overflow.hold(at, bit) {
		w.ledger.other(action).overflow.Add(1)
		return nil
	}
	return w.admit(h, report{action: action, target: target, bit: bit})
}

// Upstream is what a report says of those that another window held back before
// it.
type Upstream struct {
	Suppressed uint64
	Since      time.Time // may be zero
	ErrorTypes []string
}

// AdmitUpstream is [Window.Admit] for a report that another window let through.
// What that window counted joins what this one counts, and [Window.Totals]
// leaves the report out, because the other window has counted it.
func (w *Window) AdmitUpstream(action, target, errorType string, up Upstream) *Claim {
	r := report{
		action: action, target: target, bit: w.types.bit(errorType),
		upstream: true, extra: up.Suppressed, extraBits: w.types.set(up.ErrorTypes), since: up.Since,
	}
	if r.overlong() {
		return w.admit(0, r)
	}
	return w.admit(w.hash(action, target), r)
}

// report is one occurrence on its way through the slow path.
type report struct {
	action, target string
	bit            uint64

	upstream  bool // counted in lock.reports elsewhere
	extra     uint64
	extraBits uint64
	since     time.Time
}

func (r *report) overlong() bool { return len(r.action)+len(r.target) > MaxKeyBytes }

// admit decides by the clock, under the locks.
func (w *Window) admit(h uint64, r report) *Claim {
	for {
		var e *entry
		if !r.overlong() {
			e = w.find(h, r.action, r.target)
		}
		if e == nil {
			var c *Claim
			if c, e = w.insert(h, &r); e == nil {
				return c
			}
		}
		if c, live := e.admit(&r); live {
			return c
		}
	}
}

// Pending returns how many occurrences are neither written nor carried by
// anything written: held back, or in the hands of a caller that has a Claim and
// has settled nothing yet.
func (w *Window) Pending() uint64 {
	n := w.overflow.pending()
	w.each(func(e *entry) bool {
		n += e.pending()
		return true
	})
	return n
}

const (
	never       = math.MinInt64 // an anchor in no window
	unknownScan = math.MinInt64
)
