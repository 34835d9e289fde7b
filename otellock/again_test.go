package otellock_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// An attemptLog is a backend that notes which attempts say that they are not
// the first.
type attemptLog struct {
	*memorybackend.Backend
	mu    sync.Mutex
	again []bool
}

func (b *attemptLog) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	b.mu.Lock()
	b.again = append(b.again, c.Again)
	b.mu.Unlock()
	return b.Backend.Acquire(ctx, c)
}

func TestEveryAttemptButTheFirstOfAnAcquireSaysAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &attemptLog{Backend: memorybackend.New()}
		other := otellock.Claim{Key: "k", Token: "other", TTL: 100 * time.Millisecond}
		if _, err := b.Backend.Acquire(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		locker, err := otellock.New(b)
		if err != nil {
			t.Fatal(err)
		}
		defer locker.Close(context.Background())
		for range 2 { // a waiter, and somebody who finds the key free
			if err := locker.UndeclaredMutex("k").Do(t.Context(), func(context.Context) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		n := len(b.again)
		if n < 3 {
			t.Fatalf("%d attempts: nobody waited", n)
		}
		if b.again[0] || b.again[n-1] || slices.Contains(b.again[1:n-1], false) {
			t.Errorf("Again is %v, want it on every attempt but the first of each acquire", b.again)
		}
	})
}
