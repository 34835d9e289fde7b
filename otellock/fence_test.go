package otellock_test

import (
	"context"
	"testing"

	"github.com/otellock/otellock-go/otellock"
)

func TestAFenceRisesWithEveryGrant(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		m := b.target.Mutex("7").With(otellock.WithFencing())
		var last uint64
		for range 5 {
			lease, err := m.Lock(b.ctx)
			if err != nil {
				t.Fatal(err)
			}
			fence, ok := lease.Fence()
			if !ok || fence <= last {
				t.Errorf("fence %d, %t, after %d", fence, ok, last)
			}
			last = fence
			if err := lease.Release(b.ctx); err != nil {
				t.Fatal(err)
			}
			if after, ok := lease.Fence(); !ok || after != fence { // so that the store can refuse it
				t.Errorf("after the release: %d, %t", after, ok)
			}
		}
	})
}

// An attempt whose answer was lost has taken a fence: the one that counts is that of
// the answer.
func TestAGrantThatIsRepeatedHasTheFenceOfItsAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		b.take(t, "lock:projects:7") // so that there is a second attempt
		b.backend.Script(func() {
			b.backend.OnAcquire = []fault{works, func(ctx context.Context, call func() error) error {
				b.backend.Clear()
				return losesReply(ctx, call)
			}}
		})
		lease, err := b.target.Mutex("7").With(otellock.WithFencing()).Lock(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		fence, ok := lease.Fence()
		grant, err := b.backend.Backend.Acquire(b.ctx, otellock.Claim{Key: "other", Token: "t", TTL: 1e9, Fence: true})
		if err != nil || !ok || fence == 0 || grant.Fence <= fence {
			t.Errorf("fence %d, %t; the next one is %d, %v", fence, ok, grant.Fence, err)
		}
	})
}

func TestALeaseHasNoFenceUnlessItWasAskedForAndGranted(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		if fence, ok := b.lock(t, "7").Fence(); ok || fence != 0 {
			t.Errorf("not asked for: %d, %t", fence, ok)
		}
		b.backend.Script(func() { b.backend.OnAcquire = []fault{answers(errRefused)} })
		lease, err := b.target.Mutex("8").With(otellock.WithFencing()).Lock(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if fence, ok := lease.Fence(); ok || fence != 0 {
			t.Errorf("failed open: %d, %t", fence, ok)
		}
	})
}
