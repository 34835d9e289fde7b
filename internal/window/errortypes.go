package window

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	maxTypes          = 32 // the empty one, Other, and 30 that are named
	otherType         = 1  // the index of all further ones
	maxErrorTypeBytes = 64
	maxReportedTypes  = 8
)

// errorTypes gives each error type an index, first come first served, for good.
// Outages have few: a scan finds them faster than a map.
type errorTypes struct{ names atomic.Pointer[[]string] } // copied on write

func (t *errorTypes) index(name string) int {
	for {
		old := t.names.Load()
		for i, known := range *old {
			if known == name {
				return i
			}
		}
		if len(*old) == maxTypes || len(name) > maxErrorTypeBytes {
			return otherType
		}
		names := append(slices.Clip(*old), strings.Clone(name))
		t.names.CompareAndSwap(old, &names)
	}
}

// urgent are error types that no waiting cures, the worst first.
var urgent = []string{
	"stolen", "expired", "lost",
	"NOAUTH", "WRONGPASS", "NOPERM", "DENIED", "READONLY", "MISCONF", "OOM", "WRONGTYPE", "CROSSSLOT",
}

// IsUrgent reports whether an operator must act on an error type before all others:
// credentials, a server that takes no writes, a lease that was lost.
func IsUrgent(errorType string) bool { return slices.Contains(urgent, errorType) }

// list returns the types that have a count or a bit in named, and how many each
// has: those that an operator must act on, then the most frequent, at most eight.
func (t *errorTypes) list(counts *[maxTypes]uint64, named uint32) (names []string, numbers []uint64) {
	known := *t.names.Load()
	var types []int
	for typ := 1; typ < len(known); typ++ {
		if counts[typ] > 0 || named&(1<<typ) != 0 {
			types = append(types, typ)
		}
	}
	rank := func(typ int) uint { return uint(slices.Index(urgent, known[typ])) } // those not in it come last
	slices.SortFunc(types, func(a, b int) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(counts[b], counts[a]), cmp.Compare(known[a], known[b]))
	})
	for _, typ := range types[:min(len(types), maxReportedTypes)] {
		names, numbers = append(names, known[typ]), append(numbers, counts[typ])
	}
	return names, numbers
}
