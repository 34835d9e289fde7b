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
