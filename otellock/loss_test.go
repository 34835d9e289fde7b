package otellock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// untilLost is work that ends when its context does, and says why.
func untilLost(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// How a lease of 9 s is lost, when its work is told, and what is said of it.
func TestALossEndsTheWorkWithItsCause(t *testing.T) {
	const ttl, renewed = 9 * time.Second, 9*time.Second - 250*time.Millisecond
	release := func(class string) attempt { return attempt{"release", "release_error", class, "closed"} }
	extend := func(class string) attempt { return attempt{"extend", "extend_error", class, "closed"} }
	for _, c := range []struct {
		name    string
		opts    []otellock.LockOption
		fate    func(*testing.T, *lab)
		want    error
		at      time.Duration
		warned  string
		counted []attempt
	}{
		{
			name: "it runs out", want: otellock.ErrExpired, at: ttl,
			fate:   func(*testing.T, *lab) {},
			warned: "release_error expired", counted: []attempt{release("expired")},
		},
		{
			name: "its limit is reached", want: otellock.ErrExpired, at: 20*time.Second - 250*time.Millisecond,
			opts:   []otellock.LockOption{otellock.WithAutoExtend(20 * time.Second)},
			fate:   func(*testing.T, *lab) {},
			warned: "release_error expired", counted: []attempt{release("expired")},
		},
		{
			name: "a renewal finds it gone", want: otellock.ErrLost, at: 3 * time.Second,
			opts:   []otellock.LockOption{otellock.WithAutoExtend(time.Hour)},
			fate:   func(_ *testing.T, b *lab) { b.backend.Clear() },
			warned: "extend_error lost", counted: []attempt{extend("lost"), release("lost")},
		},
		{
			name: "a renewal finds another's", want: otellock.ErrStolen, at: 3 * time.Second,
			opts:   []otellock.LockOption{otellock.WithAutoExtend(time.Hour)},
			fate:   func(t *testing.T, b *lab) { b.backend.Clear(); b.take(t, "lock:projects:7") },
			warned: "extend_error stolen", counted: []attempt{extend("stolen"), release("stolen")},
		},
		{
			name: "renewals fail until it is over", want: otellock.ErrExpired, at: renewed,
			opts: []otellock.LockOption{otellock.WithAutoExtend(time.Hour)},
			fate: func(_ *testing.T, b *lab) {
				b.backend.Script(func() { b.backend.OnExtend = slices.Repeat([]fault{answers(errRefused)}, 100) })
			},
			warned:  "extend_error connection_refused, release_error expired",
			counted: []attempt{release("expired")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				opts := append([]otellock.LockOption{otellock.WithTTL(ttl), otellock.WithFailClosed(true)}, c.opts...)
				var cause error
				err := b.target.Mutex("7").With(opts...).Do(b.ctx, func(ctx context.Context) error {
					start := time.Now()
					c.fate(t, b)
					cause = untilLost(ctx)
					if told := time.Since(start); told != c.at {
						t.Errorf("told after %v, want %v", told, c.at)
					}
					if !errors.Is(ctx.Err(), context.Canceled) {
						t.Errorf("Err: %v", ctx.Err())
					}
					if otellock.LeaseFromContext(ctx).Protected() {
						t.Error("a lost lease protects")
					}
					return cause
				})
				if !errors.Is(cause, c.want) || err != cause {
					t.Errorf("the cause is %v, Do returned %v; want %v, once", cause, err, c.want)
				}
				if _, own := otellock.OwnError(b.ctx, err); !own {
					t.Errorf("%v is not taken for the lock's own", err)
				}
				seen := map[string]bool{}
				var warned string
				synctest.Wait()
				for _, w := range b.tel.Warnings() {
					if text := fmt.Sprint(w["lock.action"], " ", w["error.type"]); !seen[text] {
						seen[text] = true
						if warned != "" {
							warned += ", "
						}
						warned += text
					}
				}
				if warned != c.warned {
					t.Errorf("warned %q, want %q", warned, c.warned)
				}
				counted := b.tel.Attempts(t)
				for _, want := range c.counted {
					if counted[want] != 1 {
						t.Errorf("%v is not counted once in %v", want, counted)
					}
					delete(counted, want)
				}
				for a, n := range counted {
					if a.Outcome() == "released" || a.Outcome() == "release_error" {
						t.Errorf("%v is counted %d times", a, n)
					}
				}
				if held := b.tel.Total(t, "lock.held"); held != 0 {
					t.Errorf("lock.held is %d", held)
				}
			})
		})
	}
}

// The last renewal's error says why there was none.
func TestALeaseThatExpiredBecauseRenewalsFailedSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		b.backend.Script(func() { b.backend.OnExtend = slices.Repeat([]fault{answers(errRefused)}, 100) })
		err := b.renewed("7", time.Hour, otellock.WithFailClosed(true)).Do(b.ctx, untilLost)
		var refused *otellock.Error
		if !errors.As(err, &refused) || refused.Op != "lease" || refused.Type != "expired" {
			t.Fatalf("Do: %v", err)
		}
		if !errors.Is(err, errRefused) || err.Error() != "otellock: lease projects: expired" {
			t.Errorf("the renewal's error is not in %q", err)
		}
	})
}

// The key is on the server for a while after the work was told: the release goes
// there all the same, and nothing else is counted.
func TestALeaseThatTheClockEndedIsReleasedAllTheSame(t *testing.T) {
	for name, answer := range map[string]fault{"and the server had it still": works, "and the server fails": answers(errRefused), "and nobody answers": hangs} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				b.backend.Script(func() {
					b.backend.OnExtend = slices.Repeat([]fault{answers(errRefused)}, 100)
					b.backend.OnRelease = []fault{answer, answer}
				})
				err := b.renewed("7", time.Hour, otellock.WithFailClosed(true)).Do(b.ctx, untilLost)
				if !errors.Is(err, otellock.ErrExpired) {
					t.Errorf("Do: %v", err)
				}
				if err := b.locker.Close(b.ctx); err != nil {
					t.Error(err)
				}
				if b.called("release") == 0 {
					t.Error("no release was sent")
				}
				grant, err := b.backend.Backend.Acquire(b.ctx, otellock.Claim{Key: "lock:projects:7", Token: "another", TTL: time.Minute})
				if err != nil || !grant.Acquired {
					t.Errorf("the key is left: %v, %v", grant, err)
				}
				counted := b.tel.Attempts(t)
				if counted[attempt{"release", "release_error", "expired", "closed"}] != 1 || counted[attempt{"release", "released", "", ""}] != 0 {
					t.Errorf("counted %v", counted)
				}
			})
		})
	}
}

func TestWhatIsJoinedToTheErrorOfWorkThatWasStopped(t *testing.T) {
	for _, c := range []struct {
		name   string
		closed bool
		fn     func(context.Context) error
		is     []error
		lock   bool // the lock's own error is in it
	}{
		{"closed: the cause itself", true, untilLost, []error{otellock.ErrExpired}, true},
		{"closed: the cause, wrapped", true, func(ctx context.Context) error { return fmt.Errorf("stopped: %w", untilLost(ctx)) }, []error{otellock.ErrExpired}, true},
		{"closed: the context's error", true, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, []error{context.Canceled, otellock.ErrExpired}, true},
		{"closed: nothing", true, func(ctx context.Context) error { <-ctx.Done(); return nil }, []error{otellock.ErrExpired}, true},
		{"open: the cause itself", false, untilLost, []error{otellock.ErrExpired}, true},
		{"open: the context's error", false, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, []error{context.Canceled, otellock.ErrExpired}, true},
		{"open: nothing", false, func(ctx context.Context) error { <-ctx.Done(); return nil }, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				err := b.target.Mutex("7").With(otellock.WithFailClosed(c.closed), otellock.WithCancelOnLoss(true)).Do(b.ctx, c.fn)
				for _, want := range c.is {
					if !errors.Is(err, want) {
						t.Errorf("Do: %v, want %v in it", err, want)
					}
				}
				if n := losses(err); c.lock && n != 1 || !c.lock && err != nil {
					t.Errorf("Do: %v, with %d errors of the lock", err, n)
				}
				wantWarnings(t, b, "release_error expired")
			})
		})
	}
}

// losses counts the lock's own errors in the tree.
func losses(err error) (n int) {
	if _, ok := err.(*otellock.Error); ok {
		return 1
	}
	switch wrapped := err.(type) {
	case interface{ Unwrap() error }:
		return losses(wrapped.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range wrapped.Unwrap() {
			n += losses(err)
		}
	}
	return n
}

func TestWhereALossDoesNotEndTheWork(t *testing.T) {
	for name, opts := range map[string][]otellock.LockOption{
		"fail-open":                          nil,
		"fail-closed and switched off":       {otellock.WithFailClosed(true), otellock.WithCancelOnLoss(false)},
		"fail-open, renewed up to the limit": {otellock.WithAutoExtend(11 * time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				_ = b.target.Mutex("7").With(opts...).Do(b.ctx, func(ctx context.Context) error {
					time.Sleep(time.Minute)
					if ctx.Err() != nil {
						t.Errorf("the context has ended: %v", context.Cause(ctx))
					}
					return nil
				})
				wantWarnings(t, b, "release_error expired")
			})
		})
	}
}

// The warning of a renewed lease does not wait for its release.
func TestALossIsWarnedOfAtThatMoment(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		err := b.renewed("7", 10*time.Second).Do(b.ctx, func(context.Context) error {
			time.Sleep(10*time.Second - 1)
			wantWarnings(t, b)
			time.Sleep(2 * time.Nanosecond)
			wantWarnings(t, b, "release_error expired")
			if n := b.tel.Attempts(t)[attempt{"release", "release_error", "expired", "open"}]; n != 1 {
				t.Errorf("counted %d times", n)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		wantWarnings(t, b, "release_error expired")
		if caller := b.tel.Warnings()[0]["code.function.name"]; !strings.HasSuffix(fmt.Sprint(caller), "TestALossIsWarnedOfAtThatMoment.func1") {
			t.Errorf("the warning names %v as the caller", caller)
		}
		span := b.tel.Ended("release projects")[0]
		if span.Status().Description != "expired" || len(span.Events()) != 1 {
			t.Errorf("the release's span: %v, %v", span.Status(), span.Events())
		}
	})
}

// fn's context ends for a reason, or not at all.
func TestTheContextOfTheWorkIsNeverCancelledWithoutACause(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		opts := []otellock.LockOption{otellock.WithCancelOnLoss(true)}
		if err := b.renewed("7", 3*time.Hour, opts...).Do(b.ctx, func(ctx context.Context) error {
			time.Sleep(2 * time.Hour)
			return context.Cause(ctx)
		}); err != nil {
			t.Errorf("a lease that was held: %v", err)
		}

		ctx, cancel := context.WithCancelCause(b.ctx)
		err := b.renewed("7", time.Hour, opts...).Do(ctx, func(ctx context.Context) error { cancel(errOwn); return untilLost(ctx) })
		if err != errOwn {
			t.Errorf("a caller who has gone: %v", err)
		}

		lease, err := b.renewed("7", time.Hour, opts...).Lock(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		work := lease.Context()
		if otellock.LeaseFromContext(work) != lease {
			t.Error("the context does not carry its lease")
		}
		if ran, err := b.target.Mutex("7").TryDo(work, nothing); ran || err != nil {
			t.Errorf("the lock of this context: %t, %v", ran, err)
		}
		if err := lease.Release(b.ctx); err != nil {
			t.Fatal(err)
		}
		if cause := context.Cause(work); cause != context.Canceled {
			t.Errorf("after the release: %v", cause)
		}

		lease, err = b.renewed("8", time.Hour, opts...).Lock(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.locker.Close(b.ctx); err != nil {
			t.Fatal(err)
		}
		if cause := context.Cause(lease.Context()); !errors.Is(cause, otellock.ErrClosed) {
			t.Errorf("after Close: %v", cause)
		}
		wantWarnings(t, b)
	})
}

func TestTheContextOfAnUnwatchedLeaseIsTheCallers(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(b.ctx, key{}, "v"))
		lease, err := b.target.Mutex("7").Lock(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := lease.Release(b.ctx); err != nil {
			t.Fatal(err)
		}
		if work := lease.Context(); work.Err() != nil || work.Value(key{}) != "v" {
			t.Errorf("%v, %v", work.Err(), work.Value(key{}))
		}
		cancel()
		if lease.Context().Err() == nil {
			t.Error("it does not end with the caller's")
		}
		var none *otellock.Lease
		if none.Context() == nil || none.Remaining() != 0 {
			t.Error("a nil lease has no context")
		}
		if _, ok := none.Fence(); ok {
			t.Error("a nil lease has a fence")
		}
	})
}

// Who extends by hand keeps the work running.
func TestAnExtendMovesTheEndOfTheWork(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		_ = b.target.Mutex("7").With(otellock.WithFailClosed(true)).Do(b.ctx, func(ctx context.Context) error {
			start := time.Now()
			time.Sleep(9 * time.Second)
			if err := otellock.LeaseFromContext(ctx).Extend(ctx, 30*time.Second); err != nil {
				t.Fatal(err)
			}
			<-ctx.Done()
			if lasted := time.Since(start); lasted != 39*time.Second {
				t.Errorf("it ended after %v", lasted)
			}
			return nil
		})
		_ = b.target.Mutex("8").With(otellock.WithFailClosed(true)).Do(b.ctx, func(ctx context.Context) error {
			start := time.Now()
			if err := otellock.LeaseFromContext(ctx).Extend(ctx, 2*time.Second); err != nil {
				t.Fatal(err)
			}
			<-ctx.Done()
			if lasted := time.Since(start); lasted != 2*time.Second {
				t.Errorf("shortened, it ended after %v", lasted)
			}
			return nil
		})
	})
}

// How long before its deadline the work of a renewed lease is told goes by the time
// to live that it has now.
func TestAnExtendToLessThanAnAttemptTimeoutIsNoLoss(t *testing.T) {
	const short = 180 * time.Millisecond // below the attempt timeout of 250 ms
	for _, c := range []struct {
		name     string
		opts     []otellock.LockOption
		ttl      time.Duration
		renewals int // that are granted after the Extend
		told     time.Duration
	}{
		{"and no renewal is granted", nil, short, 0, short - short/3},
		{"and the next renewal is granted", nil, short, 1, short/3 + 9*time.Second - 250*time.Millisecond},
		{"and a timeout that was set is more than a third", []otellock.LockOption{otellock.WithAttemptTimeout(250 * time.Millisecond)},
			300 * time.Millisecond, 0, 200 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				b.backend.Script(func() {
					b.backend.OnExtend = append(slices.Repeat([]fault{works}, 1+c.renewals), slices.Repeat([]fault{answers(errRefused)}, 200)...)
				})
				opts := append(c.opts, otellock.WithCancelOnLoss(true))
				_ = b.renewed("7", time.Hour, opts...).Do(b.ctx, func(ctx context.Context) error {
					start := time.Now()
					if err := otellock.LeaseFromContext(ctx).Extend(ctx, c.ttl); err != nil {
						t.Errorf("Extend: %v", err)
					}
					cause := untilLost(ctx)
					if told := time.Since(start); told != c.told || !errors.Is(cause, otellock.ErrExpired) {
						t.Errorf("told after %v, want %v; the cause is %v", told, c.told, cause)
					}
					return nil
				})
			})
		})
	}
	t.Run("and renewals go on", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *lab) {
			if err := b.renewed("7", time.Hour, otellock.WithFailClosed(true)).Do(b.ctx, func(ctx context.Context) error {
				if err := otellock.LeaseFromContext(ctx).Extend(ctx, short); err != nil {
					return err
				}
				time.Sleep(time.Minute)
				return context.Cause(ctx)
			}); err != nil {
				t.Error(err)
			}
			wantWarnings(t, b)
		})
	})
}

// What the server says later changes nothing: the work was told that it is over.
func TestAnExtendThatIsAnsweredAfterTheLossIsTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		b.backend.Script(func() { b.backend.OnExtend = []fault{after(200*time.Millisecond, works)} })
		_ = b.target.Mutex("7").With(otellock.WithFailClosed(true)).Do(b.ctx, func(ctx context.Context) error {
			lease := otellock.LeaseFromContext(ctx)
			time.Sleep(10*time.Second - 100*time.Millisecond)
			deadline := lease.Deadline()
			if err := lease.Extend(ctx, time.Minute); !errors.Is(err, otellock.ErrExpired) || err != context.Cause(ctx) {
				t.Errorf("Extend: %v, the cause is %v", err, context.Cause(ctx))
			}
			expectDeadline(t, lease, deadline)
			return nil
		})
		wantWarnings(t, b, "release_error expired")
		got := b.tel.Attempts(t)
		if got[attempt{"extend", "extend_error", "expired", "closed"}] != 1 || got[attempt{"release", "release_error", "expired", "closed"}] != 1 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestAnExtendInAContextThatTheLossHasEndedReturnsTheLoss(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		_ = b.target.Mutex("7").With(otellock.WithCancelOnLoss(true)).Do(b.ctx, func(ctx context.Context) error {
			lease := otellock.LeaseFromContext(ctx)
			b.backend.Clear()
			first := lease.Extend(ctx, time.Minute)
			<-ctx.Done()
			if again := lease.Extend(ctx, time.Minute); !errors.Is(first, otellock.ErrLost) || again != first {
				t.Errorf("Extend: %v, and again: %v", first, again)
			}
			return nil
		})
	})
}

// The release of the work that a loss has stopped races with the report of that loss.
func TestALossThatStopsTheWorkIsSaidOnce(t *testing.T) {
	for range 200 {
		inVirtualTime(t, func(s *stage) {
			_ = s.Mutex().With(otellock.WithCancelOnLoss(true)).Do(s.Ctx, func(ctx context.Context) error {
				<-ctx.Done()
				return nil
			})
			s.WantCounted(map[attempt]int64{{"acquire", "acquired", "", ""}: 1, {"release", "release_error", "expired", "open"}: 1})
		})
		if t.Failed() {
			return
		}
	}
}
