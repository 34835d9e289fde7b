package otellock_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
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
		if !time.Now().Before(end) {
			return call()
		}
		return lands(time.Until(end))(ctx, call)
	}
}

func TestAReleaseThatWasExecutedUnheardIsNoTheftWhenAWaiterHasTheKey(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Backend.OnRelease = []fault{func(ctx context.Context, call func() error) error {
			err := losesReply(ctx, call)
			s.Other(time.Minute)
			return err
		}}
		s.Do()
		s.WantCounted(plain)
		if s.Err != nil || len(s.Tel.Warnings()) != 0 {
			s.Errorf("Do = %v, warnings %v", s.Err, s.Tel.Warnings())
		}
	}, otellock.WithFailClosed(true))
}

// What was sent too late proves an overlap at most, not a thief.
func TestAReleaseThatWasFirstSentAfterTheDeadlineHasExpired(t *testing.T) {
	for _, taken := range []bool{false, true} {
		inVirtualTime(t, func(s *stage) {
			s.Backend.OnRelease = []fault{func(ctx context.Context, call func() error) error {
				err := losesReply(ctx, call)
				if taken {
					s.Other(time.Minute)
				}
				return err
			}}
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { time.Sleep(11 * time.Second); return nil })
			s.WantCounted(with(acquiredOnce, attempt{"release", "release_error", "expired", "open"}))
		})
	}
}

func TestAHangThatOutlastsTheTTLLeavesNoKeyOneSecondAfterIt(t *testing.T) {
	for _, hang := range []time.Duration{1500 * time.Millisecond, 15 * time.Second} {
		t.Run(hang.String(), func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				end := time.Now().Add(hang)
				stopped := slices.Repeat([]fault{hangsUntil(end)}, 100)
				s.Backend.Script(func() { s.Backend.OnAcquire = slices.Clone(stopped[:20]) })
				s.Backend.Script(func() { s.Backend.OnRelease = stopped })
				var group sync.WaitGroup
				for range 20 {
					group.Go(func() { _, _ = s.Mutex().TryDo(s.Ctx, nothing) }) // those who wait ask one at a time
				}
				group.Wait()
				time.Sleep(time.Until(end.Add(time.Second)))
				if !s.IsFree() {
					s.Error("a key is left")
				}
				time.Sleep(time.Second)
				s.WantCounted(map[attempt]int64{{"acquire", "backend_error", "timeout", "open"}: 20, {"cleanup", "cleaned", "", ""}: 20})
			})
		})
	}
}

func TestAReleaseThatWasSwallowedIsMadeUpForOneSecondAfterTheHang(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		var end time.Time
		s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error {
			end = time.Now().Add(1500 * time.Millisecond)
			s.Backend.Script(func() { s.Backend.OnRelease = []fault{hangs, hangs, hangs, hangs, hangs} })
			return nil
		})
		time.Sleep(time.Until(end.Add(time.Second)))
		if !s.IsFree() {
			s.Error("the key is left")
		}
	})
}

func TestACleanupThatOvertakesItsAcquireLooksAgain(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Backend.Script(func() { s.Backend.OnAcquire = []fault{lands(300 * time.Millisecond)} }) // 50 ms after the attempt has ended
		s.Do()
		time.Sleep(time.Second)
		if !s.IsFree() {
			s.Error("the key is left")
		}
		s.WantCounted(only(attempt{"acquire", "backend_error", "timeout", "open"}, attempt{"cleanup", "cleaned", "", ""}))
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
				other := s.Other(held)
				s.Backend.Script(func() { s.Backend.OnAcquire = []fault{works, lands(600 * time.Millisecond)} })
				s.Err = s.Mutex().With(otellock.WithWait(500*time.Millisecond)).Do(s.Ctx, s.Fn)
				if next == "busy" {
					if !errors.Is(s.Err, otellock.ErrContended) {
						s.Errorf("Do = %v", s.Err)
					}
					_ = s.Backend.Backend.Release(s.Ctx, other)
				} else if s.Ran != 1 || s.Err != nil {
					s.Errorf("ran %d times, %v", s.Ran, s.Err)
				}
				time.Sleep(time.Second)
				if !s.IsFree() {
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
		s.Other(100 * time.Millisecond)
		s.Backend.Script(func() { s.Backend.OnAcquire = []fault{works, losesReply} })
		s.Err = s.Mutex().Do(s.Ctx, func(ctx context.Context) error {
			s.Ran++
			time.Sleep(5 * time.Second)
			if s.IsFree() {
				s.Error("the lease was deleted under its holder")
			}
			return nil
		})
		time.Sleep(time.Second)
		s.WantCounted(with(plain, attempt{"cleanup", "cleaned", "", ""}))
	})
}

func TestEveryAttemptAfterAnAnswerHasANewToken(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Other(time.Second)
		tokens := map[string]int{}
		s.Backend.Watch = func(c otellock.Claim) { tokens[c.Token]++ }
		s.Do()
		for _, n := range tokens {
			if n > 2 || n > 1 && len(tokens) == 1 { // the last one is released too
				s.Errorf("a token was sent %d times", n)
			}
		}
		if len(tokens) < 3 || s.Ran != 1 {
			s.Errorf("%d tokens, ran %d times", len(tokens), s.Ran)
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
				lease, err := s.Mutex().Lock(s.Ctx)
				if err != nil {
					s.Fatal(err)
				}
				s.Backend.Script(func() { s.Backend.OnExtend = []fault{extend.first, extend.again} })
				_ = lease.Extend(s.Ctx, extend.ttl)
				s.Backend.Script(func() { s.Backend.OnExtend = nil })
				if extend.then != 0 {
					if err := lease.Extend(s.Ctx, extend.then); err != nil {
						s.Error(err)
					}
				}
				for ; time.Now().Before(lease.Deadline()); time.Sleep(100 * time.Millisecond) {
					if s.IsFree() {
						s.Fatalf("%v before the deadline the server has forgotten the lease", time.Until(lease.Deadline()))
					}
				}
				_ = lease.Release(s.Ctx)
			})
		})
	}
}

func TestAReleaseNeverWaitsLongerThanOneAttemptTimeoutForAnExtend(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		lease, err := s.Mutex().Lock(s.Ctx)
		if err != nil {
			s.Fatal(err)
		}
		s.Backend.Script(func() { s.Backend.OnExtend = []fault{hangs, hangs} })
		extended := make(chan error)
		go func() { extended <- lease.Extend(s.Ctx, time.Minute) }()
		synctest.Wait()
		start := time.Now()
		if err := lease.Release(s.Ctx); err != nil {
			s.Errorf("Release = %v", err)
		}
		if took := time.Since(start); took > 250*time.Millisecond {
			s.Errorf("Release took %v", took)
		}
		if err := <-extended; !errors.Is(err, otellock.ErrBackend) {
			s.Errorf("the Extend that was overtaken = %v", err)
		}
		s.WantCounted(with(plain, attempt{"extend", "extend_error", "timeout", "closed"}))
	})
}

// An Extend that lands after the release finds no key. That is no loss.
func TestAnExtendThatIsOvertakenByTheReleaseReportsNoLoss(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		lease, err := s.Mutex().Lock(s.Ctx)
		if err != nil {
			s.Fatal(err)
		}
		s.Backend.Script(func() { s.Backend.OnExtend = []fault{hangs, after(120*time.Millisecond, works)} })
		extended := make(chan error)
		go func() { extended <- lease.Extend(s.Ctx, time.Minute) }()
		time.Sleep(100 * time.Millisecond)
		if err := lease.Release(s.Ctx); err != nil {
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
		s.Backend.Script(func() { s.Backend.OnAcquire = []fault{full, works, full, works} })
		go func() { // somebody else's request is answered meanwhile
			for range 2 {
				time.Sleep(60 * time.Millisecond)
				if err := s.Target.Mutex("8").Do(s.Ctx, nothing); err != nil {
					s.Error(err)
				}
			}
		}()
		s.Do()
		if s.Ran != 1 || s.Err != nil || len(s.Tel.Warnings()) != 0 {
			s.Errorf("ran %d times, %v, warnings %v", s.Ran, s.Err, s.Tel.Warnings())
		}
	})
	inVirtualTime(t, func(s *stage) { // nobody is answered
		s.Backend.Script(func() { s.Backend.OnAcquire = slices.Repeat([]fault{full}, 8) })
		start := time.Now()
		s.Do()
		if took := time.Since(start); took > 350*time.Millisecond {
			s.Errorf("took %v, want one attempt timeout, and what the last attempt took", took)
		}
		s.WantCounted(only(attempt{"acquire", "backend_error", "pool_exhausted", "open"}))
	})
}

func TestACleanupThatWasNeverTriedSaysSo(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Backend.Script(func() { s.Backend.OnAcquire = slices.Repeat([]fault{answers(classed("eof"))}, 5000) })
		s.Backend.Script(func() { s.Backend.OnRelease = slices.Repeat([]fault{hangs}, 64) })
		for range 5000 { // more than wait for a cleanup
			s.Do()
		}
		const kept = 4096
		if n := s.Tel.Attempts(s)[attempt{"cleanup", "cleanup_error", "not_tried", ""}]; n != 5000-kept {
			s.Errorf("%d cleanups were not tried, want %d", n, 5000-kept)
		}
	})
}

func TestCloseWaitsForCleanupsNoLongerThanItsContext(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Backend.Script(func() { s.Backend.OnAcquire = []fault{losesReply, losesReply} })
		s.Backend.Script(func() { s.Backend.OnRelease = slices.Repeat([]fault{hangs}, 100) })
		s.Do()
		s.Do()
		ctx, cancel := context.WithTimeout(s.Ctx, 2*time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Locker.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Close = %v", err)
		}
		if took := time.Since(start); took != 2*time.Second {
			s.Errorf("Close took %v", took)
		}
		s.WantCounted(map[attempt]int64{{"acquire", "backend_error", "timeout", "open"}: 2, {"cleanup", "cleanup_error", "timeout", ""}: 2})
	})
}

func TestWhileTheBackendIsSilentOneTokenAsksForAll(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Backend.Script(func() { s.Backend.OnAcquire = slices.Repeat([]fault{losesReply}, 50) })
		for range 50 {
			s.Do()
		}
		time.Sleep(10 * time.Second) // all cleaned
		s.Backend.Fail(errRefused)
		for i := range 50 {
			s.Backend.Script(func() { s.Backend.OnAcquire = []fault{answers(classed("eof"))} })
			_ = s.Target.Mutex(fmt.Sprint(i)).Do(s.Ctx, nothing)
		}
		synctest.Wait() // those that were looked at together, before it was known
		before := s.Called("release")
		time.Sleep(10 * time.Second)
		if n := s.Called("release") - before; n > 21 {
			s.Errorf("%d looks in 10 s of an outage, want two a second", n)
		}
	})
}

func TestADisabledLockStillEndsWithItsContext(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		ctx, cancel := context.WithCancel(s.Ctx)
		cancel()
		err := s.Mutex().Do(ctx, s.Fn)
		if s.Ran != 0 || !errors.Is(err, context.Canceled) {
			s.Errorf("ran %d times, %v", s.Ran, err)
		}
		s.WantCounted(only(attempt{"acquire", "canceled", "", ""}))
	}, otellock.WithEnabled(func(context.Context) bool { return false }))
}

func TestAShortTTLNeedsNoSecondOption(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Backend.Script(func() { s.Backend.OnAcquire = []fault{hangs} })
		start := time.Now()
		s.Do()
		if took := time.Since(start); took != 20*time.Millisecond || s.Ran != 1 {
			s.Errorf("an attempt took %v, want a third of the time to live; ran %d times", took, s.Ran)
		}
	}, otellock.WithTTL(60*time.Millisecond))
}

func TestOwnErrorTellsTheLocksErrorFromThatOfALockInsideOfFn(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Other(time.Minute) // of 7
		inner := func(ctx context.Context) error { return s.Mutex().Do(ctx, s.Fn) }
		for _, test := range []struct {
			name string
			call func(ctx context.Context) error
			op   string // of the own error; empty: there is none
		}{
			{"own contention", inner, "acquire"},
			{"contention inside of fn", func(ctx context.Context) error { return s.Target.Mutex("8").Do(ctx, inner) }, ""},
			{"release failed after fn's own contention", func(ctx context.Context) error {
				return s.Target.Mutex("8").With(otellock.WithFailClosed(true)).Do(ctx, func(ctx context.Context) error {
					s.Backend.Script(func() { s.Backend.OnRelease = []fault{answers(errRefused)} })
					return inner(ctx)
				})
			}, "release"},
			{"fn's own error", func(ctx context.Context) error {
				return s.Target.Mutex("8").Do(ctx, func(context.Context) error { return errOwn })
			}, ""},
			{"closed is left alone", func(ctx context.Context) error {
				return s.Target.Mutex("8").With(otellock.WithWait(-1)).Do(ctx, s.Fn)
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
					_ = s.Target.Mutex("9").Do(s.Ctx, call)
				} else {
					_ = call(s.Ctx)
				}
			}
		}
	})
}

// The cause of a context's end may be the error of another lock, as errgroup makes
// it. It decides nothing here.
func TestACauseThatIsAnotherLocksErrorIsACancellation(t *testing.T) {
	for _, cause := range []error{otellock.ErrBackend, otellock.ErrContended} {
		inVirtualTime(t, func(s *stage) {
			s.Other(time.Minute)
			ctx, cancel := context.WithCancelCause(s.Ctx)
			time.AfterFunc(time.Second, func() { cancel(fmt.Errorf("the other one: %w", cause)) })
			err := s.Mutex().Do(ctx, s.Fn)
			if s.Ran != 0 || !errors.Is(err, context.Canceled) || errors.Is(err, cause) {
				s.Errorf("ran %d times beside the holder, %v", s.Ran, err)
			}
			s.WantCounted(only(attempt{"acquire", "canceled", "", ""}))
		})
	}
}

func TestAFullPoolNeverRunsFnBesideALiveHolder(t *testing.T) {
	full := after(100*time.Millisecond, answers(classed("pool_exhausted")))
	inVirtualTime(t, func(s *stage) {
		lease, err := s.Target.Mutex("8").Lock(s.Ctx)
		if err != nil {
			s.Fatal(err)
		}
		s.Other(time.Minute)
		s.Backend.Script(func() { s.Backend.OnAcquire = append([]fault{works}, slices.Repeat([]fault{full}, 100)...) })
		var group sync.WaitGroup
		group.Go(func() { // others are answered all the time
			for range 30 {
				time.Sleep(50 * time.Millisecond)
				_ = lease.Extend(s.Ctx, time.Minute)
			}
		})
		err = s.Mutex().With(otellock.WithWait(time.Second)).Do(s.Ctx, s.Fn)
		if s.Ran != 0 || !errors.Is(err, otellock.ErrContended) {
			s.Errorf("ran %d times, %v", s.Ran, err)
		}
		group.Wait()
	})
}

func TestACleanupGoesOnForAsLongAsTheLeaseWasExtended(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		lease, err := s.Mutex().Lock(s.Ctx)
		if err != nil {
			s.Fatal(err)
		}
		if err := lease.Extend(s.Ctx, time.Hour); err != nil {
			s.Fatal(err)
		}
		s.Backend.Fail(classed("READONLY"))
		if err := lease.Release(s.Ctx); !errors.Is(err, otellock.ErrBackend) {
			s.Errorf("Release = %v", err)
		}
		time.Sleep(20 * time.Second) // twice the time to live before the extend
		s.Backend.Fail(nil)
		time.Sleep(time.Second)
		if !s.IsFree() {
			s.Error("the key is left for an hour")
		}
	})
}

func TestAnExtendThatTheReleaseWaitsForKeepsWhatItFound(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		lease, err := s.Mutex().Lock(s.Ctx)
		if err != nil {
			s.Fatal(err)
		}
		s.Backend.Script(func() { s.Backend.OnExtend = []fault{after(50*time.Millisecond, answers(otellock.ErrStolen))} })
		extended := make(chan error)
		go func() { extended <- lease.Extend(s.Ctx, time.Minute) }()
		synctest.Wait()
		if err := lease.Release(s.Ctx); !errors.Is(err, otellock.ErrStolen) {
			s.Errorf("Release = %v", err)
		}
		if err := <-extended; !errors.Is(err, otellock.ErrStolen) {
			s.Errorf("Extend = %v", err)
		}
	})
}

func TestATokenThatTheAcquireAndTheReleaseLeaveIsCountedOnce(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Other(100 * time.Millisecond)
		s.Backend.Script(func() {
			s.Backend.OnAcquire = []fault{works, losesReply}
			s.Backend.OnRelease = []fault{hangs, hangs}
		})
		s.Err = s.Mutex().Do(s.Ctx, s.Fn)
		time.Sleep(2 * time.Second)
		s.WantCounted(map[attempt]int64{{"acquire", "acquired", "", ""}: 1,
			{"release", "release_error", "timeout", "open"}: 1, {"cleanup", "cleaned", "", ""}: 1})
	})
}

// The collector may run while the critical section still does.
func TestTheKeyOfAForgottenLeaseIsLeftAloneThoughAnAttemptAtItMayStillLand(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Other(100 * time.Millisecond)
		s.Backend.Script(func() { s.Backend.OnAcquire = []fault{works, losesReply} })
		if _, err := s.Mutex().Lock(s.Ctx); err != nil {
			s.Fatal(err)
		}
		abandoned := attempt{"cleanup", "abandoned", "", ""}
		for range 100 {
			runtime.GC()
			time.Sleep(time.Millisecond)
			if s.Tel.Attempts(s)[abandoned] > 0 {
				break
			}
		}
		time.Sleep(time.Second)
		if s.IsFree() {
			s.Error("the key is gone")
		}
		s.WantCounted(map[attempt]int64{{"acquire", "acquired", "", ""}: 1, abandoned: 1})
	})
}
