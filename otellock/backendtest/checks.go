package backendtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
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

// mutualExclusion lets the holder alone read, yield and write a counter: two
// holders at once lose an increment. Nobody is promised a turn by any time, but
// as long as somebody waits, somebody gets one.
func mutualExclusion(s *suite) {
	const contenders, rounds = 64, 8
	k := s.key("k")
	start := time.Now()
	var counter, inside, turns, finished, lastTurn atomic.Int64
	together(contenders, func(id int) {
		for round := range rounds {
			token := fmt.Sprintf("%d/%d", id, round)
			try := s.try
			for wait := between; ; wait, try = 2*wait, s.retry {
				asked := time.Now()
				if try(k, token, long) {
					break
				}
				if s.Failed() {
					return
				}
				if idle := time.Since(start) - time.Duration(lastTurn.Load()); idle > s.patience {
					s.Errorf("contender %d waits, and nobody has had a turn for %v", id, idle)
					return
				}
				// On a slow machine less often, or the holder's release waits for the crowd.
				wait = min(wait, max(32*between, contenders*time.Since(asked)))
				pause(wait)
			}
			if n := inside.Add(1); n != 1 {
				s.Errorf("%d holders at the same time", n)
			}
			before := counter.Load()
			runtime.Gosched()
			counter.Store(before + 1)
			turns.Add(1)
			inside.Add(-1)
			if err := s.release(k, token); err != nil {
				s.Errorf("Release by the holder: %v", err)
				return
			}
			lastTurn.Store(int64(time.Since(start)))
		}
		finished.Add(1)
	})
	if n := counter.Load(); n != turns.Load() {
		s.Errorf("the counter is %d after %d turns: two holders at the same time", n, turns.Load())
	}
	if n := finished.Load(); n != contenders {
		s.Errorf("%d of %d contenders got through", n, contenders)
	}
}

func manyKeys(s *suite) {
	const holders, keys = 32, 32
	together(holders, func(id int) {
		for i := range keys {
			if k := s.key(fmt.Sprintf("%d:%d", id, i)); !s.try(k, "a", long) {
				s.Errorf("a free key was refused while others were taken")
			}
		}
	})
	together(holders, func(id int) {
		for i := range keys {
			if err := s.release(s.key(fmt.Sprintf("%d:%d", id, i)), "a"); err != nil {
				s.Errorf("Release: %v", err)
			}
		}
	})
}

func oddBytes(s *suite) {
	odd := []string{
		"", " ", "  ", "\x00", "a", "A", "a\x00", "a\x00b", "a\r\n", "a\n", "a\r\nDEL b\r\n", "a b", "a*b?[c]",
		"{a}", "{a}b", "{}", "}", "%61", "a:b", "1", "01", "1.0", "1e0", "nil", "\xff\xfe", "\u00e9", "e\u0301", "'\"\\",
		strings.Repeat("x", 4096), strings.Repeat("x", 4097),
	}
	for i, name := range odd {
		s.take(s.key(name), fmt.Sprint("token ", i), long)
	}
	for i, name := range odd {
		s.want(fmt.Sprintf("Extend of key %.20q", name), s.extend(s.key(name), fmt.Sprint("token ", i), long), nil)
		s.want(fmt.Sprintf("Release of key %.20q", name), s.release(s.key(name), fmt.Sprint("token ", i)), nil)
	}
	for i, token := range odd {
		k, other := s.key("k"), odd[(i+1)%len(odd)]
		s.take(k, token, long)
		s.refused(k, other)
		s.want(fmt.Sprintf("Release of token %.20q by %.20q", token, other), s.release(k, other), otellock.ErrStolen)
		s.want(fmt.Sprintf("Release by token %.20q", token), s.release(k, token), nil)
	}
}

func endedContext(s *suite) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	cancelled, cancel = context.WithDeadline(cancelled, time.Now().Add(time.Hour))
	defer cancel()
	expired, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()

	k, free := s.key("k"), s.key("free")
	s.take(k, "a", long)
	for _, ctx := range []context.Context{cancelled, expired} {
		held := otellock.Claim{Key: k, Token: "a", TTL: time.Millisecond}
		s.want("Acquire", s.promptly("Acquire", func() error {
			grant, err := s.backend.Acquire(ctx, otellock.Claim{Key: free, Token: "a", TTL: long})
			if grant.Acquired {
				return errors.New("granted")
			}
			return err
		}), ctx.Err())
		s.want("Extend", s.promptly("Extend", func() error { return s.backend.Extend(ctx, held) }), ctx.Err())
		s.want("Release", s.promptly("Release", func() error { return s.backend.Release(ctx, held) }), ctx.Err())
	}
	s.take(free, "b", long)
	s.want("Release", s.release(free, "b"), nil)
	s.want("Release", s.release(k, "a"), nil)
}

// together runs n functions at once and waits for all.
func together(n int, f func(id int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for id := range n {
		wg.Go(func() {
			<-start
			f(id)
		})
	}
	close(start)
	wg.Wait()
}
