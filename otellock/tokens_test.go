package otellock_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// lands executes the call this long after it was made, whatever has become of the
// attempt by then.
func lands(after time.Duration) fault {
	return func(ctx context.Context, call func() error) error {
		go func() {
			time.Sleep(after)
			_ = call()
		}()
		<-ctx.Done()
		return ctx.Err()
	}
}

// hangsUntil buffers calls as a stopped server does, and executes them at the end.
func hangsUntil(end time.Time) fault {
	return func(ctx context.Context, call func() error) error {
		return lands(time.Until(end))(ctx, call)
	}
}

// inVirtualTime runs fn with a locker on a scripted backend, and closes it.
func inVirtualTime(t *testing.T, fn func(s *stage), opts ...otellock.LockOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		scene{play: fn, opts: opts}.perform(t, newTelemetry())
		time.Sleep(time.Second) // what Close gave up on may still be under way
	})
}

// isFree reports whether nobody holds the lock, by taking it as another does.
func (s *stage) isFree() bool {
	s.Helper()
	c := otellock.Claim{Key: "lock:projects:7", Token: "visitor", TTL: time.Minute}
	grant, err := s.backend.Backend.Acquire(s.ctx, c)
	if err != nil {
		s.Fatal(err)
	}
	if grant.Acquired {
		if err := s.backend.Backend.Release(s.ctx, c); err != nil {
			s.Fatal(err)
		}
	}
	return grant.Acquired
}

func (s *stage) wantCounted(want map[attempt]int64) {
	s.Helper()
	if got := s.tel.attempts(s); !maps.Equal(got, want) {
		s.Errorf("counted\n%v\nwant\n%v", got, want)
	}
}

func TestAReleaseThatWasExecutedUnheardIsNoTheftWhenAWaiterHasTheKey(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.backend.release = []fault{func(ctx context.Context, call func() error) error {
			err := losesReply(ctx, call)
			s.other(time.Minute)
			return err
		}}
		s.do()
		s.wantCounted(plain)
		if s.err != nil || len(s.tel.warnings()) != 0 {
			s.Errorf("Do = %v, warnings %v", s.err, s.tel.warnings())
		}
	}, otellock.WithFailClosed(true))
}

// What was sent too late proves an overlap at most, not a thief.
func TestAReleaseThatWasFirstSentAfterTheDeadlineHasExpired(t *testing.T) {
	for _, taken := range []bool{false, true} {
		inVirtualTime(t, func(s *stage) {
			s.backend.release = []fault{func(ctx context.Context, call func() error) error {
				err := losesReply(ctx, call)
				if taken {
					s.other(time.Minute)
				}
				return err
			}}
			s.err = s.mutex().Do(s.ctx, func(context.Context) error { time.Sleep(11 * time.Second); return nil })
			s.wantCounted(with(acquiredOnce, attempt{"release", "release_error", "expired", "open"}))
		})
	}
}

func TestAHangThatOutlastsTheTTLLeavesNoKeyOneSecondAfterIt(t *testing.T) {
	for _, hang := range []time.Duration{1500 * time.Millisecond, 15 * time.Second} {
		t.Run(hang.String(), func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				end := time.Now().Add(hang)
				stopped := slices.Repeat([]fault{hangsUntil(end)}, 100)
				s.backend.acquire = slices.Clone(stopped[:20])
				s.backend.release = stopped[:int(hang/(500*time.Millisecond))]
				for range 20 {
					s.do()
				}
				time.Sleep(time.Until(end.Add(time.Second)))
				if !s.isFree() {
					s.Error("a key is left")
				}
				time.Sleep(time.Second)
				s.wantCounted(map[attempt]int64{{"acquire", "backend_error", "timeout", "open"}: 20, {"cleanup", "cleaned", "", ""}: 20})
			})
		})
	}
}

func TestAReleaseThatWasSwallowedIsMadeUpForOneSecondAfterTheHang(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		var end time.Time
		s.err = s.mutex().Do(s.ctx, func(context.Context) error {
			end = time.Now().Add(1500 * time.Millisecond)
			s.backend.release = []fault{hangs, hangs, hangs, hangs, hangs}
			return nil
		})
		time.Sleep(time.Until(end.Add(time.Second)))
		if !s.isFree() {
			s.Error("the key is left")
		}
	})
}

func TestACleanupThatOvertakesItsAcquireLooksAgain(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.backend.acquire = []fault{lands(300 * time.Millisecond)} // 50 ms after the attempt has ended
		s.do()
		time.Sleep(time.Second)
		if !s.isFree() {
			s.Error("the key is left")
		}
		s.wantCounted(only(attempt{"acquire", "backend_error", "timeout", "open"}, attempt{"cleanup", "cleaned", "", ""}))
	})
}

func TestAWaitersUnansweredAttemptThatLandsLaterLeavesNoKey(t *testing.T) {
	for _, next := range []string{"busy", "granted"} {
		t.Run(next, func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				held := time.Minute
				if next == "granted" {
					held = 200 * time.Millisecond
				}
				other := s.other(held)
				s.backend.acquire = []fault{works, lands(600 * time.Millisecond)}
				s.err = s.mutex().With(otellock.WithWait(500*time.Millisecond)).Do(s.ctx, s.fn)
				if next == "busy" {
					if !errors.Is(s.err, otellock.ErrContended) {
						s.Errorf("Do = %v", s.err)
					}
					_ = s.backend.Backend.Release(s.ctx, other)
				} else if s.ran != 1 || s.err != nil {
					s.Errorf("ran %d times, %v", s.ran, s.err)
				}
				time.Sleep(time.Second)
				if !s.isFree() {
					s.Error("the attempt that landed late blocks the lock")
				}
			})
		})
	}
}

// A token is not cleaned up while it may still be granted: the cleanup of an
// earlier attempt would delete the lease of the next.
func TestNoCleanupDeletesALeaseThatIsHeld(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.other(100 * time.Millisecond)
		s.backend.acquire = []fault{works, losesReply}
		s.err = s.mutex().Do(s.ctx, func(ctx context.Context) error {
			s.ran++
			time.Sleep(5 * time.Second)
			if s.isFree() {
				s.Error("the lease was deleted under its holder")
			}
			return nil
		})
		time.Sleep(time.Second)
		s.wantCounted(with(plain, attempt{"cleanup", "cleaned", "", ""}))
	})
}

func TestEveryAttemptAfterAnAnswerHasANewToken(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.other(time.Second)
		tokens := map[string]int{}
		s.backend.watch = func(c otellock.Claim) { tokens[c.Token]++ }
		s.do()
		for _, n := range tokens {
			if n > 2 || n > 1 && len(tokens) == 1 { // the last one is released too
				s.Errorf("a token was sent %d times", n)
			}
		}
		if len(tokens) < 3 || s.ran != 1 {
			s.Errorf("%d tokens, ran %d times", len(tokens), s.ran)
		}
	})
}

func TestTheDeadlineNeverSaysMoreThanTheServerHolds(t *testing.T) {
	for _, extend := range []struct {
		name  string
		first fault // of the first Extend's two attempts
		again fault
		ttl   time.Duration
		then  time.Duration // of an Extend after it, if any
	}{
		{"shorter, both replies lost", losesReply, losesReply, time.Second, 0},
		{"longer, both replies lost", losesReply, losesReply, time.Minute, 0},
		{"shorter, lands after a longer one", lands(900 * time.Millisecond), hangs, 2 * time.Second, time.Minute},
		{"shorter, refused", answers(errRefused), works, time.Second, 0},
		{"shorter", works, works, time.Second, 0},
		{"longer", works, works, time.Minute, 0},
	} {
		t.Run(extend.name, func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				lease, err := s.mutex().Lock(s.ctx)
				if err != nil {
					s.Fatal(err)
				}
				s.backend.extend = []fault{extend.first, extend.again}
				_ = lease.Extend(s.ctx, extend.ttl)
				s.backend.extend = nil
				if extend.then != 0 {
					if err := lease.Extend(s.ctx, extend.then); err != nil {
						s.Error(err)
					}
				}
				for ; time.Now().Before(lease.Deadline()); time.Sleep(100 * time.Millisecond) {
					if s.isFree() {
						s.Fatalf("%v before the deadline the server has forgotten the lease", time.Until(lease.Deadline()))
					}
				}
				_ = lease.Release(s.ctx)
			})
		})
	}
}

func TestAReleaseNeverWaitsLongerThanOneAttemptTimeoutForAnExtend(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		lease, err := s.mutex().Lock(s.ctx)
		if err != nil {
			s.Fatal(err)
		}
		s.backend.extend = []fault{hangs, hangs}
		extended := make(chan error)
		go func() { extended <- lease.Extend(s.ctx, time.Minute) }()
		synctest.Wait()
		start := time.Now()
		if err := lease.Release(s.ctx); err != nil {
			s.Errorf("Release = %v", err)
		}
		if took := time.Since(start); took > 250*time.Millisecond {
			s.Errorf("Release took %v", took)
		}
		if err := <-extended; !errors.Is(err, otellock.ErrBackend) {
			s.Errorf("the Extend that was overtaken = %v", err)
		}
		s.wantCounted(with(plain, attempt{"extend", "extend_error", "timeout", "closed"}))
	})
}

// An Extend that lands after the release finds no key. That is no loss.
func TestAnExtendThatIsOvertakenByTheReleaseReportsNoLoss(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		lease, err := s.mutex().Lock(s.ctx)
		if err != nil {
			s.Fatal(err)
		}
		s.backend.extend = []fault{hangs, after(120*time.Millisecond, works)}
		extended := make(chan error)
		go func() { extended <- lease.Extend(s.ctx, time.Minute) }()
		time.Sleep(100 * time.Millisecond)
		if err := lease.Release(s.ctx); err != nil {
			s.Errorf("Release = %v", err)
		}
		if err := <-extended; !errors.Is(err, otellock.ErrBackend) || errors.Is(err, otellock.ErrLost) {
			s.Errorf("Extend = %v", err)
		}
	})
}

func TestAFullPoolIsNoOutageWhileTheBackendAnswersOthers(t *testing.T) {
	full := after(100*time.Millisecond, answers(classed("pool_exhausted")))
	inVirtualTime(t, func(s *stage) {
		s.backend.acquire = []fault{full, works, full, works}
		go func() { // somebody else's request is answered meanwhile
			for range 2 {
				time.Sleep(60 * time.Millisecond)
				if err := s.target.Mutex("8").Do(s.ctx, nothing); err != nil {
					s.Error(err)
				}
			}
		}()
		s.do()
		if s.ran != 1 || s.err != nil || len(s.tel.warnings()) != 0 {
			s.Errorf("ran %d times, %v, warnings %v", s.ran, s.err, s.tel.warnings())
		}
	})
	inVirtualTime(t, func(s *stage) { // nobody is answered
		s.backend.acquire = slices.Repeat([]fault{full}, 8)
		start := time.Now()
		s.do()
		if took := time.Since(start); took > 350*time.Millisecond {
			s.Errorf("took %v, want one attempt timeout, and what the last attempt took", took)
		}
		s.wantCounted(only(attempt{"acquire", "backend_error", "pool_exhausted", "open"}))
	})
}

func TestACleanupThatWasNeverTriedSaysSo(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.backend.acquire = slices.Repeat([]fault{answers(classed("eof"))}, 5000)
		s.backend.release = slices.Repeat([]fault{hangs}, 64)
		for range 5000 { // more than wait for a cleanup
			s.do()
		}
		const kept = 4096
		if n := s.tel.attempts(s)[attempt{"cleanup", "cleanup_error", "not_tried", ""}]; n != 5000-kept {
			s.Errorf("%d cleanups were not tried, want %d", n, 5000-kept)
		}
	})
}

func TestCloseWaitsForCleanupsNoLongerThanItsContext(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.backend.acquire = []fault{losesReply, losesReply}
		s.backend.release = slices.Repeat([]fault{hangs}, 100)
		s.do()
		s.do()
		ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
		defer cancel()
		start := time.Now()
		if err := s.locker.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Close = %v", err)
		}
		if took := time.Since(start); took != 2*time.Second {
			s.Errorf("Close took %v", took)
		}
		s.wantCounted(map[attempt]int64{{"acquire", "backend_error", "timeout", "open"}: 2, {"cleanup", "cleanup_error", "timeout", ""}: 2})
	})
}

func TestWhileTheBackendIsSilentOneTokenAsksForAll(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.backend.acquire = slices.Repeat([]fault{losesReply}, 50)
		for range 50 {
			s.do()
		}
		time.Sleep(10 * time.Second) // all cleaned
		s.backend.Fail(errRefused)
		for i := range 50 {
			s.backend.acquire = []fault{answers(classed("eof"))}
			_ = s.target.Mutex(fmt.Sprint(i)).Do(s.ctx, nothing)
		}
		before := s.called("release")
		time.Sleep(10 * time.Second)
		if n := s.called("release") - before; n > 21 {
			s.Errorf("%d looks in 10 s of an outage, want two a second", n)
		}
	})
}

func (s *stage) called(name string) (n int) {
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	for _, call := range s.backend.calls {
		if call == name {
			n++
		}
	}
	return n
}

func TestADisabledLockStillEndsWithItsContext(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		err := s.mutex().Do(ctx, s.fn)
		if s.ran != 0 || !errors.Is(err, context.Canceled) {
			s.Errorf("ran %d times, %v", s.ran, err)
		}
		s.wantCounted(only(attempt{"acquire", "canceled", "", ""}))
	}, otellock.WithEnabled(false))
}

func TestAShortTTLNeedsNoSecondOption(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.backend.acquire = []fault{hangs}
		start := time.Now()
		s.do()
		if took := time.Since(start); took != 20*time.Millisecond || s.ran != 1 {
			s.Errorf("an attempt took %v, want a third of the time to live; ran %d times", took, s.ran)
		}
	}, otellock.WithTTL(60*time.Millisecond))
}

func TestOwnErrorTellsTheLocksErrorFromThatOfALockInsideOfFn(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.other(time.Minute) // of 7
		inner := func(ctx context.Context) error { return s.mutex().Do(ctx, s.fn) }
		for _, test := range []struct {
			name string
			call func(ctx context.Context) error
			op   string // of the own error; empty: there is none
		}{
			{"own contention", inner, "acquire"},
			{"contention inside of fn", func(ctx context.Context) error { return s.target.Mutex("8").Do(ctx, inner) }, ""},
			{"release failed after fn's own contention", func(ctx context.Context) error {
				return s.target.Mutex("8").With(otellock.WithFailClosed(true)).Do(ctx, func(ctx context.Context) error {
					s.backend.release = []fault{answers(errRefused)}
					return inner(ctx)
				})
			}, "release"},
			{"fn's own error", func(ctx context.Context) error {
				return s.target.Mutex("8").Do(ctx, func(context.Context) error { return errOwn })
			}, ""},
			{"closed is left alone", func(ctx context.Context) error {
				return s.target.Mutex("8").With(otellock.WithWait(-1)).Do(ctx, s.fn)
			}, "acquire"},
		} {
			for _, nested := range []bool{false, true} {
				call := func(ctx context.Context) error {
					err := test.call(ctx)
					own, ok := otellock.OwnError(ctx, err)
					if ok != (test.op != "") || ok && own.Op != test.op {
						s.Errorf("%s, nested %t: OwnError(%v) = %v, %t; want op %q", test.name, nested, err, own, ok, test.op)
					}
					return nil
				}
				time.Sleep(time.Second) // the cleanup of the release that failed
				if nested {
					_ = s.target.Mutex("9").Do(s.ctx, call)
				} else {
					_ = call(s.ctx)
				}
			}
		}
	})
}
