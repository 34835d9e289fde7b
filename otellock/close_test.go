package otellock_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/otellock/otellock-go/otellock"
)

func TestAClosedLockerRefusesEveryMethodAndCountsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		closeWithin(t, b.locker, 0)
		late := newTarget(t, b.locker, "mails", "lock:mails:*")
		for name, m := range map[string]otellock.Mutex{
			"declared before": b.target.Mutex("marker-id"),
			"declared after":  late.Mutex("marker-id"),
			"derived":         b.locker.UndeclaredMutex("lock:projects:marker-id"),
			"disabled":        b.target.Mutex("marker-id").With(otellock.WithEnabled(func(context.Context) bool { return false })),
		} {
			errs, ran := everyMethod(b.ctx, m)
			for method, err := range errs {
				var e *otellock.Error
				if !errors.Is(err, otellock.ErrClosed) || !errors.As(err, &e) || e.Type != "closed" {
					t.Errorf("%s: %s: %v", name, method, err)
				}
				expectWithout(t, method, "marker-id", err)
			}
			if ran != 0 {
				t.Errorf("%s: ran %d times", name, ran)
			}
		}
		if len(b.backend.Calls) != 0 {
			t.Errorf("the backend was asked %v", b.backend.Calls)
		}
		expectNothingCounted(t, b.tel)
	})
}

func TestCloseWaitsForARunningDo(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		start, ended := time.Now(), false
		go func() {
			err := b.target.Mutex("7").Do(b.ctx, func(context.Context) error {
				time.Sleep(3 * time.Second)
				ended = true
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		closeWithin(t, b.locker, time.Minute)
		if took := time.Since(start); took != 3*time.Second || !ended {
			t.Errorf("Close took %v, fn ended: %t", took, ended)
		}
		if got := b.tel.Attempts(t); !equalCounts(got, plain) {
			t.Errorf("counted %v, want %v", got, plain)
		}
	})
}

func TestCloseNeverReleasesUnderARunningFunction(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		done := make(chan error)
		go func() {
			done <- b.target.Mutex("7").Do(b.ctx, func(ctx context.Context) error {
				time.Sleep(3 * time.Second)
				if !otellock.LeaseFromContext(ctx).Protected() {
					t.Error("the lease was taken from under fn")
				}
				return nil
			})
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(b.ctx, time.Second)
		defer cancel()
		start := time.Now()
		if err := b.locker.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Close after %v: %v", time.Since(start), err)
		}
		if b.called("release") != 0 {
			t.Error("Close released it")
		}
		if err := <-done; err != nil {
			t.Errorf("Do: %v", err)
		}
		if got := b.tel.Attempts(t); !equalCounts(got, plain) {
			t.Errorf("counted %v, want %v", got, plain)
		}
	})
}

func TestCloseEndsTheWaitOfNobodyButItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		b.take(t, "lock:projects:7")
		done := make(chan error)
		go func() { done <- b.target.Mutex("7").Do(b.ctx, nothing) }()
		synctest.Wait()
		start := time.Now()
		go func() {
			if err := b.locker.Close(b.ctx); err != nil || time.Since(start) < 3*time.Second {
				t.Errorf("Close after %v: %v", time.Since(start), err)
			}
		}()
		if err := <-done; !errors.Is(err, otellock.ErrContended) {
			t.Errorf("a waiter that came before Close: %v", err)
		}
	})
}

func TestCloseReleasesWhatLockGaveOut(t *testing.T) {
	for _, ended := range []bool{false, true} {
		inBubble(t, func(t *testing.T, b *lab) {
			forgotten, lease := b.lock(t, "1"), b.lock(t, "2")
			try, ok, err := b.target.Mutex("3").TryLock(b.ctx)
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			released := b.lock(t, "4")
			if err := released.Release(b.ctx); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.ctx)
			defer cancel()
			if ended {
				cancel() // the leases are still given back
			}
			if err := b.locker.Close(ctx); err != nil {
				t.Fatalf("Close: %v", err)
			}
			for _, id := range []string{"1", "2", "3", "4"} {
				b.take(t, "lock:projects:"+id)
			}
			for _, l := range []*otellock.Lease{forgotten, lease, try} {
				for range 2 {
					if err := l.Release(b.ctx); !errors.Is(err, otellock.ErrClosed) {
						t.Errorf("a later Release: %v", err)
					}
				}
				if err := l.Extend(b.ctx, time.Minute); err == nil || l.Protected() {
					t.Errorf("a later Extend: %v, protected %t", err, l.Protected())
				}
			}
			if err := released.Release(b.ctx); err != nil {
				t.Errorf("Release of what was released before Close: %v", err)
			}
			got := b.tel.Attempts(t)
			if got[attempt{"cleanup", "cleaned", "", ""}] != 3 || got[attempt{"release", "released", "", ""}] != 1 || b.tel.Total(t, "lock.held") != 0 {
				t.Errorf("counted %v, held %d", got, b.tel.Total(t, "lock.held"))
			}
			if records := len(b.tel.Logs.All()); records != 0 {
				t.Errorf("%d records", records)
			}
		})
	}
}

func TestCloseSaysWhatItCouldNotRelease(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		lease := b.lock(t, "marker-id")
		b.backend.Fail(errRefused)
		err := b.locker.Close(b.ctx)
		if !errors.Is(err, otellock.ErrBackend) {
			t.Errorf("Close: %v", err)
		}
		expectWithout(t, "Close", "marker-id", err)
		if got := b.tel.Attempts(t)[attempt{"cleanup", "cleanup_error", "connection_refused", ""}]; got != 1 {
			t.Errorf("counted %v", b.tel.Attempts(t))
		}
		if records := len(b.tel.Logs.All()); records != 0 {
			t.Errorf("%d records", records)
		}
		if err := lease.Release(b.ctx); !errors.Is(err, otellock.ErrClosed) {
			t.Errorf("a later Release: %v", err)
		}
		if err := b.locker.Close(b.ctx); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

func TestCloseMayBeCalledAgainAndTogetherConcurrentSafe(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		for _, id := range []string{"1", "2", "3", "4"} {
			b.backend.Script(func() { b.backend.OnRelease = append(b.backend.OnRelease, yields) })
			_ = b.lock(t, id)
		}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if err := b.locker.Close(b.ctx); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		group.Wait()
		if err := b.locker.Close(b.ctx); err != nil || b.called("release") != 4 {
			t.Errorf("Close again: %v; released %d times", err, b.called("release"))
		}
	})
}

// A holder that releases while Close does gets its release or ErrClosed, and
// Close gets no error from it.
func TestCloseAndReleaseTogetherConcurrentSafe(t *testing.T) {
	for range 50 {
		inBubble(t, func(t *testing.T, b *lab) {
			lease := b.lock(t, "7")
			var group sync.WaitGroup
			group.Go(func() {
				if err := b.locker.Close(b.ctx); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			group.Go(func() {
				if err := lease.Release(b.ctx); err != nil && !errors.Is(err, otellock.ErrClosed) {
					t.Errorf("Release: %v", err)
				}
			})
			group.Wait()
			if b.called("release") != 1 || b.tel.Total(t, "lock.held") != 0 {
				t.Errorf("released %d times, held %d", b.called("release"), b.tel.Total(t, "lock.held"))
			}
		})
	}
}

func TestNothingRunsAfterCloseConcurrentSafe(t *testing.T) {
	b, x := newScripted(), newTelemetry()
	l := newLocker(t, b, x.Options()...)
	target := newTarget(t, l, "projects", "lock:projects:*")
	var inside, afterClose atomic.Int64
	var closed atomic.Bool
	var group, started sync.WaitGroup
	for i := range 16 {
		group.Add(1)
		started.Add(1)
		go func() {
			defer group.Done()
			m := target.Mutex(string(rune('a' + i%4)))
			for n := 0; ; n++ {
				_, err := m.TryDo(context.Background(), func(context.Context) error {
					inside.Add(1)
					if closed.Load() {
						afterClose.Add(1)
					}
					inside.Add(-1)
					return nil
				})
				if n == 10 {
					started.Done()
				}
				if errors.Is(err, otellock.ErrClosed) {
					if n < 10 {
						started.Done()
					}
					return
				}
			}
		}()
	}
	started.Wait()
	if err := l.Close(context.Background()); err != nil {
		t.Error(err)
	}
	closed.Store(true)
	if n := inside.Load(); n != 0 {
		t.Errorf("%d functions run after Close has returned", n)
	}
	group.Wait()
	if n := afterClose.Load(); n != 0 {
		t.Errorf("%d functions ran after Close", n)
	}
	if held := x.Total(t, "lock.held"); held != 0 {
		t.Errorf("lock.held is %d", held)
	}
}

func TestAClosedLockerLeavesNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	b, x := newScripted(), newTelemetry()
	l, err := otellock.New(b, x.Options(otellock.WithAttemptTimeout(5*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	target := newTarget(t, l, "projects", "lock:projects:*")
	ctx := context.Background()
	_, err = target.Mutex("manual").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 { // each leaves a token that is cleaned up in the background
		b.Script(func() { b.OnAcquire = append(b.OnAcquire, losesReply) })
		if err := target.Mutex("lost").Do(ctx, nothing); err != nil {
			t.Fatal(err)
		}
	}
	_ = target.Mutex("lost").With(otellock.WithWait(time.Millisecond)).Do(ctx, nothing)
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}
