package otellock_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// inBubble runs the test in virtual time, with a Locker on a scripted backend
// whose leases live 10 s.
func inBubble(t *testing.T, test func(*testing.T, *lab)) {
	synctest.Test(t, func(t *testing.T) {
		b := &lab{backend: newScripted(), tel: newTelemetry(), ctx: context.Background()}
		b.locker = newLocker(t, b.backend, b.tel.Options()...)
		b.target = newTarget(t, b.locker, "projects", "lock:projects:*")
		test(t, b)
	})
}

type lab struct {
	backend *scriptedBackend
	locker  *otellock.Locker
	target  *otellock.Target
	tel     *telemetry
	ctx     context.Context
}

func (b *lab) lock(t *testing.T, id string) *otellock.Lease {
	t.Helper()
	lease, err := b.target.Mutex(id).Lock(b.ctx)
	if err != nil || !lease.Protected() {
		t.Fatalf("Lock: %v, %v", lease, err)
	}
	return lease
}

// yields lets the other goroutines come as far as they can. It does not sleep:
// who waits for a sync.Mutex would stop the clock of the bubble.
func yields(_ context.Context, call func() error) error {
	for range 100 {
		runtime.Gosched()
	}
	return call()
}

// called is how often the backend got the call.
func (b *lab) called(name string) int {
	b.backend.Mu.Lock()
	defer b.backend.Mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(b.backend.Calls), func(c string) bool { return c != name }))
}

func TestTheDeadlineCountsFromTheStartOfTheRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		b.backend.Script(func() { b.backend.OnAcquire = []fault{after(100*time.Millisecond, works)} })
		b.backend.Script(func() {
			b.backend.OnExtend = []fault{after(50*time.Millisecond, works), after(50*time.Millisecond, works)}
		})
		start := time.Now()
		lease := b.lock(t, "7")
		expectDeadline(t, lease, start.Add(10*time.Second))
		time.Sleep(4 * time.Second)

		asked := time.Now()
		if err := lease.Extend(b.ctx, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		expectDeadline(t, lease, asked.Add(20*time.Second))

		asked = time.Now()
		if err := lease.Extend(b.ctx, 2*time.Second); err != nil {
			t.Fatal(err)
		}
		expectDeadline(t, lease, asked.Add(2*time.Second)) // an extension may also shorten

		if err := lease.Release(b.ctx); err != nil {
			t.Error(err)
		}
		expectDeadline(t, lease, asked.Add(2*time.Second))
	})
}

func expectDeadline(t *testing.T, lease *otellock.Lease, want time.Time) {
	t.Helper()
	if got := lease.Deadline(); !got.Equal(want) {
		t.Errorf("the deadline is %v after what it should be", got.Sub(want))
	}
}

func TestADeadlineThatPassesLeavesTheLeaseToTheServer(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		lease := b.lock(t, "7")
		time.Sleep(11 * time.Second)
		if !lease.Protected() {
			t.Error("the local clock took the lease away")
		}
		if err := lease.Release(b.ctx); !errors.Is(err, otellock.ErrExpired) || lease.Protected() {
			t.Errorf("Release: %v, protected %t", err, lease.Protected())
		}
	})
}

func TestHeldTimeAndUtilization(t *testing.T) {
	for _, c := range []struct {
		name              string
		use               func(*testing.T, *lab)
		held, utilization float64
	}{
		{"half of the lease", func(t *testing.T, b *lab) {
			err := b.target.Mutex("7").Do(b.ctx, func(context.Context) error { time.Sleep(5 * time.Second); return nil })
			if err != nil {
				t.Fatal(err)
			}
		}, 5, 0.5},
		{"beyond the lease", func(t *testing.T, b *lab) {
			err := b.target.Mutex("7").Do(b.ctx, func(context.Context) error { time.Sleep(12 * time.Second); return nil })
			if err != nil {
				t.Fatal(err)
			}
		}, 12, 1.2},
		{"of an extended lease", func(t *testing.T, b *lab) {
			lease := b.lock(t, "7")
			time.Sleep(5 * time.Second)
			if err := lease.Extend(b.ctx, 10*time.Second); err != nil { // 15 s in all
				t.Fatal(err)
			}
			time.Sleep(7 * time.Second)
			if err := lease.Release(b.ctx); err != nil {
				t.Fatal(err)
			}
		}, 12, 0.8},
		{"of a lease that is renewed, of its limit", func(t *testing.T, b *lab) {
			if err := b.target.Mutex("7").With(otellock.WithAutoExtend(time.Minute)).Do(b.ctx, sleeps(45*time.Second)); err != nil {
				t.Fatal(err)
			}
		}, 45, 0.75},
		{"from the grant, and up to the reply of the release", func(t *testing.T, b *lab) {
			b.backend.Script(func() { b.backend.OnAcquire = []fault{after(200*time.Millisecond, works)} })
			b.backend.Script(func() { b.backend.OnRelease = []fault{after(100*time.Millisecond, works)} })
			if err := b.target.Mutex("7").Do(b.ctx, nothing); err != nil {
				t.Fatal(err)
			}
		}, 0.1, 0.03},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				c.use(t, b)
				for name, want := range map[string]float64{"lock.hold.duration": c.held, "lock.hold.utilization": c.utilization} {
					points := b.tel.Histogram(t, name)
					if len(points) != 1 || points[0].Count != 1 || math.Abs(points[0].Sum-want) > 1e-9 {
						t.Errorf("%s: %+v, want one of %v", name, points, want)
					}
				}
			})
		})
	}
}

// What became of a lease is told by the deadline, and by whose token is there.
func TestExpiredLostAndStolenAreTold(t *testing.T) {
	for _, c := range []struct {
		name string
		want error
		fate func(*testing.T, *lab, *otellock.Lease)
	}{
		{"at its deadline", otellock.ErrExpired, func(*testing.T, *lab, *otellock.Lease) { time.Sleep(10 * time.Second) }},
		{"just before its deadline", nil, func(*testing.T, *lab, *otellock.Lease) { time.Sleep(10*time.Second - 1) }},
		{"forgotten", otellock.ErrLost, func(_ *testing.T, b *lab, _ *otellock.Lease) { b.backend.Clear() }},
		{"forgotten, and noticed too late", otellock.ErrExpired, func(_ *testing.T, b *lab, _ *otellock.Lease) {
			b.backend.Clear()
			time.Sleep(10 * time.Second)
		}},
		{"forgotten in its extension", otellock.ErrLost, func(t *testing.T, b *lab, lease *otellock.Lease) {
			if err := lease.Extend(b.ctx, 30*time.Second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(15 * time.Second)
			b.backend.Clear()
		}},
		{"past its extension", otellock.ErrExpired, func(t *testing.T, b *lab, lease *otellock.Lease) {
			if err := lease.Extend(b.ctx, 30*time.Second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
		}},
		{"taken by another after its deadline", otellock.ErrStolen, func(t *testing.T, b *lab, _ *otellock.Lease) {
			time.Sleep(10 * time.Second)
			b.take(t, "lock:projects:7")
		}},
		{"taken by another before it", otellock.ErrStolen, func(t *testing.T, b *lab, _ *otellock.Lease) {
			b.backend.Clear()
			b.take(t, "lock:projects:7")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				lease := b.lock(t, "7")
				c.fate(t, b, lease)
				err := lease.Release(b.ctx)
				for _, sentinel := range sentinels {
					if errors.Is(err, sentinel) != (sentinel == c.want) {
						t.Errorf("Release: %v; is %v: %t", err, sentinel, errors.Is(err, sentinel))
					}
				}
				if (err == nil) != (c.want == nil) {
					t.Errorf("Release: %v, want %v", err, c.want)
				}
			})
		})
	}
}

func (b *lab) take(t *testing.T, key string) {
	t.Helper()
	grant, err := b.backend.Backend.Acquire(b.ctx, otellock.Claim{Key: key, Token: "another", TTL: time.Minute})
	if err != nil || !grant.Acquired {
		t.Fatalf("%v, %v", grant, err)
	}
}

func TestEveryReleaseReturnsTheResultOfTheFirst(t *testing.T) {
	for _, c := range []struct {
		name string
		want error
		fate func(*lab)
	}{
		{"released", nil, func(*lab) {}},
		{"lost", otellock.ErrLost, func(b *lab) { b.backend.Clear() }},
		{"backend failed", otellock.ErrBackend, func(b *lab) { b.backend.Fail(errRefused) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				lease := b.lock(t, "7")
				c.fate(b)
				first := lease.Release(b.ctx)
				b.backend.Fail(nil)
				second := lease.Release(b.ctx)
				if !errors.Is(first, c.want) || first != second {
					t.Errorf("%v, then %v; want %v", first, second, c.want)
				}
				if err := lease.Extend(b.ctx, time.Minute); !errors.Is(err, otellock.ErrLost) {
					t.Errorf("Extend after the release: %v", err)
				}
				var releases int64 // the cleanup of one that failed asks the backend as well
				for a, n := range b.tel.Attempts(t) {
					if a.Operation() == "release" {
						releases += n
					}
				}
				if releases != 1 || b.called("extend") != 0 {
					t.Errorf("%d releases were counted", releases)
				}
				if got := b.tel.Total(t, "lock.held"); got != 0 {
					t.Errorf("lock.held is %d", got)
				}
			})
		})
	}
}

func TestConcurrentReleasesAreOneConcurrentSafe(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		lease := b.lock(t, "7")
		b.backend.Clear()
		b.backend.Script(func() { b.backend.OnRelease = []fault{yields} })
		errs := make([]error, 16)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() {
				_, _, _ = lease.Protected(), lease.Deadline(), lease.String()
				errs[i] = lease.Release(b.ctx)
			})
		}
		group.Wait()
		for _, err := range errs {
			if err != errs[0] || !errors.Is(err, otellock.ErrLost) {
				t.Errorf("%v and %v", errs[0], err)
			}
		}
		if got := b.tel.Attempts(t)[attempt{"release", "release_error", "lost", "open"}]; got != 1 || b.called("release") != 1 {
			t.Errorf("counted %d, asked %d times", got, b.called("release"))
		}
	})
}

func TestReleasesAndExtensionsTogetherConcurrentSafe(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		lease := b.lock(t, "7")
		var group sync.WaitGroup
		for i := range 32 {
			group.Go(func() {
				if i == 16 {
					if err := lease.Release(b.ctx); err != nil {
						t.Errorf("Release: %v", err)
					}
					return
				}
				if err := lease.Extend(b.ctx, 10*time.Second); err != nil && !errors.Is(err, otellock.ErrLost) {
					t.Errorf("Extend: %v", err)
				}
			})
		}
		group.Wait()
		if got := b.tel.Total(t, "lock.held"); got != 0 {
			t.Errorf("lock.held is %d", got)
		}
		if grant, err := b.backend.Backend.Acquire(b.ctx, otellock.Claim{Key: "lock:projects:7", Token: "x", TTL: time.Second}); err != nil || !grant.Acquired {
			t.Errorf("the key is still there: %v, %v", grant, err)
		}
	})
}

func TestALossThatExtendFoundIsWhatEveryLaterCallReturns(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		lease := b.lock(t, "7")
		b.backend.Clear()
		first := lease.Extend(b.ctx, time.Minute)
		time.Sleep(time.Hour)
		second := lease.Extend(b.ctx, time.Minute)
		released := lease.Release(b.ctx)
		for _, err := range []error{first, second, released} {
			if !errors.Is(err, otellock.ErrLost) || errors.Is(err, otellock.ErrExpired) {
				t.Errorf("%v, want what the first one found", err)
			}
		}
		if lease.Protected() || b.called("extend") != 1 || b.called("release") != 0 {
			t.Errorf("protected %t; the backend was asked %v", lease.Protected(), b.backend.Calls)
		}
	})
}

func TestExtendIsBoundByTheCallersContext(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		lease := b.lock(t, "7")
		before := lease.Deadline()
		b.backend.Script(func() { b.backend.OnExtend = []fault{hangs, hangs} })
		ctx, cancel := context.WithTimeout(b.ctx, 40*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := lease.Extend(ctx, time.Minute); !errors.Is(err, otellock.ErrBackend) {
			t.Errorf("Extend: %v", err)
		}
		if took := time.Since(start); took != 40*time.Millisecond {
			t.Errorf("took %v", took)
		}
		calls := b.called("extend")
		if err := lease.Extend(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || b.called("extend") != calls {
			t.Errorf("Extend with a context that has ended: %v", err)
		}
		expectDeadline(t, lease, before)
		if !lease.Protected() {
			t.Error("nobody knows what became of it, and the lease is given up")
		}
		if err := lease.Release(ctx); err != nil { // its context carries the trace only
			t.Error(err)
		}
	})
}

func TestANilLeaseAllowsEverything(t *testing.T) {
	ctx := context.Background()
	for name, lease := range map[string]*otellock.Lease{"nil": nil, "zero": new(otellock.Lease), "from a bare context": otellock.LeaseFromContext(ctx)} {
		if lease.Protected() || !lease.Deadline().IsZero() || lease.Release(ctx) != nil || lease.String() != "<nil>" || lease.GoString() != "<nil>" {
			t.Errorf("%s: %v", name, lease)
		}
		var e *otellock.Error
		if err := lease.Extend(ctx, time.Minute); !errors.As(err, &e) || e.Type != "invalid" {
			t.Errorf("%s: Extend: %v", name, err)
		}
	}
}

func TestLeaseFromContextIsTheInnermost(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		type key struct{}
		err := b.target.Mutex("outer").Do(b.ctx, func(outer context.Context) error {
			first := otellock.LeaseFromContext(outer)
			time.Sleep(time.Second)
			return b.target.Mutex("inner").With(otellock.WithTTL(time.Minute)).Do(context.WithValue(outer, key{}, 1), func(inner context.Context) error {
				derived, cancel := context.WithTimeout(context.WithoutCancel(inner), time.Second)
				defer cancel()
				second := otellock.LeaseFromContext(derived)
				if first == second || first == nil || second == nil || !first.Protected() || !second.Protected() {
					t.Errorf("outer %v, inner %v", first, second)
				}
				expectDeadline(t, first, time.Now().Add(9*time.Second))
				expectDeadline(t, second, time.Now().Add(time.Minute))
				if inner.Value(key{}) != 1 || inner.Err() != nil {
					t.Error("the context of fn is not the caller's")
				}
				if again := otellock.LeaseFromContext(outer); again != first {
					t.Error("the outer context gave another lease")
				}
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
		if otellock.LeaseFromContext(b.ctx) != nil {
			t.Error("a context without a lease has one")
		}
		lease := b.lock(t, "manual")
		if otellock.LeaseFromContext(b.ctx) != nil {
			t.Error("Lock put its lease into the context")
		}
		if err := lease.Release(b.ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestAnUnprotectedLeaseSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		for name, m := range map[string]otellock.Mutex{
			"failed open": b.target.Mutex("7"),
			"disabled":    b.target.Mutex("7").With(otellock.WithEnabled(func(context.Context) bool { return false })),
		} {
			b.backend.Fail(errRefused)
			err := m.Do(b.ctx, func(ctx context.Context) error {
				lease := otellock.LeaseFromContext(ctx)
				if lease == nil || lease.Protected() || !lease.Deadline().IsZero() {
					t.Errorf("%s: %v", name, lease)
				}
				extended := lease.Extend(ctx, time.Minute)
				if failed := name == "failed open"; errors.Is(extended, otellock.ErrBackend) != failed || (extended == nil) == failed {
					t.Errorf("%s: Extend: %v", name, extended)
				}
				return lease.Release(ctx)
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if b.called("extend")+b.called("release") != 0 || b.tel.Total(t, "lock.held") != 0 {
			t.Errorf("the backend was asked %v", b.backend.Calls)
		}
	})
}

func TestALockThatTheContextHoldsIsBusyAtOnce(t *testing.T) {
	type key struct{}
	for name, derive := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"the same context": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
		"with a value": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithValue(ctx, key{}, 1), func() {}
		},
		"with a deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		},
		"without cancel": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithoutCancel(ctx), func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				m := b.target.Mutex("7")
				err := m.Do(b.ctx, func(ctx context.Context) error {
					ctx, cancel := derive(ctx)
					defer cancel()
					return b.target.Mutex("between").Do(ctx, func(ctx context.Context) error {
						start, asked := time.Now(), b.called("acquire")
						errs, ran := everyMethod(ctx, m)
						for method, err := range errs {
							if try := strings.HasPrefix(method, "Try"); errors.Is(err, otellock.ErrContended) == try || (err == nil) != try {
								t.Errorf("%s: %v", method, err)
							}
						}
						if took := time.Since(start); took != 0 || ran != 0 || b.called("acquire") != asked {
							t.Errorf("took %v, ran %d times, asked %d times", took, ran, b.called("acquire")-asked)
						}
						if by, err := m.With(otellock.WithTTL(time.Minute)).TryDo(ctx, nothing); by || err != nil {
							t.Errorf("with other options: ran %t, %v", by, err)
						}
						return nil
					})
				})
				if err != nil {
					t.Error(err)
				}
				want := with(only(attempt{"acquire", "acquired", "", ""}, attempt{"acquire", "acquired", "", ""},
					attempt{"release", "released", "", ""}, attempt{"release", "released", "", ""}))
				want[attempt{"acquire", "contended", "", ""}] = 3
				want[attempt{"acquire", "skipped", "", ""}] = 3
				if got := b.tel.Attempts(t); !equalCounts(got, want) {
					t.Errorf("counted %v, want %v", got, want)
				}
				expectUsable(t, m)
			})
		})
	}
}

func equalCounts(a, b map[attempt]int64) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

func TestWhatTheContextDoesNotHoldIsNotBusy(t *testing.T) {
	for name, use := range map[string]func(*testing.T, *lab, context.Context){
		"its lease was released early": func(t *testing.T, b *lab, ctx context.Context) {
			if err := otellock.LeaseFromContext(ctx).Release(ctx); err != nil {
				t.Fatal(err)
			}
		},
		"its lease was found lost": func(t *testing.T, b *lab, ctx context.Context) {
			b.backend.Clear()
			if err := otellock.LeaseFromContext(ctx).Extend(ctx, time.Minute); !errors.Is(err, otellock.ErrLost) {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				m := b.target.Mutex("7")
				err := m.Do(b.ctx, func(ctx context.Context) error {
					use(t, b, ctx)
					ran, err := m.TryDo(ctx, nothing)
					if !ran {
						t.Error("busy")
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
	t.Run("the outer Do is over", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *lab) {
			var leaked context.Context
			if err := b.target.Mutex("7").Do(b.ctx, func(ctx context.Context) error { leaked = ctx; return nil }); err != nil {
				t.Fatal(err)
			}
			if ran, err := b.target.Mutex("7").TryDo(leaked, nothing); !ran || err != nil {
				t.Errorf("ran %t, %v", ran, err)
			}
		})
	})
	t.Run("another key", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *lab) {
			err := b.target.Mutex("7").Do(b.ctx, func(ctx context.Context) error {
				ran, err := b.target.Mutex("8").TryDo(ctx, nothing)
				if !ran {
					t.Error("busy")
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("the outer one failed open", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *lab) {
			b.backend.Fail(errRefused)
			err := b.target.Mutex("7").Do(b.ctx, func(ctx context.Context) error {
				b.backend.Fail(nil)
				ran, err := b.target.Mutex("7").TryDo(ctx, nothing)
				if !ran {
					t.Error("busy")
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("the same key of another Locker", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *lab) {
			elsewhere := newTarget(t, newLocker(t, memorybackend.New(), b.tel.Options()...), "projects", "lock:projects:*")
			err := b.target.Mutex("7").Do(b.ctx, func(ctx context.Context) error {
				ran, err := elsewhere.Mutex("7").TryDo(ctx, nothing)
				if !ran {
					t.Error("busy")
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	})
}

// Outside of a bubble: the garbage collector keeps its own time.
func TestAForgottenLeaseIsCountedOnceAndItsKeyLeftAlone(t *testing.T) {
	b, x := newScripted(), newTelemetry()
	l := newLocker(t, b, x.Options()...)
	target := newTarget(t, l, "projects", "lock:projects:*", otellock.WithTTL(time.Hour))
	ctx := context.Background()
	func() {
		for _, id := range []string{"released", "forgotten"} {
			lease, err := target.Mutex(id).Lock(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if id == "released" {
				if err := lease.Release(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
	}()
	kept, err := target.Mutex("kept").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	abandoned := attempt{"cleanup", "abandoned", "", ""}
	eventually(t, "the forgotten lease is counted", func() bool {
		runtime.GC()
		return x.Attempts(t)[abandoned] != 0
	})
	if got := x.Attempts(t)[abandoned]; got != 1 || !kept.Protected() {
		t.Errorf("%d leases counted as abandoned, the kept one protected: %t", got, kept.Protected())
	}
	if got := x.Total(t, "lock.held"); got != 1 {
		t.Errorf("lock.held is %d, want 1 for the one that is kept", got)
	}
	if ran, err := target.Mutex("forgotten").TryDo(ctx, nothing); ran || err != nil {
		t.Errorf("the forgotten key was given to another: ran %t, %v", ran, err)
	}
	if err := kept.Release(ctx); err != nil {
		t.Error(err)
	}
	if got := len(x.Logs.All()); got != 0 {
		t.Errorf("%d records", got)
	}
}

func TestGenericDoReturnsWhatFnReturns(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		m := b.target.Mutex("7")
		five := func(context.Context) (int, error) { return 5, nil }
		for _, c := range []struct {
			name    string
			prepare func()
			m       otellock.Mutex
			fn      func(context.Context) (int, error)
			want    int
			err     error
		}{
			{"a result", func() {}, m, five, 5, nil},
			{"a result beside an error", func() {}, m, func(context.Context) (int, error) { return 6, errOwn }, 6, errOwn},
			{"failed open", func() { b.backend.Fail(errRefused) }, m, five, 5, nil},
			{"failed closed", func() { b.backend.Fail(errRefused) }, m.With(otellock.WithFailClosed(true)), five, 0, otellock.ErrBackend},
			{"a loss, failed closed", func() {}, m.With(otellock.WithFailClosed(true)),
				func(context.Context) (int, error) { b.backend.Clear(); return 7, nil }, 7, otellock.ErrLost},
			{"busy", func() { b.take(t, "lock:projects:7") }, m.With(otellock.WithWait(0)), five, 0, otellock.ErrContended},
		} {
			b.backend.Fail(nil)
			b.backend.Clear()
			c.prepare()
			if got, err := otellock.Do(b.ctx, c.m, c.fn); got != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%s: %d, %v; want %d, %v", c.name, got, err, c.want, c.err)
			}
		}
	})
}
