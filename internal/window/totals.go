package window

import (
	"slices"
	"strings"
	"sync/atomic"
)

// Totals are a key's occurrences since [New], each in exactly one of the three.
// They never fall, not even when the key is evicted.
type Totals struct {
	// Key is that of the occurrences. Keys after the first MaxKeys, and those of
	// the overflow gate, add up under their first part and Other; first parts after
	// the first eight of those under Other.
	Key        []string
	Emitted    uint64 // written
	Suppressed uint64 // by the key's own window
	Overflow   uint64 // by the overflow gate
}

// row counts one key of the totals. Rows outlive entries.
type row struct {
	Totals   // under Window.mu; without what entries hold
	index    int
	overflow atomic.Uint64
}

// Totals returns every row. New ones come at the end. A row of Other exists, with
// zeros, from the first key of its first part on.
func (w *Window) Totals() []Totals {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]Totals, len(w.rows))
	for i, r := range w.rows {
		all[i] = r.Totals
		all[i].Overflow = r.overflow.Load()
	}
	for e := range w.entries {
		if e != w.overflow {
			all[e.row.index].Suppressed += e.suppressed()
		}
	}
	return all
}

func (w *Window) newRow(key []string) *row {
	r := &row{Totals: Totals{Key: key}, index: len(w.rows)}
	w.rows = append(w.rows, r)
	return r
}

const maxOtherRows = 8

// findOther returns the row for keys of this first part that have none of their
// own, nil if it is not made yet. It needs no lock.
func (w *Window) findOther(key []string) *row {
	if len(key) > 1 && len(key[0]) <= MaxKeyBytes {
		for i := range w.others {
			if r := w.others[i].Load(); r == nil || r.Key[0] == key[0] {
				return r
			}
		}
	}
	return w.others[0].Load()
}

// otherRow is findOther for whoever holds mu: it makes the row.
func (w *Window) otherRow(key []string) *row {
	r := w.findOther(key)
	if r == nil {
		own := slices.Repeat([]string{Other}, len(key))
		own[0] = strings.Clone(key[0])
		r = w.newRow(own)
		for i := 0; !w.others[i].CompareAndSwap(nil, r); i++ {
		}
	}
	return r
}
