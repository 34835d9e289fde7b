package window

import (
	"strings"
	"time"
)

// A Claim is the right to write one report. Its holder writes the report, with
// what the Claim carries, and settles by one call of Delivered or Failed; later
// calls do nothing. A Claim is not safe for concurrent use.
type Claim struct {
	Key        []string // not to be changed; every part is Other for the overflow gate
	Overflow   bool     // Suppressed is the sum over all keys without an entry
	Suppressed uint64   // occurrences that the report stands for, beside its own
	// Since is when that count began, by the wall clock: the report or summary
	// before this one, or the report itself if there was none. Until is the last
	// occurrence in that count, to the millisecond.
	Since, Until time.Time
	// ErrorTypes are those of the suppressed occurrences, at most eight: those that
	// an operator must act on, then the most frequent. ErrorCounts says how many
	// each has, 0 where only a window upstream knows.
	ErrorTypes  []string
	ErrorCounts []uint64
	Template    any // what KeepTemplate stored last

	entry    *entry
	row      *row // that counts the report
	counts   tally
	at       int64
	typ      int    // of the report
	records  uint64 // 0: a summary, which is no occurrence itself
	upstream bool
	settled  bool
}

// SummaryText returns the text of a summary of the claim, the same wherever it is
// written. It has no number in it, so that texts of equal keys are equal.
func (c *Claim) SummaryText() string {
	return "repeated warnings suppressed: " + strings.Join(c.Key, ", ")
}

// FormatTime returns t in UTC by RFC 3339, to the millisecond and always with
// three digits of it: such texts sort by time.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// KeepTemplate stores v for later claims of the key, for as long as the key is
// in the table.
func (c *Claim) KeepTemplate(v any) {
	c.entry.w.mu.Lock()
	defer c.entry.w.mu.Unlock()
	c.entry.template = v
}

// Delivered settles the claim: the report is written.
func (c *Claim) Delivered() { c.settle(true) }

// Failed settles the claim: nothing was written. What the Claim carried, and
// the report itself, are suppressed again. The window stays taken, so that a
// broken destination is tried once in a window.
func (c *Claim) Failed() { c.settle(false) }

func (c *Claim) settle(delivered bool) {
	if c.settled {
		return
	}
	c.settled = true
	e, w := c.entry, c.entry.w
	w.mu.Lock()
	defer w.mu.Unlock()
	e.inFlight -= min(e.inFlight, add(c.Suppressed, c.records))
	w.scanBy(e.lastSaid() + w.period)
	if c.records > 0 && !c.upstream {
		if delivered {
			c.row.emitted++
		} else {
			c.row.countSuppressed(e)
		}
	}
	if delivered || w.period == 0 {
		return
	}
	if c.records > 0 {
		e.putBack(c.typ, c.at)
	}
	for errorType, n := range c.counts {
		e.back.add(errorType, n)
	}
	e.began(c.Since)
	w.arm(w.period)
}
