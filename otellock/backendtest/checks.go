package backendtest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

func freeKeyIsGranted(s *suite) {
	s.take(s.key("k"), "a", long)
	s.want("Release", s.release(s.key("k"), "a"), nil)
}

func heldKeyIsRefused(s *suite) {
	k := s.key("k")
	s.take(k, "a", long)
	s.want("Acquire of a held key", s.promptly("Acquire of a held key", func() error {
		if s.try(k, "b", long) {
			return errors.New("granted while another holds the key")
		}
		return nil
	}), nil)
	s.refused(k, "")
	s.want("Release", s.release(k, "a"), nil)
}

func sameTokenIsGrantedAgain(s *suite) {
	longer, shorter := s.key("longer"), s.key("shorter")
	s.take(longer, "a", short)
	s.retake(longer, "a", long)
	s.outlasts(longer, "a", 2*short)
	s.want("Release after the second grant", s.release(longer, "a"), nil)

	s.take(shorter, "a", long)
	s.retake(shorter, "a", short)
	s.frees(shorter, "b", time.Now(), s.patience)
	s.want("Release", s.release(shorter, "b"), nil)
}

// laterAttempt plays a waiter: its first attempt finds the key held, a later one
// finds it free, and its lease is as good as one of a first attempt.
func laterAttempt(s *suite) {
	k := s.key("k")
	s.take(k, "a", long)
	s.refused(k, "b")
	s.want("Extend by the holder", s.extend(k, "a", long), nil)
	s.want("Release by the holder", s.release(k, "a"), nil)
	s.retake(k, "b", long)
	s.refused(k, "c")
	s.want("Release of a later attempt", s.release(k, "b"), nil)
	s.retake(k, "b", short)
	s.frees(k, "c", time.Now(), s.patience)
	s.want("Release", s.release(k, "c"), nil)
}

func sameTokenOverAndOver(s *suite) {
	for range 100 {
		s.take(s.key("k"), "a", long)
		s.want("Release", s.release(s.key("k"), "a"), nil)
	}
}

func releaseFrees(s *suite) {
	k := s.key("k")
	s.take(k, "a", long)
	s.want("Release", s.release(k, "a"), nil)
	s.take(k, "b", long)
	s.want("Release", s.release(k, "b"), nil)
}

func releaseOfAbsentKey(s *suite) {
	k := s.key("k")
	s.want("Release of a key nobody had", s.release(k, "a"), otellock.ErrLost)
	s.take(k, "a", long)
	s.want("Release", s.release(k, "a"), nil)
	s.want("second Release", s.release(k, "a"), otellock.ErrLost)
}

func releaseByWrongToken(s *suite) {
	k := s.key("k")
	s.take(k, "a", long)
	for _, token := range []string{"b", "A", "a ", ""} {
		s.want(fmt.Sprintf("Release by %q", token), s.release(k, token), otellock.ErrStolen)
	}
	s.refused(k, "b")
	s.want("Extend by the holder", s.extend(k, "a", long), nil)
	s.want("Release by the holder", s.release(k, "a"), nil)
}

func concurrentReleases(s *suite) {
	k := s.key("k")
	for range 20 {
		s.take(k, "a", long)
		var released atomic.Int64
		together(16, func(int) {
			switch err := s.release(k, "a"); {
			case err == nil:
				released.Add(1)
			case !errors.Is(err, otellock.ErrLost):
				s.Errorf("Release: %v, want %v", err, otellock.ErrLost)
			}
		})
		if n := released.Load(); n != 1 {
			s.Fatalf("%d of 16 releases succeeded, want 1", n)
		}
	}
}

func extendSetsTTL(s *suite) {
	longer := s.inTime("longer", "a", "Extend", func(k string) error { return s.extend(k, "a", long) }, nil)
	s.outlasts(longer, "a", 2*short)
	s.want("Release", s.release(longer, "a"), nil)

	shorter := s.key("shorter")
	s.take(shorter, "a", long)
	s.want("Extend", s.extend(shorter, "a", short), nil)
	s.frees(shorter, "b", time.Now(), s.patience)
	s.want("Release", s.release(shorter, "b"), nil)
}

func extendOfAbsentKey(s *suite) {
	k := s.key("k")
	s.want("Extend of a key nobody had", s.extend(k, "a", long), otellock.ErrLost)
	s.take(k, "b", long)
	s.want("Release", s.release(k, "b"), nil)
	s.want("Extend of a released key", s.extend(k, "b", long), otellock.ErrLost)
	s.take(k, "c", long)
	s.want("Release", s.release(k, "c"), nil)
}

func extendByWrongToken(s *suite) {
	k := s.inTime("k", "a", "Extend by another", func(k string) error { return s.extend(k, "b", long) }, otellock.ErrStolen)
	s.frees(k, "c", time.Now(), s.patience)
	s.want("Release", s.release(k, "c"), nil)
}

// leaseExpires catches rounding to whole seconds in both directions. Being late
// may be the machine's fault, so that it counts only when repeated.
func leaseExpires(s *suite) {
	if s.fastForward != nil {
		k := s.key("k")
		s.take(k, "a", short)
		s.fastForward(short - time.Millisecond)
		s.refused(k, "b")
		s.fastForward(2 * time.Millisecond)
		s.take(k, "b", long)
		s.want("Release", s.release(k, "b"), nil)
		return
	}
	const attempts, late, clockError = 3, 800 * time.Millisecond, 2 * time.Millisecond
	var took time.Duration
	for i := range attempts {
		k := s.key(fmt.Sprint("k", i))
		start := time.Now()
		s.take(k, "a", short)
		took = s.frees(k, "b", start, s.patience)
		s.want("Release", s.release(k, "b"), nil)
		if took < short-clockError {
			s.Fatalf("a lease of %v was over after %v", short, took)
		}
		if took < late {
			return
		}
	}
	s.Fatalf("a lease of %v was held for %v", short, took)
}

func shortestLease(s *suite) {
	for _, ttl := range []time.Duration{time.Millisecond, 1500 * time.Microsecond} {
		k := s.key(ttl.String())
		s.take(k, "a", ttl)
		s.frees(k, "b", time.Now(), s.patience)
		s.want("Release", s.release(k, "b"), nil)
	}
}

func expiredLeaseIsLost(s *suite) {
	k := s.key("k")
	s.take(k, "a", short)
	// Another key with the same lease, taken later, tells when the first is over
	// without touching it.
	s.take(k+":clock", "a", short)
	s.frees(k+":clock", "b", time.Now(), s.patience)
	s.want("Extend after expiry", s.extend(k, "a", long), otellock.ErrLost)
	s.want("Release after expiry", s.release(k, "a"), otellock.ErrLost)
	s.take(k, "b", long)
	s.want("Release", s.release(k, "b"), nil)
	s.want("Release", s.release(k+":clock", "b"), nil)
}

func expiredLeaseIsStolen(s *suite) {
	k := s.key("k")
	s.take(k, "a", short)
	s.frees(k, "b", time.Now(), s.patience)
	s.want("Extend by the former holder", s.extend(k, "a", long), otellock.ErrStolen)
	s.want("Release by the former holder", s.release(k, "a"), otellock.ErrStolen)
	s.refused(k, "a")
	s.want("Release by the new holder", s.release(k, "b"), nil)
}
