package otellock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// A register is a Notifier that keeps the waiters it was told of until they are
// forgotten.
type register struct {
	*memorybackend.Backend
	fails func(c otellock.Claim) error // of an acquire that has told of its waiter
	pause func()                       // of a release, before it tells of its waiter

	mu    sync.Mutex
	known map[told]bool
}

type told struct {
	key    string
	waiter otellock.Waiter
}

func (r *register) note(c otellock.Claim) {
	if c.Waiter != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.known[told{c.Key, c.Waiter}] = true
	}
}

func (r *register) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	grant, err := r.Backend.Acquire(ctx, c)
	if err != nil || grant.Acquired {
		return grant, err
	}
	r.note(c)
	if r.fails != nil {
		return otellock.Grant{}, r.fails(c)
	}
	return grant, nil
}

func (r *register) Release(ctx context.Context, c otellock.Claim) error {
	if r.pause != nil {
		r.pause()
	}
	r.note(c)
	return r.Backend.Release(ctx, c)
}

func (r *register) Forget(key string, w otellock.Waiter) {
	r.Backend.Forget(key, w)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, told{key, w})
}

func (r *register) wantForgotten(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) > 0 {
		t.Errorf("the backend still knows %d waiters that have gone", len(r.known))
	}
}

func TestWhoDoesNotWaitIsNotToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{Backend: memorybackend.New(), known: map[told]bool{}}
		m := newLocker(t, r).UndeclaredMutex("lock:projects:7")
		lease, err := m.Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fn := func(context.Context) error { return nil }
		if err := m.With(otellock.WithWait(0)).Do(t.Context(), fn); !errors.Is(err, otellock.ErrContended) {
			t.Errorf("Do without a wait = %v", err)
		}
		if ran, err := m.TryDo(t.Context(), fn); ran || err != nil {
			t.Errorf("TryDo = %t, %v", ran, err)
		}
		r.wantForgotten(t)
		_ = lease.Release(t.Context())
	})
}

func TestAWaiterWhoseFirstAttemptFailedAfterItWasToldIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{Backend: memorybackend.New(), known: map[told]bool{},
			fails: func(otellock.Claim) error { return classed("OOM") }}
		m := newLocker(t, r).UndeclaredMutex("lock:projects:7")
		lease, err := m.Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
		r.wantForgotten(t)
		_ = lease.Release(t.Context())
	})
}

func TestAWaiterThatALateReleaseTellsOfIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{Backend: memorybackend.New(), known: map[told]bool{}}
		m := newLocker(t, r).UndeclaredMutex("lock:projects:7")
		lease, err := m.Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiter := make(chan error)
		go func() { waiter <- m.Do(ctx, func(context.Context) error { return nil }) }()
		synctest.Wait()
		r.pause = func() {
			cancel()
			<-waiter
			time.Sleep(time.Millisecond)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Error(err)
		}
		r.wantForgotten(t)
	})
}
