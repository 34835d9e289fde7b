package window

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	typeCount         = 32            // the empty one, 30 that are named, and Other
	otherType         = typeCount - 1 // the index of all further ones
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
	if len(*old) == otherType || len(name) > maxErrorTypeBytes || name == Other {
		return otherType
	}
	names := append(slices.Clip(*old), strings.Clone(name))
	if !t.names.CompareAndSwap(old, &names) {
		return t.index(name)
	}
	return len(*old)
}

func (t *errorTypes) name(index int) string {
	if index == otherType {
		return Other
	}
	return (*t.names.Load())[index]
}

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

func (t tally) names() []string {
	names := slices.Sorted(maps.Keys(t))
	if len(names) > 0 && names[0] == "" {
		names = names[1:]
	}
	return names[:min(len(names), maxReportedTypes)]
}

// add saturates: an upstream count is another process's word.
func add(a, b uint64) uint64 {
	if a > 1<<62 || b > 1<<62 || a+b > 1<<62 {
		return 1 << 62
	}
	return a + b
}
