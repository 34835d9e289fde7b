package window

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"
)

func (w *Window) hash(key []string) (h uint64) {
	for _, part := range key {
		h = h*31 + maphash.String(w.seed, part)
	}
	return h
}

// find returns the entry that decides about a key in the table, or nil.
func (w *Window) find(key []string) *entry {
	found, ok := w.keys.Load(w.hash(key))
	if !ok {
		return nil
	}
	if e := found.(*entry); slices.Equal(e.key, key) {
		return e
	}
	return w.overflow // one key in 2^64 has another's hash
}

// entry returns the entry that decides about a key, which may be new, and the row
// that counts it. The caller holds mu.
func (w *Window) entry(key []string, now int64) (*entry, *row) {
	other := w.otherRow(key)
	if tooLong(key) {
		return w.overflow, other
	}
	if e := w.find(key); e != nil && e != w.overflow {
		return e, e.row
	}
	if w.live >= w.maxKeys {
		w.evict(now)
	}
	if w.live >= w.maxKeys || w.find(key) != nil {
		return w.overflow, other
	}
	own := cloneKey(key)
	e := newEntry(w, own, w.rowOf(own, other))
	if w.passed != nil && slices.Equal(w.passed, key) {
		// It was the last to pass the overflow gate. Its window goes on, so that
		// no key passes twice in a period.
		e.start.Store(w.overflow.start.Load())
		e.since, e.template = w.overflow.since, w.overflow.template
	}
	w.keys.Store(w.hash(key), e)
	w.live++
	return e, e.row
}

// entries calls f for the overflow gate and every key until f returns false.
func (w *Window) entries(f func(*entry) bool) {
	if f(w.overflow) {
		w.keys.Range(func(_, e any) bool { return f(e.(*entry)) })
	}
}

// evict removes every key that may go. The caller holds mu.
func (w *Window) evict(now int64) {
	if now < w.scanAt.Load() {
		return
	}
	first := int64(math.MaxInt64)
	w.keys.Range(func(h, v any) bool {
		next, gone := v.(*entry).evict(now)
		if gone {
			w.keys.Delete(h)
			w.live--
		} else {
			first = min(first, next)
		}
		return true
	})
	if w.live < w.maxKeys {
		first = never
	}
	w.scanAt.Store(first)
}

// scanBy says that a key may go at that time. The caller holds mu.
func (w *Window) scanBy(at int64) { w.scanAt.Store(min(at, w.scanAt.Load())) }

func tooLong(key []string) bool {
	n := 0
	for _, part := range key {
		n += len(part)
	}
	return n > MaxKeyBytes
}

func cloneKey(key []string) []string {
	own := slices.Clone(key)
	for i := range own {
		own[i] = strings.Clone(own[i])
	}
	return own
}
