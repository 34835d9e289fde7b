package window

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	typeCount         = 32 // the empty one, Other, and 30 that are named
	otherType         = 1  // the index of all further ones
	maxErrorTypeBytes = 64
	maxReportedTypes  = 8
)

// errorTypes gives each error type an index, first come first served, for the
// life of the Window. Outages have few: a scan finds them faster than a map.
type errorTypes struct {
	names atomic.Pointer[[]string] // by index; copied on write
}

func (t *errorTypes) index(name string) int {
	for i, known := range *t.names.Load() {
		if known == name {
			return i
		}
	}
	return t.learn(name)
}

func (t *errorTypes) learn(name string) int {
	old := t.names.Load()
	if len(*old) == typeCount || len(name) > maxErrorTypeBytes {
		return otherType
	}
	names := append(slices.Clip(*old), strings.Clone(name))
	if !t.names.CompareAndSwap(old, &names) {
		return t.index(name)
	}
	return len(*old)
}

func (t *errorTypes) name(index int) string { return (*t.names.Load())[index] }

// known returns how many indexes have been given away.
func (t *errorTypes) known() int { return len(*t.names.Load()) }

// A tally counts occurrences by error type. A type of which a window upstream
// told no number has 0.
type tally map[string]uint64

func (t *tally) add(errorType string, n uint64) {
	if *t == nil {
		*t = tally{}
	}
	(*t)[errorType] = add((*t)[errorType], n)
}

func (t tally) sum() (n uint64) {
	for _, of := range t {
		n = add(n, of)
	}
	return n
}

// urgent are error types that no waiting cures, the worst first: data may be at
// risk, then the server refuses.
var urgent = []string{
	"stolen", "expired", "lost",
	"NOAUTH", "WRONGPASS", "NOPERM", "DENIED", "READONLY", "MISCONF", "OOM", "WRONGTYPE", "CROSSSLOT",
}

// list returns the types and how many each has: those that an operator must act
// on, then the most frequent, at most eight.
func (t tally) list() (names []string, counts []uint64) {
	rank := func(name string) int {
		if i := slices.Index(urgent, name); i >= 0 {
			return i
		}
		return len(urgent)
	}
	for name := range t {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(t[b], t[a]), cmp.Compare(a, b))
	})
	names = names[:min(len(names), maxReportedTypes)]
	for _, name := range names {
		counts = append(counts, t[name])
	}
	return names, counts
}

// add saturates: an upstream count is another process's word.
func add(a, b uint64) uint64 {
	if a > 1<<62 || b > 1<<62 || a+b > 1<<62 {
		return 1 << 62
	}
	return a + b
}
