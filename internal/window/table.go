package window

import (
	"hash/maphash"
	"math"
	"math/bits"
	"strings"
)

// The table is an array of chains. Readers walk them without a lock; writers
// hold Window.mu. An unlinked entry keeps its successor, so that a reader that
// stands on it goes on; what such a reader misses it finds under the lock.

func (w *Window) hash(action, target string) uint64 {
	return bits.RotateLeft64(w.hashString(action), 29) ^ w.hashString(target)
}

// hashString takes the short way for strings of which two loads see all.
func (w *Window) hashString(s string) uint64 {
	n := len(s)
	if n < 8 || n > 16 {
		return maphash.String(w.seed, s)
	}
	hi, lo := bits.Mul64(load(s)^w.salt[0], load(s[n-8:])^uint64(n)<<59^w.salt[1])
	return hi ^ lo
}

// load reads the first eight bytes of s. It compiles to one instruction.
func load(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func (w *Window) find(h uint64, action, target string) *entry {
	for e := w.buckets[h&uint64(len(w.buckets)-1)].Load(); e != nil; e = e.next.Load() {
		if e.hash == h && e.target == target && e.action == action {
			return e
		}
	}
	return nil
}

// each calls f for every key in the table until f returns false.
func (w *Window) each(f func(*entry) bool) {
	for i := range w.buckets {
		for e := w.buckets[i].Load(); e != nil; e = e.next.Load() {
			if !f(e) {
				return
			}
		}
	}
}

// full reports whether the table is known to have no room at the time.
func (w *Window) full(at int64) bool { return at < w.nextScan.Load() }

// insert decides about a report whose key was not found: it claims for a new
// key, or at the overflow gate. If the key has come in since, insert returns its
// entry and decides nothing.
func (w *Window) insert(h uint64, r *report) (*Claim, *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.overlong() {
		return w.admitOverflow(r), nil
	}
	if e := w.find(h, r.action, r.target); e != nil {
		return nil, e
	}
	if w.live >= w.maxKeys {
		w.evict()
	}
	if w.live >= w.maxKeys {
		return w.admitOverflow(r), nil
	}
	e := newEntry(w, h, strings.Clone(r.action), strings.Clone(r.target))
	e.row = w.ledger.add(e.action, e.target)
	w.inheritOverflow(e)
	c, _ := e.admit(r)
	b := &w.buckets[h&uint64(len(w.buckets)-1)]
	e.next.Store(b.Load())
	b.Store(e)
	w.live++
	return c, nil
}

// admitOverflow decides at the overflow gate. The caller holds mu, so that no
// entry for the same key can come in and pass at the same time.
func (w *Window) admitOverflow(r *report) *Claim {
	c, _ := w.overflow.admit(r)
	if c != nil {
		w.overflow.mu.Lock()
		w.overflow.passed = nil
		if !r.overlong() {
			w.overflow.passed = &[2]string{strings.Clone(r.action), strings.Clone(r.target)}
		}
		w.overflow.mu.Unlock()
	}
	return c
}

// inheritOverflow starts e in the overflow gate's window if its key was the
// last to pass there, so that no key passes twice in a period.
func (w *Window) inheritOverflow(e *entry) {
	o := w.overflow
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.passed != nil && *o.passed == [2]string{e.action, e.target} {
		e.anchor.Store(o.anchor.Load())
		e.since = o.since
		e.template = o.template
	}
}

// evict removes every key that had no report and no summary within a period and
// that holds no count. The caller holds mu.
func (w *Window) evict() {
	now := w.now()
	if w.full(now) {
		return
	}
	w.nextScan.Store(math.MaxInt64) // claims and deliveries from here on lower it
	for i := range w.buckets {
		link := &w.buckets[i]
		for e := link.Load(); e != nil; e = link.Load() {
			if e.kill(now) {
				link.Store(e.next.Load())
				w.live--
			} else {
				link = &e.next
			}
		}
	}
	if w.live < w.maxKeys {
		w.nextScan.Store(unknownScan)
	}
}

// kill marks e dead if it may go.
func (e *entry) kill(now int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	said := e.lastSaid()
	v := e.word.Load()
	if uint32(v) != 0 || e.extra != 0 || e.inFlight != 0 {
		return false // whoever takes the count lowers the next scan
	}
	if said > now-e.period { // which may be a claim made since now
		e.w.lowerScan(said)
		return false
	}
	if !e.word.CompareAndSwap(v, v|deadBit) {
		e.w.lowerScan(said) // a late occurrence
		return false
	}
	e.anchor.Store(never)
	return true
}

// lastSaid is when something last went out for the key. An entry that went within
// a period of its summary would forget it, and the key could have a second one
// too early. The caller holds mu.
func (e *entry) lastSaid() int64 { return max(e.anchor.Load(), e.summaryAt) }

// lowerScan says that a key that last had something said may go one period later.
func (w *Window) lowerScan(said int64) {
	for {
		next := w.nextScan.Load()
		if said+w.period >= next || w.nextScan.CompareAndSwap(next, said+w.period) {
			return
		}
	}
}
