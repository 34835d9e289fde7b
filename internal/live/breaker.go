package live

import (
	"cmp"
	"slices"
	"time"
)

// A Breaker is what is known of the breakers of one backend.
type Breaker struct {
	Backend string
	Open    int       // servers whose breaker is open now
	Since   time.Time // when the first of them opened; when the last one closed if none is
	Opened  uint64    // how often, since the start
}

var breakers = map[string]*Breaker{} // by backend; guarded by mu

// Breakers counts n breakers that have opened, or closed if n is negative.
func Breakers(backend string, n int, at time.Time) {
	mu.Lock()
	defer mu.Unlock()
	b := breakers[backend]
	if b == nil {
		b = &Breaker{Backend: backend}
		breakers[backend] = b
	}
	before := b.Open
	b.Open += n
	b.Opened += uint64(max(n, 0))
	if (before > 0) != (b.Open > 0) {
		b.Since = at
	}
}

// AllBreakers returns the backends of which a breaker was ever open.
func AllBreakers() (all []Breaker) {
	mu.Lock()
	defer mu.Unlock()
	for _, b := range breakers {
		all = append(all, *b)
	}
	slices.SortFunc(all, func(a, b Breaker) int { return cmp.Compare(a.Backend, b.Backend) })
	return all
}
