package memorybackend

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

func claim(key, token string) otellock.Claim {
	return otellock.Claim{Key: key, Token: token, TTL: time.Minute}
}

func mustAcquire(t *testing.T, b *Backend, c otellock.Claim) {
	t.Helper()
	if g, err := b.Acquire(t.Context(), c); err != nil || !g.Acquired {
		t.Fatalf("Acquire: %v, %v, want granted", g, err)
	}
}

func TestALeaseEndsExactlyAtItsTimeToLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New()
		mustAcquire(t, b, claim("k", "a"))
		<-time.After(time.Minute - 1)
		if g, err := b.Acquire(t.Context(), claim("k", "b")); err != nil || g.Acquired {
			t.Fatalf("Acquire one nanosecond before the end: %v, %v, want not granted", g, err)
		}
		<-time.After(1)
		if err := b.Release(t.Context(), claim("k", "a")); !errors.Is(err, otellock.ErrLost) {
			t.Fatalf("Release at the end: %v, want %v", err, otellock.ErrLost)
		}
		mustAcquire(t, b, claim("k", "b"))
	})
}

func TestDuringAnOutageEveryCallFailsAndLeasesRunOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New()
		mustAcquire(t, b, claim("long", "a"))
		mustAcquire(t, b, otellock.Claim{Key: "short", Token: "a", TTL: time.Second})

		b.Fail(io.EOF)
		if g, err := b.Acquire(t.Context(), claim("free", "a")); !errors.Is(err, io.EOF) || g.Acquired {
			t.Errorf("Acquire: %v, %v", g, err)
		}
		if err := b.Extend(t.Context(), claim("long", "a")); !errors.Is(err, io.EOF) {
			t.Errorf("Extend: %v", err)
		}
		if err := b.Release(t.Context(), claim("long", "a")); !errors.Is(err, io.EOF) {
			t.Errorf("Release: %v", err)
		}
		<-time.After(time.Second)

		b.Fail(nil)
		mustAcquire(t, b, claim("free", "b"))
		mustAcquire(t, b, claim("short", "b"))
		if err := b.Release(t.Context(), claim("long", "a")); err != nil {
			t.Errorf("Release after the outage: %v", err)
		}
	})
}

func TestClearLosesEveryLease(t *testing.T) {
	b := New()
	mustAcquire(t, b, claim("k", "a"))
	b.Clear()
	if err := b.Extend(t.Context(), claim("k", "a")); !errors.Is(err, otellock.ErrLost) {
		t.Errorf("Extend: %v, want %v", err, otellock.ErrLost)
	}
	mustAcquire(t, b, claim("k", "b"))
	if err := b.Release(t.Context(), claim("k", "a")); !errors.Is(err, otellock.ErrStolen) {
		t.Errorf("Release: %v, want %v", err, otellock.ErrStolen)
	}
}

func TestLeasesThatNobodyReleasesDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New()
		for i := range 100 * minSweep {
			mustAcquire(t, b, otellock.Claim{Key: strconv.Itoa(i), Token: "a", TTL: time.Second})
			<-time.After(10 * time.Millisecond) // a hundred are alive at any time
			if n := len(b.leases); n > minSweep {
				t.Fatalf("%d leases are kept after %d acquires", n, i+1)
			}
		}
	})
}

func TestLiveLeasesAreAllKept(t *testing.T) {
	b := New()
	for i := range 5 * minSweep {
		mustAcquire(t, b, claim(strconv.Itoa(i), "a"))
	}
	for i := range 5 * minSweep {
		if err := b.Release(t.Context(), claim(strconv.Itoa(i), "a")); err != nil {
			t.Fatalf("Release of lease %d: %v", i, err)
		}
	}
}

func TestOutageAndClearAreConcurrentSafe(t *testing.T) {
	b := New()
	var wg sync.WaitGroup
	for id := range 4 {
		wg.Go(func() {
			c := claim("k", strconv.Itoa(id))
			for range 1000 {
				if g, _ := b.Acquire(t.Context(), c); g.Acquired {
					_ = b.Extend(t.Context(), c)
					_ = b.Release(t.Context(), c)
				}
			}
		})
	}
	wg.Go(func() {
		for range 1000 {
			b.Fail(io.EOF)
			b.Clear()
			b.Fail(nil)
		}
	})
	wg.Wait()
	mustAcquire(t, b, claim("another", "a"))
}

func TestAcquireAndReleaseAllocateNothing(t *testing.T) {
	b, ctx, c := New(), context.Background(), claim("k", "a")
	if n := testing.AllocsPerRun(100, func() {
		_, _ = b.Acquire(ctx, c)
		_ = b.Extend(ctx, c)
		_ = b.Release(ctx, c)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestName(t *testing.T) {
	if name := New().Name(); name != "memory" {
		t.Errorf("Name: %q", name)
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	b.Run("one goroutine", func(b *testing.B) {
		b.ReportAllocs()
		backend, ctx, c := New(), context.Background(), claim("k", "a")
		for b.Loop() {
			_, _ = backend.Acquire(ctx, c)
			_ = backend.Release(ctx, c)
		}
	})
	b.Run("a key for each goroutine", func(b *testing.B) {
		b.ReportAllocs()
		backend, ctx := New(), context.Background()
		var mu sync.Mutex
		goroutines := 0
		b.RunParallel(func(pb *testing.PB) {
			mu.Lock()
			goroutines++
			c := claim(strconv.Itoa(goroutines), "a")
			mu.Unlock()
			for pb.Next() {
				_, _ = backend.Acquire(ctx, c)
				_ = backend.Release(ctx, c)
			}
		})
	})
}
