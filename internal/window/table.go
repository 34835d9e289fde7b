package window

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync/atomic"
)

// The table is an array of chains. Readers walk them without a lock; writers hold
// mu. An evicted entry keeps its successor, so that a reader that stands on it
// goes on.

func (w *Window) hash(key []string) (h uint64) {
	for _, part := range key {
		h = h*31 + maphash.String(w.seed, part)
	}
	return h
}

func (w *Window) bucket(key []string) *atomic.Pointer[entry] {
	return &w.buckets[w.hash(key)&uint64(len(w.buckets)-1)]
}

// find returns the entry of a key, or nil.
func (w *Window) find(key []string) *entry {
	for e := w.bucket(key).Load(); e != nil; e = e.next.Load() {
		if slices.Equal(e.key, key) {
			return e
		}
	}
	return nil
}

// entry returns the entry that decides about a key, which may be new, and the row
// that counts it. The caller holds mu.
func (w *Window) entry(key []string, now int64) (*entry, *row) {
	other := w.otherRow(key)
	if tooLong(key) {
		return w.overflow, other
	}
	if e := w.find(key); e != nil {
		return e, e.row
	}
	if w.live >= w.maxKeys && now >= w.scanAt.Load() {
		w.evict(now)
	}
	if w.live >= w.maxKeys {
		return w.overflow, other
	}
	own := slices.Clone(key)
	for i := range own {
		own[i] = strings.Clone(own[i])
	}
	e := newEntry(w, own, w.rowOf(own, other))
	if w.passed == w.hash(key) {
		// It was the last to pass the overflow gate: its window goes on.
		e.start.Store(w.overflow.start.Load())
		e.since, e.template = w.overflow.since, w.overflow.template
	}
	b := w.bucket(key)
	e.next.Store(b.Load())
	b.Store(e)
	w.live++
	return e, e.row
}

// entries calls f for every key and the overflow gate until f returns false.
func (w *Window) entries(f func(*entry) bool) {
	for i := range w.buckets {
		for e := w.buckets[i].Load(); e != nil; e = e.next.Load() {
			if !f(e) {
				return
			}
		}
	}
	f(w.overflow)
}

// evict removes every key that may go. The caller holds mu.
func (w *Window) evict(now int64) {
	first := int64(math.MaxInt64)
	for i := range w.buckets {
		link := &w.buckets[i]
		for e := link.Load(); e != nil; e = link.Load() {
			at := e.freeAt()
			if now >= at && e.evict() {
				link.Store(e.next.Load())
				w.live--
				continue
			}
			first, link = min(first, at), &e.next
		}
	}
	if w.live < w.maxKeys {
		first = never
	}
	w.scanAt.Store(first)
}

func tooLong(key []string) bool {
	n := 0
	for _, part := range key {
		n += len(part)
	}
	return n > MaxKeyBytes
}
