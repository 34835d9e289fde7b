package window

import (
	"time"
	"unsafe"
)

// A time.Time says neither whether it carries a monotonic reading nor which,
// short of Round and Sub, which cost more than all else that a gate does. So its
// first two words are read, once a probe at start-up has found in them what
// package time documents in its source: the top bit of the first marks a
// monotonic reading, which is the second, in nanoseconds. Where the probe finds
// anything else, Round and Sub do the work.

type timeWords struct {
	wall uint64
	ext  int64
}

func words(t *time.Time) *timeWords { return (*timeWords)(unsafe.Pointer(t)) }

const monoBit = 1 << 63

var timeLayoutKnown = probeTimeLayout()

func probeTimeLayout() bool {
	if unsafe.Sizeof(time.Time{}) < unsafe.Sizeof(timeWords{}) {
		return false
	}
	now := time.Now()
	later, wall := now.Add(90*time.Minute+7), now.Round(0)
	return words(&now).wall&monoBit != 0 && words(&later).wall&monoBit != 0 && words(&wall).wall&monoBit == 0 &&
		words(&later).ext-words(&now).ext == int64(90*time.Minute+7)
}

// A timeline turns timestamps into nanoseconds since base.
type timeline struct {
	base    time.Time // with a monotonic reading
	baseExt int64     // that reading, if monoBit is set
	monoBit uint64    // 0: timestamps are taken apart portably
}

func newTimeline() timeline {
	t := timeline{base: time.Now()}
	if timeLayoutKnown {
		t.baseExt, t.monoBit = words(&t.base).ext, monoBit
	}
	return t
}

// at converts a caller's timestamp. It goes by the clock if the timestamp
// carries no monotonic reading.
func (l *timeline) at(t time.Time) int64 {
	if at, ok := l.quickly(t); ok {
		return at
	}
	return l.portably(t)
}

// quickly is the part of at that is small enough to be inlined.
func (l *timeline) quickly(t time.Time) (int64, bool) {
	p := words(&t)
	return p.ext - l.baseExt, p.wall&l.monoBit != 0
}

func (l *timeline) portably(t time.Time) int64 {
	if t == t.Round(0) {
		return l.now()
	}
	return int64(t.Sub(l.base))
}

func (l *timeline) now() int64 { return int64(time.Since(l.base)) }
