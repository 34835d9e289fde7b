package window

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync/atomic"
)

func (w *Window) hash(key []string) (h uint64) {
	for _, part := range key {
		h = h*31 + maphash.String(w.seed, part)
	}
	return h
}

// bucket returns the chain of a key's hash. Readers walk it without a lock; an
// evicted entry keeps its successor, so that one that stands on it goes on.
func (w *Window) bucket(key []string) *atomic.Pointer[entry] {
	return &w.buckets[w.hash(key)&uint64(len(w.buckets)-1)]
}

func (w *Window) find(key []string) *entry {
	for e := w.bucket(key).Load(); e != nil; e = e.next.Load() {
		if slices.Equal(e.key, key) {
			return e
		}
	}
	return nil
}

// entry returns the entry that decides about a key, which may be new, and the row
// that counts it.
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
	w.live++
	own := slices.Clone(key)
	for i := range own {
		own[i] = strings.Clone(own[i])
	}
	text := fmt.Sprintf("%q", own)
	if w.byKey[text] == nil && len(w.byKey) < w.maxKeys {
		w.byKey[text] = w.newRow(own)
	}
	e, b := newEntry(w, own, cmp.Or(w.byKey[text], other)), w.bucket(key)
	if w.passed == w.hash(key) { // the last to pass the overflow gate: its window goes on
		e.start.Store(w.overflow.start.Load())
		e.since, e.template = w.overflow.since, w.overflow.template
	}
	e.next.Store(b.Load())
	b.Store(e)
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
