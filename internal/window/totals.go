package window

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Totals are a key's occurrences since [New], each in exactly one of the three.
// They never fall, not even when the key is evicted.
type Totals struct {
	// Key is that of the occurrences. Keys beyond the first MaxKeys that the
	// Window ever saw, and those of the overflow gate, add up under their first
	// part and Other; first parts beyond the first eight of those under Other.
	Key        []string
	Emitted    uint64 // written
	Suppressed uint64 // by the key's own window
	Overflow   uint64 // by the overflow gate
}

// Totals returns every row. The index of a row never changes; rows are added at
// the end. Rows of Other exist, with zeros, from the first key of their first
// part on.
func (w *Window) Totals() []Totals {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]Totals, len(w.rows))
	for i, r := range w.rows {
		all[i] = Totals{Key: r.key, Emitted: r.emitted, Suppressed: r.suppressed, Overflow: r.overflow.Load()}
	}
	for e := range w.entries {
		if e.row != nil {
			all[e.row.index].Suppressed += e.counted()
		}
	}
	return all
}

// row counts one key of the totals. Unlike the table, rows never go: they are
// bounded on their own.
type row struct {
	index               int
	key                 []string
	emitted, suppressed uint64 // under Window.mu; what entries have counted comes on top
	overflow            atomic.Uint64
}

// countSuppressed counts one occurrence that is in no counter of its entry.
func (r *row) countSuppressed(e *entry) {
	if e.row != nil {
		r.suppressed++
	} else {
		r.overflow.Add(1)
	}
}

const maxOtherRows = 8

func (w *Window) newRow(key []string) *row {
	r := &row{index: len(w.rows), key: key}
	w.rows = append(w.rows, r)
	return r
}

// rowOf returns the row of a key, or other where there are too many.
func (w *Window) rowOf(key []string, other *row) *row {
	text := fmt.Sprintf("%q", key)
	if r := w.byKey[text]; r != nil {
		return r
	}
	if len(w.byKey) >= w.maxKeys {
		return other
	}
	w.byKey[text] = w.newRow(key)
	return w.byKey[text]
}

// otherRow returns the row for keys of this first part that have none of their
// own. The caller holds mu.
func (w *Window) otherRow(key []string) *row {
	r := w.findOther(key)
	if r == nil {
		others := *w.others.Load()
		own := slices.Clone(others[0].key)
		own[0] = strings.Clone(key[0])
		r = w.newRow(own)
		others = append(slices.Clip(others), r)
		w.others.Store(&others)
	}
	return r
}

// findOther is otherRow without a lock. It returns nil for a row not yet made.
func (w *Window) findOther(key []string) *row {
	others := *w.others.Load()
	for _, r := range others[1:] {
		if r.key[0] == key[0] {
			return r
		}
	}
	if len(others) > maxOtherRows || len(key) == 1 || key[0] == Other || len(key[0]) > MaxKeyBytes {
		return others[0]
	}
	return nil
}
