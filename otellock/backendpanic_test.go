package otellock_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

func panics(context.Context, func() error) error { panic("a bug of the backend") }

func exits(context.Context, func() error) error { runtime.Goexit(); return nil }

// A backend that panics costs what one that does not answer costs, in every
// operation: fn runs, the span ends, the lease ends, Close returns.
func TestABackendThatPanicsHasNotAnswered(t *testing.T) {
	for _, test := range []struct {
		name    string
		script  func(*scriptedBackend)
		counted map[attempt]int64
	}{
		{
			name:    "acquire",
			script:  func(b *scriptedBackend) { b.OnAcquire = []fault{panics} },
			counted: only(attempt{"acquire", "backend_error", "_OTHER", "open"}, attempt{"cleanup", "cleaned", "", ""}),
		},
		{
			name: "acquire and its cleanup",
			script: func(b *scriptedBackend) {
				b.Script(func() { b.OnAcquire, b.OnRelease = []fault{panics}, slices.Repeat([]fault{panics}, 64) })
			},
			counted: only(attempt{"acquire", "backend_error", "_OTHER", "open"}, attempt{"cleanup", "cleanup_error", "_OTHER", ""}),
		},
		{
			name:    "release",
			script:  func(b *scriptedBackend) { b.OnRelease = []fault{panics, panics} },
			counted: with(acquiredOnce, attempt{"release", "release_error", "_OTHER", "open"}, attempt{"extend", "extended", "", ""}, attempt{"cleanup", "cleaned", "", ""}),
		},
		{
			name:    "extend",
			script:  func(b *scriptedBackend) { b.OnExtend = []fault{panics, panics} },
			counted: with(plain, attempt{"extend", "extend_error", "_OTHER", "closed"}),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tel, b := newTelemetry(), newScripted()
				l := tel.Locker(t, b)
				test.script(b)
				ran := 0
				err := declare(t, l, "projects").Mutex("7").Do(t.Context(), func(ctx context.Context) error {
					ran++
					if lease := otellock.LeaseFromContext(ctx); lease.Protected() {
						_ = lease.Extend(ctx, time.Minute)
					}
					return nil
				})
				if err != nil || ran != 1 {
					t.Errorf("Do = %v, fn ran %d times", err, ran)
				}
				if err := l.Close(t.Context()); err != nil {
					t.Errorf("Close = %v", err)
				}
				if got := tel.Attempts(t); !maps.Equal(got, test.counted) {
					t.Errorf("counted\n%v\nwant\n%v", got, test.counted)
				}
				if held := tel.Total(t, "lock.held"); held != 0 {
					t.Errorf("lock.held = %d", held)
				}
				if started, ended := len(tel.Spans.Started()), len(tel.Spans.Ended()); started != ended {
					t.Errorf("%d spans were started and %d ended", started, ended)
				}
			})
		})
	}
}

// forgetless is a backend that wakes waiters, and panics when it is told to forget one.
type forgetless struct{ *memorybackend.Backend }

func (forgetless) Forget(string, otellock.Waiter) { panic("a bug of the backend") }

func TestABackendThatPanicsWhenAWaiterLeavesChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := declare(t, newTelemetry().Locker(t, forgetless{memorybackend.New()}), "projects", otellock.WithWait(time.Second))
		holder, err := target.Mutex("7").Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := target.Mutex("7").Do(t.Context(), nothing); !errors.Is(err, otellock.ErrContended) {
			t.Errorf("Do = %v, want contended", err)
		}
		if err := holder.Release(t.Context()); err != nil {
			t.Errorf("Release = %v", err)
		}
	})
}

// A fake backend calls t.FailNow, and so Goexit: the lease must not stay locked.
func TestABackendThatExitsItsGoroutineLocksNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel, b := newTelemetry(), newScripted()
		l := tel.Locker(t, b)
		b.Script(func() { b.OnRelease = []fault{exits} })
		lease, err := declare(t, l, "projects").Mutex("7").Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = lease.Release(t.Context()) }()
		synctest.Wait()
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("the next Release = %v", err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

func TestExtendReturnsTheSameLossAfterTheRelease(t *testing.T) {
	b := newScripted()
	l := newTelemetry().Locker(t, b)
	lease, err := declare(t, l, "projects").Mutex("7").Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Clear()
	if _, err := b.Backend.Acquire(t.Context(), otellock.Claim{Key: "lock:projects:7", Token: "another", TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	first := lease.Extend(t.Context(), time.Minute)
	_ = lease.Release(t.Context())
	again := lease.Extend(t.Context(), time.Minute)
	if !errors.Is(first, otellock.ErrStolen) || again != first {
		t.Errorf("Extend = %v, and after the release %v", first, again)
	}
}

// An alert on increase() sees nothing of a series that is born at 1, so those of
// both policies are there before the first loss, wherever the policy was chosen.
func TestSeriesOfLossesExistAtZeroForEachPolicy(t *testing.T) {
	closed := otellock.WithFailClosed(true)
	for _, test := range []struct {
		name string
		lock func(t *testing.T, l *otellock.Locker) otellock.Mutex
	}{
		{"of the target", func(t *testing.T, l *otellock.Locker) otellock.Mutex {
			return declare(t, l, "projects", closed).Mutex("7")
		}},
		{"of a target declared again", func(t *testing.T, l *otellock.Locker) otellock.Mutex {
			declare(t, l, "projects")
			return declare(t, l, "projects", closed).Mutex("7")
		}},
		{"of the call", func(t *testing.T, l *otellock.Locker) otellock.Mutex {
			return declare(t, l, "projects").Mutex("7").With(closed)
		}},
		{"of a derived target", func(t *testing.T, l *otellock.Locker) otellock.Mutex {
			return l.UndeclaredMutex("lock:projects:7").With(closed)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tel := newTelemetry()
			l := tel.Locker(t, newScripted())
			if err := test.lock(t, l).Do(t.Context(), nothing); err != nil {
				t.Fatal(err)
			}
			missing := map[string]bool{"expired": true, "lost": true, "stolen": true}
			for _, p := range tel.Sums(t, "lock.attempts") {
				if text(p.Attributes, "lock.outcome") == "release_error" && text(p.Attributes, "lock.failure_policy") == "closed" {
					delete(missing, text(p.Attributes, "error.type"))
				}
			}
			if len(missing) > 0 {
				t.Errorf("no series yet of %v", missing)
			}
		})
	}
}

// A backend may look at its context after the attempt: the answer stays.
func TestTheContextOfAnAttemptKeepsItsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newScripted()
		l := newTelemetry().Locker(t, b)
		var kept context.Context
		b.OnAcquire = []fault{func(ctx context.Context, _ func() error) error {
			kept = ctx
			time.Sleep(time.Second) // virtual: past the deadline
			return ctx.Err()
		}}
		if err := declare(t, l, "projects").Mutex("7").Do(t.Context(), nothing); err != nil {
			t.Fatal(err)
		}
		if err := kept.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the attempt the context says %v", err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
