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

// A line is waiters of one lock, one after the other, and the order in which they
// ran.
type line struct {
	*stage
	group sync.WaitGroup
	mu    sync.Mutex
	ran   []int
	errs  map[int]error
	took  map[int]time.Duration
}

func newLine(s *stage) *line {
	return &line{stage: s, errs: map[int]error{}, took: map[int]time.Duration{}}
}

// joins lets one more wait for the lock, and returns when it does.
func (l *line) joins(ctx context.Context, name int, m otellock.Mutex) {
	l.group.Go(func() {
		start := time.Now()
		err := m.Do(ctx, func(context.Context) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.ran = append(l.ran, name)
			return nil
		})
		l.mu.Lock()
		defer l.mu.Unlock()
		l.errs[name], l.took[name] = err, time.Since(start)
	})
	synctest.Wait()
}

// holds takes the lock, and releases it when the returned function is called.
func (l *line) holds() (release func()) {
	lease, err := l.Mutex().Lock(l.Ctx)
	if err != nil {
		l.Fatal(err)
	}
	return func() {
		if err := lease.Release(l.Ctx); err != nil {
			l.Error(err)
		}
	}
}

func TestWaitersOfAKeyRunInTheOrderInWhichTheyCame(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		other := newTarget(t, s.Locker, "others", "lock:projects:*", otellock.WithTTL(time.Minute), otellock.WithFailClosed(true))
		mutexes := []otellock.Mutex{
			s.Mutex(),
			other.Mutex("7"),
			s.Target.KeyMutex("lock:projects:7"),
			s.Locker.UndeclaredMutex("lock:projects:7"),
			s.Mutex().With(otellock.WithBackoff(time.Millisecond, time.Millisecond), otellock.WithWait(time.Minute)),
		}
		l := newLine(s)
		release := l.holds()
		var want []int
		for i := range 4 * len(mutexes) {
			l.joins(s.Ctx, i, mutexes[i%len(mutexes)])
			want = append(want, i)
		}
		release()
		l.group.Wait()
		if !slices.Equal(l.ran, want) {
			s.Errorf("they ran in the order %v", l.ran)
		}
	})
}

func TestAReleaseHandsTheLockToTheNextWaiterAtOnceByTwoCommands(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		const waiters = 16
		l := newLine(s)
		release := l.holds()
		l.joins(s.Ctx, 0, s.Mutex()) // it asks, as it knows of nobody
		for i := 1; i < waiters; i++ {
			l.joins(s.Ctx, i, s.Mutex())
		}
		before := s.Called("acquire")
		start := time.Now()
		release()
		l.group.Wait()
		if took := time.Since(start); took != 0 || len(l.ran) != waiters {
			s.Errorf("%d hand-overs took %v", len(l.ran), took)
		}
		if n := s.Called("acquire") - before; n != waiters {
			s.Errorf("%d acquires for %d hand-overs", n, waiters)
		}
		if n := s.Called("release"); n != waiters+1 {
			s.Errorf("%d releases", n)
		}
	})
}

func TestAWaiterThatGivesUpLeavesWithoutATrace(t *testing.T) {
	for name, leaves := range map[string]int{"the first": 0, "one between": 1, "the last": 3} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				l := newLine(s)
				release := l.holds()
				ctx, cancel := context.WithCancel(s.Ctx)
				var want []int
				for i := range 4 {
					if i == leaves {
						l.joins(ctx, i, s.Mutex())
						continue
					}
					l.joins(s.Ctx, i, s.Mutex())
					want = append(want, i)
				}
				asked := s.Called("acquire")
				cancel()
				synctest.Wait()
				if err := l.errs[leaves]; !errors.Is(err, context.Canceled) {
					s.Errorf("it returned %v", err)
				}
				if n := s.Called("acquire") - asked; n != 0 {
					s.Errorf("its end made %d commands", n)
				}
				if n := s.Tel.Total(s, "lock.waiting"); n != 3 {
					s.Errorf("lock.waiting is %d, want 3", n)
				}
				release()
				l.group.Wait()
				if !slices.Equal(l.ran, want) {
					s.Errorf("the others ran in the order %v, want %v", l.ran, want)
				}
				if n := s.Tel.Total(s, "lock.waiting"); n != 0 {
					s.Errorf("lock.waiting is %d at the end", n)
				}
			})
		})
	}
}

func TestAWaitersOwnWaitAndDeadlineHoldToTheMillisecond(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Other(time.Minute)
		l := newLine(s)
		l.joins(s.Ctx, 0, s.Mutex().With(otellock.WithWait(10*time.Second)))
		for i, wait := range []time.Duration{700 * time.Millisecond, 20 * time.Millisecond, 333 * time.Millisecond} {
			l.joins(s.Ctx, 1+i, s.Mutex().With(otellock.WithWait(wait)))
		}
		ctx, cancel := context.WithTimeout(s.Ctx, 123*time.Millisecond)
		defer cancel()
		l.joins(ctx, 4, s.Mutex())
		l.group.Wait()
		want := map[int]time.Duration{0: 10 * time.Second, 1: 700 * time.Millisecond, 2: 20 * time.Millisecond,
			3: 333 * time.Millisecond, 4: 123 * time.Millisecond}
		for i, took := range l.took {
			sentinel := otellock.ErrContended
			if i == 4 {
				sentinel = context.DeadlineExceeded
			}
			if took != want[i] || !errors.Is(l.errs[i], sentinel) {
				s.Errorf("waiter %d: %v after %v, want %v after %v", i, l.errs[i], took, sentinel, want[i])
			}
		}
		s.WantCounted(map[attempt]int64{{"acquire", "contended", "", ""}: 4, {"acquire", "canceled", "", ""}: 1})
	})
}

func TestABackendThatHangsCostsEveryWaiterOneAttemptTimeoutTogether(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Backend.OnAcquire = slices.Repeat([]fault{hangs}, 64)
		l := newLine(s)
		for i := range 64 {
			l.joins(s.Ctx, i, s.Mutex())
		}
		start := time.Now()
		l.group.Wait()
		if took := time.Since(start); took != 250*time.Millisecond {
			s.Errorf("the last one ended after %v", took)
		}
		if n := s.Called("acquire"); n != 1 {
			s.Errorf("the backend was asked %d times", n)
		}
		time.Sleep(time.Second) // of the one token that was sent
		s.WantCounted(map[attempt]int64{{"acquire", "backend_error", "timeout", "open"}: 64, {"cleanup", "cleaned", "", ""}: 1})
	})
}

func TestAnErrorBesideALiveHolderIsAbsorbedOnceForTheWholeQueue(t *testing.T) {
	for errs, want := range map[int]map[attempt]int64{
		1: {{"acquire", "acquired", "", ""}: 17, {"release", "released", "", ""}: 17},
		2: {{"acquire", "acquired", "", ""}: 1, {"release", "released", "", ""}: 1, {"acquire", "backend_error", "connection_refused", "open"}: 16},
	} {
		t.Run(fmt.Sprint(errs), func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				l := newLine(s)
				release := l.holds()
				for i := range 16 {
					l.joins(s.Ctx, i, s.Mutex())
				}
				s.Backend.Script(func() { s.Backend.OnAcquire = slices.Repeat([]fault{answers(errRefused)}, errs) })
				time.Sleep(1500 * time.Millisecond)
				release()
				l.group.Wait()
				s.WantCounted(want)
			})
		})
	}
}

// The head's own reasons are no evidence: the next one asks at once, and is served.
func TestWhatEndsTheFirstForItsOwnReasonsEndsNobodyElse(t *testing.T) {
	for name, first := range map[string]func(s *stage) (context.Context, otellock.Mutex){
		"its deadline": func(s *stage) (context.Context, otellock.Mutex) {
			ctx, cancel := context.WithTimeout(s.Ctx, 80*time.Millisecond)
			s.Cleanup(cancel)
			return ctx, s.Mutex()
		},
		"a shorter attempt timeout": func(s *stage) (context.Context, otellock.Mutex) {
			return s.Ctx, s.Mutex().With(otellock.WithAttemptTimeout(40 * time.Millisecond))
		},
		"it is cancelled": func(s *stage) (context.Context, otellock.Mutex) {
			ctx, cancel := context.WithCancel(s.Ctx)
			time.AfterFunc(40*time.Millisecond, cancel)
			return ctx, s.Mutex()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				s.Backend.OnAcquire = []fault{hangs}
				l := newLine(s)
				ctx, m := first(s)
				l.joins(ctx, 0, m)
				l.joins(s.Ctx, 1, s.Mutex())
				l.joins(s.Ctx, 2, s.Mutex())
				l.group.Wait()
				if slices.Index(l.ran, 1) > slices.Index(l.ran, 2) { // the first, unprotected, runs beside them
					s.Errorf("they ran in the order %v", l.ran)
				}
				for _, i := range []int{1, 2} {
					if l.errs[i] != nil || l.took[i] != 40*time.Millisecond {
						s.Errorf("waiter %d: %v after %v", i, l.errs[i], l.took[i])
					}
				}
				counted := s.Tel.Attempts(s)
				if n := counted[attempt{"acquire", "acquired", "", ""}]; n != 2 {
					s.Errorf("counted %v", counted)
				}
			})
		})
	}
}

// While nobody is answered, a deadline is an outage; beside a holder, a cancellation.
func TestTheQueuesLastAnswerIsEveryWaiters(t *testing.T) {
	for _, row := range []struct {
		name string
		held bool
		want attempt
	}{
		{"busy", true, attempt{"acquire", "canceled", "", ""}},
		{"none", false, attempt{"acquire", "backend_error", "timeout", "open"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				l := newLine(s)
				if row.held {
					s.Other(time.Second)
				} else {
					s.Backend.Script(func() { s.Backend.OnAcquire = []fault{hangs} })
				}
				l.joins(s.Ctx, 0, s.Mutex())
				ctx, cancel := context.WithTimeout(s.Ctx, 100*time.Millisecond)
				defer cancel()
				l.joins(ctx, 1, s.Mutex())
				time.Sleep(101 * time.Millisecond)
				if counted := s.Tel.Attempts(s); counted[row.want] != 1 {
					s.Errorf("counted %v, want one %v", counted, row.want)
				}
				l.group.Wait()
			})
		})
	}
}

func TestTryDoAndAWaitOfZeroAskOnceAndDoNotQueue(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		l := newLine(s)
		release := l.holds()
		for i := range 3 {
			l.joins(s.Ctx, i, s.Mutex())
		}
		before, start := s.Called("acquire"), time.Now()
		if ran, err := s.Mutex().TryDo(s.Ctx, s.Fn); ran || err != nil {
			s.Errorf("TryDo = %t, %v", ran, err)
		}
		if err := s.Mutex().With(otellock.WithWait(0)).Do(s.Ctx, s.Fn); !errors.Is(err, otellock.ErrContended) {
			s.Errorf("Do without a wait = %v", err)
		}
		if n, took := s.Called("acquire")-before, time.Since(start); n != 2 || took != 0 {
			s.Errorf("%d commands in %v", n, took)
		}
		release()
		l.group.Wait()
	})
}

func TestTheSpanSaysWhatWokeTheWaiter(t *testing.T) {
	for want, free := range map[string]func(l *line, release func()){
		"release": func(l *line, release func()) { release() },
		"poll":    func(l *line, release func()) { l.Backend.Clear(); time.Sleep(time.Second) },
	} {
		t.Run(want, func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				l := newLine(s)
				lease, err := s.Mutex().Lock(s.Ctx)
				if err != nil {
					s.Fatal(err)
				}
				l.joins(s.Ctx, 0, s.Mutex())
				free(l, func() { _ = lease.Release(s.Ctx) })
				l.group.Wait()
				_ = lease.Release(s.Ctx)
				var got []string
				for _, span := range s.Tel.Spans.Ended() {
					for _, kv := range span.Attributes() {
						if kv.Key == "lock.wake_up" {
							got = append(got, span.Name()+" "+kv.Value.AsString())
						}
					}
				}
				if !slices.Equal(got, []string{"acquire projects " + want}) {
					s.Errorf("lock.wake_up is in %v", got)
				}
			})
		})
	}
}

// Where releases wake nobody in other processes, those poll: a process with many
// waiters lets go of the lock now and then.
func TestAProcessWithManyWaitersDoesNotStarveAnotherThatPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memorybackend.New()
		ran := make([]int, 2)
		var group sync.WaitGroup
		end := time.Now().Add(20 * time.Second)
		for process := range ran {
			locker := newLocker(t, b, otellock.WithWakeUp(false), otellock.WithWait(time.Minute))
			m := locker.UndeclaredMutex("lock:projects:7")
			var mu sync.Mutex
			for range 16 {
				group.Go(func() {
					for time.Now().Before(end) {
						if err := m.Do(t.Context(), func(context.Context) error {
							mu.Lock()
							defer mu.Unlock()
							ran[process]++
							time.Sleep(time.Millisecond)
							return nil
						}); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		group.Wait()
		if all := ran[0] + ran[1]; 4*min(ran[0], ran[1]) < all {
			t.Errorf("the processes ran %v times", ran)
		}
	})
}
