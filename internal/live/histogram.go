package live

import (
	"math"
	"math/bits"
	"time"
)

// A histogram counts durations in buckets of which each is a quarter of a power of
// two of microseconds wide, so that a quantile is at most an eighth off.
type histogram struct {
	count   uint64
	total   time.Duration
	max     time.Duration
	buckets [160]uint32 // the last one begins after 5 days
}

func (h *histogram) add(d time.Duration) {
	h.count++
	h.total += d
	h.max = max(h.max, d)
	if b := &h.buckets[bucket(d)]; *b < math.MaxUint32 {
		*b++
	}
}

// bucket returns the index of the duration: two bits after its leading one.
func bucket(d time.Duration) int {
	us := uint64(max(d, 0)) / 1000
	if us < 4 {
		return int(us)
	}
	shift := bits.Len64(us) - 3
	return min(4*shift+int(us>>shift), len(histogram{}.buckets)-1)
}

// quantile returns the middle of the bucket in which the quantile is.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := uint64(math.Ceil(q*float64(h.count))), uint64(0)
	for i, n := range h.buckets {
		if seen += uint64(n); seen >= rank {
			return min(middle(i), h.max)
		}
	}
	return h.max
}

func middle(i int) time.Duration {
	if i < 4 {
		return time.Duration(i) * time.Microsecond
	}
	shift := i/4 - 1
	low := uint64(4+i%4) << shift
	return time.Duration(low+(uint64(1)<<shift)/2) * time.Microsecond
}
