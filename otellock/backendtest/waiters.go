package backendtest

import (
	"sync"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A waiter is [otellock.Waiter] that counts.
type waiter struct {
	mu           sync.Mutex
	woken, alone int
	woke         chan struct{} // has one slot
}

func newWaiter() *waiter { return &waiter{woke: make(chan struct{}, 1)} }

func (w *waiter) Wake(bool)  { w.count(&w.woken) }
func (w *waiter) WakeAlone() { w.count(&w.alone) }

func (w *waiter) count(n *int) {
	w.mu.Lock()
	*n++
	w.mu.Unlock()
	select {
	case w.woke <- struct{}{}:
	default:
	}
}

// queue lets a waiter ask until the backend has promised to wake it. It returns
// false if the backend never does.
func (s *suite) queue(k, token string, w *waiter) bool {
	for start := time.Now(); time.Since(start) < s.patience; pause(between) {
		g := s.grant(otellock.Claim{Key: k, Token: token, TTL: long, Again: true, Waiter: w})
		if g.Acquired {
			s.Fatal("granted while another holds the key")
		}
		if g.Queued {
			return true
		}
	}
	return false
}

// heard reports whether the waiter is woken. What woke it before does not count.
func (s *suite) heard(w *waiter) bool {
	select {
	case <-w.woke:
		return true
	case <-time.After(s.patience):
		return false
	}
}

func (w *waiter) forgetWakeUps() {
	select {
	case <-w.woke:
	default:
	}
}

// waitersAreWoken: a release wakes who waits longest; one that follows wakes the
// next; and the caller's own comes after the others.
func waitersAreWoken(s *suite) {
	notifier, ok := s.backend.(otellock.Notifier)
	if !ok {
		return
	}
	k := s.key("k")
	s.take(k, "a", long)
	first, second := newWaiter(), newWaiter()
	if !s.queue(k, "b", first) {
		s.Fatal("the backend never promises to wake a waiter")
	}
	first.forgetWakeUps() // it may be woken to ask again, once it can be queued
	s.want("Release", s.releaseClaim(otellock.Claim{Key: k, Token: "a", Waiter: first}), nil)
	if !s.heard(first) {
		s.Fatal("the waiter was not woken by the release")
	}
	if !s.grant(otellock.Claim{Key: k, Token: "b", TTL: long, Again: true, Waiter: first}).Acquired {
		s.Fatal("the waiter that was woken did not get the key")
	}
	notifier.Forget(k, first)
	if !s.queue(k, "c", second) {
		s.Fatal("the backend does not promise to wake another waiter")
	}
	second.forgetWakeUps()
	s.want("Release", s.release(k, "b"), nil)
	if !s.heard(second) {
		s.Fatal("a release without a waiter of its own does not wake others")
	}
	s.take(k, "d", long)
	notifier.Forget(k, second)
	s.want("Release", s.release(k, "d"), nil)
}

// keepingWakesNobody: the key is busy for everybody.
func keepingWakesNobody(s *suite) {
	notifier, ok := s.backend.(otellock.Notifier)
	if !ok || !s.capabilities().Keep {
		return
	}
	k := s.key("k")
	s.take(k, "a", long)
	w := newWaiter()
	if !s.queue(k, "b", w) {
		s.Fatal("the backend never promises to wake a waiter")
	}
	w.forgetWakeUps()
	s.want("Release that keeps the key", s.releaseClaim(otellock.Claim{Key: k, Token: "a", Keep: short}), nil)
	select {
	case <-w.woke:
		s.Errorf("a release that keeps the key woke a waiter")
	case <-time.After(short / 2):
	}
	s.frees(k, "c", time.Now(), s.patience)
	notifier.Forget(k, w)
	s.want("Release", s.release(k, "c"), nil)
}

// theForgottenAreSkipped: the next one is woken instead.
func theForgottenAreSkipped(s *suite) {
	notifier, ok := s.backend.(otellock.Notifier)
	if !ok {
		return
	}
	k := s.key("k")
	s.take(k, "a", long)
	w := newWaiter()
	if !s.queue(k, "b", w) {
		s.Fatal("the backend never promises to wake a waiter")
	}
	notifier.Forget(k, w)
	w.forgetWakeUps()
	s.want("Release", s.release(k, "a"), nil)
	select {
	case <-w.woke:
		s.Errorf("a waiter that was forgotten is woken")
	case <-time.After(short):
	}
	notifier.Forget(k, w) // once more, and a stranger
	notifier.Forget(s.key("other"), newWaiter())
	s.take(k, "c", long)
	s.want("Release", s.release(k, "c"), nil)
}
