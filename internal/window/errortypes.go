package window

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	maxErrorTypes     = 30 // named; the rest is Other
	maxErrorTypeBytes = 64
	maxReportedTypes  = 8
	otherTypeBit      = 1 << (typeShift + maxErrorTypes)
)

// errorTypes gives each error type a bit of an entry's word, first come first
// served, for the life of the window.
type errorTypes struct {
	slots [64]atomic.Pointer[errorType] // open addressing, never more than half full
	known atomic.Int32

	mu   sync.Mutex
	list [maxErrorTypes]string
}

type errorType struct {
	name string
	bit  uint64
}

var (
	noErrorType    = &errorType{}
	otherErrorType = &errorType{name: Other, bit: otherTypeBit}
)

// is compares by address first: names are mostly constants.
func (t *errorType) is(name string) bool {
	return len(t.name) == len(name) && unsafe.StringData(t.name) == unsafe.StringData(name) || t.name == name
}

// bit returns the bit of a type, zero for "".
func (t *errorTypes) bit(name string) uint64 { return t.get(name).bit }

func (t *errorTypes) set(names []string) (bits uint64) {
	for _, name := range names {
		bits |= t.bit(name)
	}
	return bits
}

func (t *errorTypes) get(name string) *errorType {
	if name == "" {
		return noErrorType
	}
	for i := slot(name); ; i++ {
		p := t.slots[i%64].Load()
		if p == nil {
			return t.intern(name)
		}
		if p.is(name) {
			return p
		}
	}
}

func slot(name string) uint {
	return uint(len(name))*5 + uint(name[0]) + uint(name[len(name)-1])*3
}

// intern keeps the name as it is given, not a copy, for the sake of is.
func (t *errorTypes) intern(name string) *errorType {
	if len(name) > maxErrorTypeBytes || name == Other || t.known.Load() == maxErrorTypes {
		return otherErrorType
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := slot(name); ; i++ {
		p := t.slots[i%64].Load()
		if p == nil {
			n := t.known.Load()
			if n == maxErrorTypes {
				return otherErrorType
			}
			p = &errorType{name: name, bit: 1 << (typeShift + n)}
			t.list[n] = name
			t.slots[i%64].Store(p)
			t.known.Store(n + 1)
		}
		if p.name == name {
			return p
		}
	}
}

// names lists the types of a set, sorted.
func (t *errorTypes) names(set uint64) []string {
	if set == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for set &= typeMask; set != 0 && len(names) < maxReportedTypes; set &= set - 1 {
		if i := bits.TrailingZeros64(set) - typeShift; i < maxErrorTypes {
			names = append(names, t.list[i])
		} else {
			names = append(names, Other)
		}
	}
	slices.Sort(names)
	return names
}
