package window

import "time"

// A Claim is the right to write one report. Its holder writes the report, with
// what the Claim carries, and settles by one call of Delivered, Failed or
// HandOver; later calls do nothing. A Claim is not safe for concurrent use.
type Claim struct {
	// Action and Target are the key. For the overflow gate both are Other.
	Action, Target string
	// Overflow: the key has no entry of its own, and Suppressed is the sum over
	// all such keys.
	Overflow bool
	// Suppressed counts what was held back and is carried by this report.
	Suppressed uint64
	// Since is when that count began, by the wall clock: the report or summary
	// before this one, or the report itself if there was none.
	Since time.Time
	// ErrorTypes are those of the suppressed occurrences, sorted, at most eight.
	ErrorTypes []string

	entry      *entry
	at         int64  // the anchor that the claim set
	action     string // of the report
	types, own uint64
	records    uint64 // 0: a summary, which is no occurrence itself
	upstream   bool
	settled    bool
}

// Join adds to the claim what its report says of an upstream window. It is for
// callers that learn of it only now; [Window.AdmitUpstream] is for the others.
// Join at most once, before settling.
func (c *Claim) Join(up Upstream) {
	e := c.entry
	c.upstream = true
	c.Suppressed = add(c.Suppressed, up.Suppressed)
	if !up.Since.IsZero() && up.Since.Before(c.Since) {
		c.Since = up.Since
	}
	c.types |= e.w.types.set(up.ErrorTypes)
	c.ErrorTypes = e.w.types.names(c.types)
	e.mu.Lock()
	e.inFlight = add(e.inFlight, up.Suppressed)
	e.mu.Unlock()
}

// KeepTemplate stores v for later summaries of the key, for as long as the key
// is in the table.
func (c *Claim) KeepTemplate(v any) {
	c.entry.mu.Lock()
	c.entry.template = v
	c.entry.mu.Unlock()
}

// Template returns what KeepTemplate stored last.
func (c *Claim) Template() any {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	return c.entry.template
}

// HandOver returns the claim for another goroutine to settle, whenever that may
// be. Until then what it carries is pending, and c does nothing any more.
func (c *Claim) HandOver() *Claim {
	over := *c
	c.settled = true
	return &over
}

// Delivered settles the claim: the report is written.
func (c *Claim) Delivered() {
	if c.settled {
		return
	}
	c.settled = true
	e := c.entry
	e.mu.Lock()
	e.inFlight = sub(e.inFlight, c.occurrences())
	said := e.lastSaid()
	e.mu.Unlock()
	e.w.lowerScan(said)
	if c.records > 0 && !c.upstream {
		e.countEmitted(c.action)
	}
}

// Failed settles the claim: nothing was written. What the Claim carried, and
// the report itself, are held back again. The window stays claimed, so that a
// broken destination is tried once per window.
func (c *Claim) Failed() {
	if c.settled {
		return
	}
	c.settled = true
	e := c.entry
	e.mu.Lock()
	n := c.occurrences()
	e.inFlight = sub(e.inFlight, n)
	if e.w.period > 0 {
		e.extra = add(e.extra, n)
		e.word.Or(c.types | c.own)
		e.seen.Store(e.w.now())
		if c.Since.Before(e.since) {
			e.since = c.Since
		}
	}
	if c.records > 0 && !c.upstream {
		e.countHeld(c.action)
	}
	e.mu.Unlock()
	e.w.summaries.wake()
}

// occurrences is what the claim took into its hands.
func (c *Claim) occurrences() uint64 { return add(c.Suppressed, c.records) }
