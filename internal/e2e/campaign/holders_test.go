package campaign

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// clockStep is how far a lease on the server may end before its holder's
// deadline: Redis counts whole milliseconds.
const clockStep = 2 * time.Millisecond

// A holder is a lease at work: from the moment it was given out to the moment
// its release begins.
type holder struct {
	process *process
	id      string
	asked   time.Time // when the acquire was called
	lease   *otellock.Lease
	manual  bool // Locker.Close may release it
	fence   uint64
	begun   time.Time
}

func (h *holder) sure(now time.Time) bool {
	return h.lease.Protected() && now.Before(h.lease.Deadline().Add(-clockStep))
}

// holders looks for two that are protected at the same time, before both
// deadlines. What the server forgot is nobody's fault.
type holders struct {
	mu      sync.Mutex
	now     []*holder
	fenced  []*holder // all of them
	forgets []interval
}

// An interval begins before the server forgets, and ends after it; one that has
// not ended has no end.
type interval struct{ begin, end time.Time }

func (i interval) ended() bool { return !i.end.IsZero() }

func (s *holders) enter(h *holder) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = append(s.now, h)
	h.begun = time.Now()
	if h.fence > 0 {
		for _, before := range s.fenced {
			if before.id == h.id && before.begun.Before(h.asked) && before.fence >= h.fence {
				return fmt.Errorf("the fence of %s fell: %d, then %d", h.id, before.fence, h.fence)
			}
		}
		s.fenced = append(s.fenced, h)
	}
	return s.alone(h)
}

func (s *holders) leave(h *holder) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.alone(h)
	s.now = slices.DeleteFunc(s.now, func(other *holder) bool { return other == h })
	return err
}

// closing forgets what Locker.Close is about to release.
func (s *holders) closing(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = slices.DeleteFunc(s.now, func(h *holder) bool { return h.process == p && h.manual })
}

func (s *holders) check(h *holder) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.now, h) { // Close has released it
		return nil
	}
	return s.alone(h)
}

func (s *holders) alone(h *holder) error {
	now := time.Now()
	for _, other := range s.now {
		if other == h || other.id != h.id || !other.sure(now) || !h.sure(now) {
			continue
		}
		if s.forgotSince(other.asked) || s.forgotSince(h.asked) {
			continue
		}
		return fmt.Errorf("two protected holders of %s: %s until %v from now, %s until %v from now", h.id,
			other.process.name, other.lease.Deadline().Sub(now), h.process.name, h.lease.Deadline().Sub(now))
	}
	return nil
}

// forgetting begins an interval in which the server may forget leases.
func (s *holders) forgetting() (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.forgets)
	s.forgets = append(s.forgets, interval{begin: time.Now()})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forgets[i].end = time.Now()
	}
}

// forgotSince reports whether a lease that was asked for then may be forgotten.
func (s *holders) forgotSince(asked time.Time) bool {
	return slices.ContainsFunc(s.forgets, func(i interval) bool { return !i.ended() || asked.Before(i.end) })
}

// mayBeLost reports whether an operation that has just returned may say that the
// lease is gone.
func (s *holders) mayBeLost(h *holder, deadline time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !time.Now().Before(deadline.Add(-clockStep)) || s.forgotSince(h.asked)
}
