package otellock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

var (
	timedOut = attempt{"acquire", "backend_error", "timeout", "open"}
	gated    = attempt{"acquire", "backend_error", "breaker_open", "open"}
)

// A shard is a backend on two servers, of which the one that has the keys that
// begin with "dead" does not answer while it is told so.
type shards struct {
	*memorybackend.Backend
	mu    sync.Mutex
	dead  bool
	asked []time.Duration // when the dead one was, since the start
	start time.Time
	ops   []string
}

func (s *shards) Node(key string) string { return key[:4] }

func (s *shards) hangs(ctx context.Context, op, key string) error {
	s.mu.Lock()
	dead := s.dead && s.Node(key) == "dead"
	if dead {
		s.asked = append(s.asked, time.Since(s.start))
		s.ops = append(s.ops, op)
	}
	s.mu.Unlock()
	if dead {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (s *shards) revives() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = false
}

func (s *shards) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	if err := s.hangs(ctx, "acquire", c.Key); err != nil {
		return otellock.Grant{}, err
	}
	return s.Backend.Acquire(ctx, c)
}

func (s *shards) Release(ctx context.Context, c otellock.Claim) error {
	if err := s.hangs(ctx, "release", c.Key); err != nil {
		return err
	}
	return s.Backend.Release(ctx, c)
}

func TestTheBreakerOpensAfterFiveAcquiresInARowWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shards{Backend: memorybackend.New(), dead: true, start: time.Now()}
		tel := newTelemetry()
		l := tel.Locker(t, b)
		for i := range 20 {
			start := time.Now()
			if err := l.UndeclaredMutex("dead:one").Do(t.Context(), nothing); err != nil {
				t.Fatal(err)
			}
			if took, hung := time.Since(start), i < 5; hung != (took == 250*time.Millisecond) || !hung && took != 0 {
				t.Errorf("call %d took %v", i+1, took)
			}
		}
		if got := tel.Attempts(t); got[timedOut] != 5 || got[gated] != 15 {
			t.Errorf("counted %v", got)
		}
		if n := tel.Total(t, "lock.breaker.open"); n != 1 {
			t.Errorf("lock.breaker.open is %d", n)
		}
		b.revives()
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := tel.Total(t, "lock.breaker.open"); n != 0 {
			t.Errorf("lock.breaker.open is %d after Close", n)
		}
	})
}

func TestAnyAnswerBetweenKeepsTheBreakerClosed(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		for range 4 {
			s.Backend.Script(func() { s.Backend.OnAcquire = []fault{hangs, hangs, hangs, hangs} })
			s.Backend.Script(func() { s.Backend.OnRelease = []fault{hangs, hangs, hangs} }) // the cleanups
			for range 4 {
				s.Do()
			}
			s.Do()
		}
		if n := s.Tel.Attempts(s)[gated]; n != 0 {
			s.Errorf("%d were refused", n)
		}
	})
}

// A panicsForNode cannot say which server has a key.
type panicsForNode struct{ *shards }

func (panicsForNode) Node(string) string { panic("a bug of the backend") }

func TestABackendWhoseNodePanicsHasOneBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shards{Backend: memorybackend.New(), dead: true, start: time.Now()}
		tel := newTelemetry()
		l := tel.Locker(t, panicsForNode{b})
		for range 6 {
			if err := l.UndeclaredMutex("dead:one").Do(t.Context(), nothing); err != nil {
				t.Fatal(err)
			}
		}
		if got := tel.Attempts(t); got[timedOut] != 5 || got[gated] != 1 {
			t.Errorf("counted %v", got)
		}
		b.revives()
		for tel.Total(t, "lock.breaker.open") != 0 {
			time.Sleep(time.Millisecond)
		}
		if err := l.UndeclaredMutex("dead:one").Do(t.Context(), nothing); err != nil || tel.Attempts(t)[plainAcquired] != 1 {
			t.Errorf("Do = %v, counted %v", err, tel.Attempts(t))
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What a caller did to itself, what was refused, and what was never sent are no
// evidence against the server.
func TestOnlySilenceOfAWholeAttemptTimeoutOpensTheBreaker(t *testing.T) {
	for name, call := range map[string]func(s *stage){
		"the caller's deadline": func(s *stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []fault{hangs} })
			ctx, cancel := context.WithTimeout(s.Ctx, 300*time.Millisecond)
			defer cancel()
			_ = s.Mutex().Do(ctx, s.Fn)
		},
		"the caller's cancellation": func(s *stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []fault{hangs} })
			ctx, cancel := context.WithCancel(s.Ctx)
			time.AfterFunc(10*time.Millisecond, cancel)
			_ = s.Mutex().Do(ctx, s.Fn)
		},
		"a connection that is refused": func(s *stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []fault{answers(errRefused)} })
			s.Do()
		},
		"an error of the server": func(s *stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []fault{after(240*time.Millisecond, answers(classed("LOADING")))} })
			s.Do()
		},
		"no connection": func(s *stage) {
			s.Backend.Script(func() {
				s.Backend.OnAcquire = slices.Repeat([]fault{after(75*time.Millisecond, answers(classed("pool_exhausted")))}, 9)
			})
			s.Do()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				s.Backend.Script(func() { s.Backend.OnRelease = slices.Repeat([]fault{hangs}, 100) }) // no answer to a cleanup
				for range 12 {
					call(s)
				}
				s.Backend.Script(func() { s.Backend.OnAcquire, s.Backend.OnRelease = nil, nil })
				if n := s.Tel.Attempts(s)[gated]; n != 0 {
					s.Errorf("the breaker refused %d", n)
				}
			})
		})
	}
}

func TestTheBreakerProbesByItselfAndClosesWithTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shards{Backend: memorybackend.New(), dead: true, start: time.Now()}
		tel := newTelemetry()
		// Of the commands that go on, the cleanups' are at other times.
		l := tel.Locker(t, b, otellock.WithAttemptTimeout(10*time.Millisecond))
		for range 5 {
			_ = l.UndeclaredMutex("dead:one").Do(t.Context(), nothing)
		}
		opened := time.Since(b.start)
		time.Sleep(5 * time.Second)
		b.mu.Lock()
		asked := slices.Clone(b.asked)
		b.mu.Unlock()
		probe := opened
		for _, pause := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			probe += pause * time.Millisecond
			if !slices.Contains(asked, probe) {
				t.Errorf("no probe %v after the breaker opened", probe-opened)
			}
			probe += 10 * time.Millisecond // its attempt timeout
		}
		b.revives()
		back := time.Now()
		for tel.Total(t, "lock.breaker.open") != 0 {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(back); took > time.Second {
			t.Errorf("the breaker closed %v after the server was back", took)
		}
		if err := l.UndeclaredMutex("dead:one").Do(t.Context(), nothing); err != nil || tel.Attempts(t)[plainAcquired] != 1 {
			t.Errorf("Do = %v, counted %v", err, tel.Attempts(t))
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

var plainAcquired = attempt{"acquire", "acquired", "", ""}

func TestTheBreakerGatesAcquiresOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shards{Backend: memorybackend.New(), start: time.Now()}
		tel := newTelemetry()
		l := tel.Locker(t, b, otellock.WithTTL(time.Minute))
		held, err := l.UndeclaredMutex("dead:held").Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		b.dead = true
		b.mu.Unlock()
		for range 6 {
			_ = l.UndeclaredMutex("dead:one").Do(t.Context(), nothing)
		}
		if n := tel.Attempts(t)[gated]; n != 1 {
			t.Fatalf("%d refused, want 1", n)
		}
		b.revives()
		if err := held.Release(t.Context()); err != nil {
			t.Errorf("Release = %v", err)
		}
		// The answer to the release has closed the breaker.
		if err := l.UndeclaredMutex("dead:one").Do(t.Context(), nothing); err != nil || tel.Attempts(t)[gated] != 1 {
			t.Errorf("Do = %v, counted %v", err, tel.Attempts(t))
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAWaiterThatWasToldBusyWaitsForTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shards{Backend: memorybackend.New(), start: time.Now()}
		tel := newTelemetry()
		l := tel.Locker(t, b, otellock.WithFailClosed(true))
		other := otellock.Claim{Key: "dead:busy", Token: "other", TTL: 4 * time.Second}
		if _, err := b.Backend.Acquire(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			done <- l.UndeclaredMutex("dead:busy").With(otellock.WithWait(10*time.Second)).Do(t.Context(), nothing)
		}()
		synctest.Wait()
		b.mu.Lock()
		b.dead = true
		b.mu.Unlock()
		var group sync.WaitGroup
		for _, key := range []string{"dead:a", "dead:b", "dead:c", "dead:d", "dead:e"} {
			group.Go(func() { _ = l.UndeclaredMutex(key).Do(t.Context(), nothing) })
		}
		group.Wait()
		time.Sleep(time.Second)
		if len(done) != 0 {
			t.Fatalf("the waiter gave up: %v", <-done)
		}
		b.revives()
		if err := <-done; err != nil {
			t.Errorf("the waiter got %v", err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOneDeadServerOfSeveralCostsTheOthersNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shards{Backend: memorybackend.New(), dead: true, start: time.Now()}
		tel := newTelemetry()
		l := tel.Locker(t, b)
		var group sync.WaitGroup
		for i := range 200 {
			key := fmt.Sprint("live:", i)
			if i%2 == 0 {
				key = fmt.Sprint("dead:", i)
			}
			group.Go(func() { _ = l.UndeclaredMutex(key).Do(t.Context(), nothing) })
			time.Sleep(10 * time.Millisecond)
		}
		group.Wait()
		if got := tel.Attempts(t); got[plainAcquired] != 100 || got[gated] < 50 {
			t.Errorf("counted %v", got)
		}
		b.revives()
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWithoutABreakerEveryAcquireFindsOutForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shards{Backend: memorybackend.New(), dead: true, start: time.Now()}
		tel := newTelemetry()
		l := tel.Locker(t, b, otellock.WithBreaker(false))
		for range 10 {
			_ = l.UndeclaredMutex("dead:one").Do(t.Context(), nothing)
		}
		if got := tel.Attempts(t); got[timedOut] != 10 {
			t.Errorf("counted %v", got)
		}
		b.revives()
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestABreakerThatIsOpenReturnsErrBackendWhereTheLockFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shards{Backend: memorybackend.New(), dead: true, start: time.Now()}
		l := newTelemetry().Locker(t, b, otellock.WithFailClosed(true))
		var err error
		for range 6 {
			err = l.UndeclaredMutex("dead:one").Do(t.Context(), nothing)
		}
		var own *otellock.Error
		if !errors.Is(err, otellock.ErrBackend) || !errors.As(err, &own) || own.Type != "breaker_open" {
			t.Errorf("Do = %v", err)
		}
		b.revives()
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
