package otellock_test

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/otellock"
)

type keyValue = attribute.KeyValue

func recording(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// renewed is the lock of a lease of 9 s that is renewed every 3 s.
func (b *lab) renewed(id string, limit time.Duration, opts ...otellock.LockOption) otellock.Mutex {
	return b.target.Mutex(id).With(append([]otellock.LockOption{otellock.WithTTL(9 * time.Second), otellock.WithAutoExtend(limit)}, opts...)...)
}

func sleeps(d time.Duration) func(context.Context) error {
	return func(context.Context) error { time.Sleep(d); return nil }
}

func TestALeaseIsRenewedEveryThirdOfItsTimeToLive(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		err := b.renewed("7", time.Hour).Do(b.ctx, func(ctx context.Context) error {
			lease, start := otellock.LeaseFromContext(ctx), time.Now()
			for i := range 20 {
				time.Sleep(time.Until(start.Add(time.Duration(i)*3*time.Second + time.Millisecond)))
				expectDeadline(t, lease, start.Add(time.Duration(i*3+9)*time.Second))
				if b.called("extend") != i || !lease.Protected() || ctx.Err() != nil {
					t.Errorf("%d renewals after %d thirds, %v, %v", b.called("extend"), i, lease, ctx.Err())
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := b.called("extend"); n != 19 {
			t.Errorf("%d renewals, some after the release", n)
		}
		wantAttempts(t, b, map[attempt]int64{
			{"acquire", "acquired", "", ""}: 1, {"extend", "extended", "", ""}: 19, {"release", "released", "", ""}: 1})
	})
}

func wantAttempts(t *testing.T, b *lab, want map[attempt]int64) {
	t.Helper()
	if got := b.tel.Attempts(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counted\n%v\nwant\n%v", got, want)
	}
}

// The last renewal is cut, so that nobody is blocked for longer than the limit by
// a holder that has crashed.
func TestRenewalEndsWithTheLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		start := time.Now()
		lease, err := b.renewed("7", 20*time.Second).Lock(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20*time.Second - 1)
		expectDeadline(t, lease, start.Add(20*time.Second))
		if !lease.Protected() || len(b.tel.Warnings()) != 0 {
			t.Errorf("lost before the limit: %v", lease)
		}
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		if lease.Protected() {
			t.Error("held beyond the limit")
		}
		if err := lease.Release(b.ctx); !errors.Is(err, otellock.ErrExpired) {
			t.Errorf("Release: %v", err)
		}
		wantWarnings(t, b, "release_error expired")
	})
}

// wantWarnings waits for the records under way.
func wantWarnings(t *testing.T, b *lab, want ...string) {
	t.Helper()
	synctest.Wait()
	var got []string
	for _, w := range b.tel.Warnings() {
		got = append(got, fmt.Sprint(w["lock.action"], " ", w["error.type"]))
	}
	if !slices.Equal(got, want) {
		t.Errorf("warned %q, want %q", got, want)
	}
}

func TestARenewalThatFailsIsCountedAndTriedAgainWithinTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		b.backend.Script(func() { b.backend.OnExtend = []fault{answers(errRefused), hangs, hangs, losesReply, works} })
		err := b.renewed("7", time.Hour, otellock.WithFailClosed(true)).Do(b.ctx, func(ctx context.Context) error {
			time.Sleep(20 * time.Second)
			return context.Cause(ctx)
		})
		if err != nil {
			t.Errorf("Do: %v", err)
		}
		got := b.tel.Attempts(t)
		for _, want := range []attempt{
			{"extend", "extend_error", "connection_refused", "closed"}, {"extend", "extend_error", "timeout", "closed"}, {"extend", "extended", "", ""},
		} {
			if got[want] == 0 {
				t.Errorf("%v is not counted in %v", want, got)
			}
		}
	})
}

// An attempt that hangs must leave time for the next one.
func TestARenewalTakesAtMostHalfOfWhatIsLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		var lease atomic.Pointer[otellock.Lease]
		var cut []string
		watch := func(ctx context.Context, _ func() error) error {
			deadline, _ := ctx.Deadline()
			if left, took := lease.Load().Remaining(), time.Until(deadline); took > left/2 {
				cut = append(cut, fmt.Sprint(took, " of ", left))
			}
			<-ctx.Done()
			return ctx.Err()
		}
		b.backend.Script(func() { b.backend.OnExtend = slices.Repeat([]fault{watch}, 1000) })
		got, err := b.target.Mutex("7").With(otellock.WithTTL(3*time.Second), otellock.WithAttemptTimeout(time.Second),
			otellock.WithAutoExtend(time.Hour)).Lock(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		lease.Store(got)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := b.called("extend"); n < 4 || got.Protected() || cut != nil {
			t.Errorf("%d attempts, %v, too long: %v", n, got, cut)
		}
		_ = got.Release(b.ctx)
	})
}

// A job of an hour is renewed a thousand times, and its trace stays readable.
func TestTheSpansOfRenewalsAreBoundedAndTheCountHasAll(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		var quiet int
		listens := func(ctx context.Context, call func() error) error {
			if !recording(ctx) {
				quiet++
			}
			return call()
		}
		b.backend.Script(func() {
			b.backend.OnExtend = append(slices.Repeat([]fault{listens}, 99), answers(errRefused))
		})
		ctx, parent := b.tel.Tracers.Tracer("test").Start(b.ctx, "job")
		if err := b.renewed("7", 2*time.Hour).Do(ctx, sleeps(time.Hour)); err != nil {
			t.Fatal(err)
		}
		parent.End()
		spans := b.tel.Ended("extend projects")
		var numbers []int64
		for _, s := range spans {
			n := int64(0)
			for _, kv := range s.Attributes() {
				if kv.Key == "lock.renewals" {
					n = kv.Value.AsInt64()
				}
			}
			numbers = append(numbers, n)
			if s.Parent().SpanID() != parent.SpanContext().SpanID() || s.EndTime().Before(s.StartTime()) {
				t.Errorf("a renewal's span has the parent %v", s.Parent())
			}
		}
		if want := []int64{1, 2, 4, 8, 16, 32, 64, 100, 128, 256, 512, 1024}; !slices.Equal(numbers, want) {
			t.Errorf("renewals with a span: %v, want %v", numbers, want)
		}
		if quiet != 99-7 {
			t.Errorf("of 99 calls %d had no span that records", quiet)
		}
		counted := b.tel.Attempts(t)[attempt{"extend", "extended", "", ""}]
		if n := int64(b.called("extend")); counted != n-1 || n < 1190 {
			t.Errorf("counted %d of %d renewals", counted, n)
		}
		release := b.tel.Ended("release projects")[0]
		if !slices.ContainsFunc(release.Attributes(), func(kv keyValue) bool {
			return kv.Key == "lock.renewals" && kv.Value.AsInt64() == counted+1
		}) {
			t.Errorf("the release says %v", release.Attributes())
		}
	})
}

// What one of them sets, the other must not take back.
func TestAnExtendOfTheHoldersIsNotShortenedByARenewal(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		err := b.renewed("7", time.Hour).Do(b.ctx, func(ctx context.Context) error {
			lease, start := otellock.LeaseFromContext(ctx), time.Now()
			if err := lease.Extend(ctx, time.Minute); err != nil {
				return err
			}
			time.Sleep(53 * time.Second)
			expectDeadline(t, lease, start.Add(time.Minute))
			time.Sleep(10 * time.Second)
			if !lease.Protected() || lease.Remaining() < 5*time.Second {
				t.Errorf("it is not renewed after the extend: %v, %v", lease, lease.Remaining())
			}
			if err := lease.Extend(ctx, 3*time.Second); err != nil { // shorter than a time to live
				return err
			}
			time.Sleep(10 * time.Second)
			if !lease.Protected() {
				t.Error("it is not renewed after it was shortened")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestARenewalAndAnExtendAreNeverUnderWayTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		under := 0
		alone := func(ctx context.Context, call func() error) error {
			if under++; under > 1 {
				t.Error("two at the same time")
			}
			defer func() { under-- }()
			time.Sleep(100 * time.Millisecond)
			return call()
		}
		b.backend.Script(func() { b.backend.OnExtend = slices.Repeat([]fault{alone}, 1000) })
		err := b.renewed("7", time.Hour, otellock.WithAttemptTimeout(time.Second)).Do(b.ctx, func(ctx context.Context) error {
			for range 200 {
				time.Sleep(51 * time.Millisecond)
				if err := otellock.LeaseFromContext(ctx).Extend(ctx, 9*time.Second); err != nil {
					return err
				}
			}
			time.Sleep(20 * time.Second)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A renewal that hangs is overtaken by the release: the key is gone in one attempt
// timeout, and nothing is renewed afterwards.
func TestAReleaseOvertakesARenewalThatHangs(t *testing.T) {
	for name, end := range map[string]func(*lab, *otellock.Lease) error{
		"Release": func(b *lab, l *otellock.Lease) error { return l.Release(b.ctx) },
		"Close":   func(b *lab, _ *otellock.Lease) error { return b.locker.Close(b.ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				b.backend.Script(func() { b.backend.OnExtend = []fault{lands(time.Second), lands(time.Second)} })
				lease, err := b.renewed("7", time.Hour).Lock(b.ctx)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(3*time.Second + time.Millisecond) // the renewal is under way
				start := time.Now()
				if err := end(b, lease); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if took := time.Since(start); took > 250*time.Millisecond+time.Millisecond {
					t.Errorf("it took %v", took)
				}
				b.take(t, "lock:projects:7")
				time.Sleep(time.Hour)
				if n := b.called("extend"); n > 2 {
					t.Errorf("%d extends", n)
				}
				wantWarnings(t, b, "extend_error timeout")
			})
		})
	}
}

func TestALeaseThatIsGarbageIsRenewedNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		if _, err := b.renewed("7", time.Hour, otellock.WithCancelOnLoss(true)).Lock(b.ctx); err != nil {
			t.Fatal(err)
		}
		abandoned := attempt{"cleanup", "abandoned", "", ""}
		for range 100 {
			runtime.GC()
			time.Sleep(time.Millisecond)
			if b.tel.Attempts(t)[abandoned] > 0 {
				break
			}
		}
		time.Sleep(time.Hour)
		if n := b.called("extend"); n != 0 || b.tel.Attempts(t)[abandoned] != 1 {
			t.Errorf("%d renewals, %v", n, b.tel.Attempts(t))
		}
		wantWarnings(t, b)
	})
}

func TestItsContextKeepsALeaseAlive(t *testing.T) {
	for _, cancel := range []bool{true, false} {
		inBubble(t, func(t *testing.T, b *lab) {
			work := func() context.Context {
				lease, err := b.renewed("7", time.Hour, otellock.WithCancelOnLoss(cancel)).Lock(b.ctx)
				if err != nil {
					t.Fatal(err)
				}
				child, stop := context.WithCancel(lease.Context())
				context.AfterFunc(b.ctx, stop)
				return child
			}()
			for range 10 {
				runtime.GC()
				time.Sleep(6 * time.Second)
			}
			lease := otellock.LeaseFromContext(work)
			if !lease.Protected() || b.called("extend") < 15 || work.Err() != nil {
				t.Errorf("cancelling %t: %v after %d renewals, %v", cancel, lease, b.called("extend"), work.Err())
			}
			if err := lease.Release(b.ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatIsNotHeldIsNotRenewed(t *testing.T) {
	for name, lock := range map[string]func(*lab) otellock.Mutex{
		"failed open": func(b *lab) otellock.Mutex {
			b.backend.Script(func() { b.backend.OnAcquire = []fault{answers(errRefused)} })
			return b.renewed("7", time.Hour, otellock.WithCancelOnLoss(true))
		},
		"disabled": func(b *lab) otellock.Mutex {
			return b.renewed("7", time.Hour, otellock.WithEnabled(func(context.Context) bool { return false }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				err := lock(b).Do(b.ctx, func(ctx context.Context) error { time.Sleep(time.Hour); return ctx.Err() })
				if err != nil || b.called("extend") != 0 {
					t.Errorf("%v, %d renewals", err, b.called("extend"))
				}
			})
		})
	}
}

func TestRenewalIsRefusedWhereItCannotWork(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		for _, c := range []struct {
			says string
			opts []otellock.LockOption
		}{
			{"WithAutoExtend(-1s)", []otellock.LockOption{otellock.WithAutoExtend(-time.Second)}},
			{"above the time to live of 10s", []otellock.LockOption{otellock.WithAutoExtend(10 * time.Second)}},
			{"at most a third", []otellock.LockOption{otellock.WithAutoExtend(time.Hour), otellock.WithAttemptTimeout(3400 * time.Millisecond)}},
		} {
			_, err := b.locker.Target("t", "t", c.opts...)
			if !errors.Is(err, otellock.ErrInvalid) || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("Target: %v, want %q", err, c.says)
			}
			if err := b.target.Mutex("7").With(c.opts...).Do(b.ctx, nothing); !errors.Is(err, otellock.ErrInvalid) {
				t.Errorf("With: %v", err)
			}
		}
	})
}

// No goroutine waits for anything while nothing is due.
func TestHeldLeasesThatAreRenewedCostNoGoroutines(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		before := runtime.NumGoroutine()
		leases := make([]*otellock.Lease, 1000)
		for i := range leases {
			var err error
			if leases[i], err = b.renewed(fmt.Sprint(i), time.Hour, otellock.WithCancelOnLoss(true)).Lock(b.ctx); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			time.Sleep(3*time.Second + time.Millisecond)
			synctest.Wait()
			if n := runtime.NumGoroutine(); n > before+5 {
				t.Fatalf("%d goroutines, there were %d", n, before)
			}
		}
		if n := b.called("extend"); n != 3000 {
			t.Errorf("%d renewals", n)
		}
		for _, lease := range leases {
			if err := lease.Release(b.ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Renewals, extends by hand, releases and Close at the same time: whatever comes of
// each, nothing is left behind, and nothing is extended that somebody else holds.
func TestRenewalsExtendsAndReleasesConcurrentSafe(t *testing.T) {
	for seed := range 20 {
		inBubble(t, func(t *testing.T, b *lab) {
			random := mathrand.New(mathrand.NewPCG(uint64(seed), 0))
			slow := func(ctx context.Context, call func() error) error {
				time.Sleep(5 * time.Millisecond)
				return yields(ctx, call)
			}
			b.backend.Script(func() {
				b.backend.OnExtend = slices.Repeat([]fault{slow, works, hangs, losesReply, slow}, 500)
				b.backend.OnRelease = slices.Repeat([]fault{works, slow, losesReply}, 50)
			})
			var group sync.WaitGroup
			for i := range 20 {
				closed, life := i%2 == 0, time.Duration(random.IntN(400)+1)*time.Millisecond
				group.Go(func() {
					lease, err := b.target.Mutex(fmt.Sprint(i)).With(otellock.WithTTL(90*time.Millisecond),
						otellock.WithAutoExtend(300*time.Millisecond), otellock.WithFailClosed(closed)).Lock(b.ctx)
					if err != nil {
						t.Error(err)
						return
					}
					var users sync.WaitGroup
					users.Go(func() {
						for range 5 {
							_ = lease.Extend(b.ctx, 90*time.Millisecond)
							time.Sleep(11 * time.Millisecond)
						}
					})
					time.Sleep(life)
					for range 2 {
						users.Go(func() {
							_ = lease.Release(b.ctx)
							if lease.Protected() {
								t.Error("protected after its release")
							}
							if closed && lease.Context().Err() == nil {
								t.Error("its context goes on after the release")
							}
						})
					}
					users.Wait()
				})
			}
			time.Sleep(200 * time.Millisecond)
			if seed%2 == 0 {
				// A release whose reply was lost may be what Close returns.
				if err := b.locker.Close(b.ctx); err != nil && !errors.Is(err, otellock.ErrBackend) {
					t.Error(err)
				}
			}
			group.Wait()
			extends := b.called("extend")
			time.Sleep(10 * time.Second)
			if late := b.called("extend") - extends; late > 20 { // those under way
				t.Errorf("%d extends after everything was released", late)
			}
			for i := range 20 {
				b.take(t, fmt.Sprint("lock:projects:", i))
			}
			if held := b.tel.Total(t, "lock.held"); held != 0 {
				t.Errorf("lock.held is %d", held)
			}
		})
	}
}
