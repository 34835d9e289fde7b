package window

import (
	"strings"
	"time"
)

// A Claim is the right to write one report. Its holder settles it by Delivered or
// Failed; later calls do nothing. A Claim is not safe for concurrent use.
type Claim struct {
	Key        []string  // not to be changed; every part is Other for the overflow gate
	Overflow   bool      // Suppressed is the sum over all keys without an entry
	Suppressed uint64    // occurrences that the report stands for, beside its own
	Since      time.Time // the report or summary before this one, if any
	Until      time.Time // the last suppressed occurrence, to the millisecond
	// ErrorTypes are at most eight: those that an operator must act on, then the
	// most frequent. A count is 0 where only a window upstream knows.
	ErrorTypes  []string
	ErrorCounts []uint64
	Template    any // what KeepTemplate stored last

	entry   *entry
	row     *row // counts the report
	counts  [maxTypes]uint64
	named   uint32
	at      int64
	typ     int    // of the report
	records uint64 // 0: a summary, which is no occurrence itself
	settled bool
}

// SummaryText returns the text of the claim's summary.
func (c *Claim) SummaryText() string { return SummaryText(c.Key) }

// SummaryText returns the text of a summary. It has no number in it, so that
// texts of equal keys are equal.
func SummaryText(key []string) string {
	return "repeated warnings suppressed: " + strings.Join(key, ", ")
}

// FormatTime returns t in UTC by RFC 3339, always to the millisecond, so that such
// texts sort by time.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// KeepTemplate stores v for later claims of the key while it is in the table.
func (c *Claim) KeepTemplate(v any) {
	c.entry.w.mu.Lock()
	defer c.entry.w.mu.Unlock()
	c.entry.template = v
}

// Delivered settles the claim: the report is written.
func (c *Claim) Delivered() { c.settle(true) }

// Failed settles the claim: nothing was written. The report and what it carried
// are suppressed; the window goes on.
func (c *Claim) Failed() { c.settle(false) }

func (c *Claim) settle(delivered bool) {
	if c.settled {
		return
	}
	c.settled = true
	e, w := c.entry, c.entry.w
	w.mu.Lock()
	defer w.mu.Unlock()
	e.inFlight -= c.Suppressed + c.records
	switch {
	case delivered:
		c.row.Emitted += c.records
	case w.period == 0: // no report carries another
		c.row.Suppressed += c.records
	default:
		if c.records > 0 {
			e.suppress(c.at, c.typ, c.row)
		}
		for typ, n := range c.counts {
			e.add(typ, n)
		}
		e.named |= c.named
		e.began(c.Since)
		w.arm(w.period)
	}
	w.scanAt.Store(min(e.freeAt(), w.scanAt.Load()))
}
