package wrapped

import (
	"testing"

	"github.com/otellock/otellock-go/internal/live"
	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/otellock/otelrueidislock"
)

// On the page of package lockz each row says which key it is about, by a number.
func TestThePageTellsTheKeysOfWrappedLocksApart(t *testing.T) {
	const another = "lock:projects:another"
	check := func(t *testing.T) {
		t.Helper()
		held, _ := live.Locks()
		var keys []live.Key
		for _, l := range held {
			keys = append(keys, l.Key)
		}
		if len(keys) != 2 || keys[0] != live.KeyOf(secret) || keys[1] != live.KeyOf(another) {
			t.Errorf("the page has the keys %v, want those of the two locks", keys)
		}
	}
	t.Run("redislock", func(t *testing.T) {
		w := newRedislockWorld(t, observe.WithLockz(true))
		for _, key := range []string{secret, another} {
			lock, err := w.locks.Obtain(t.Context(), key, long, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = lock.Release(t.Context()) }()
		}
		check(t)
	})
	t.Run("redsync", func(t *testing.T) {
		w := newRedsyncWorld(t, 1, observe.WithLockz(true))
		for _, key := range []string{secret, another} {
			m := w.locks.NewMutex(key)
			if err := m.LockContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = m.UnlockContext(t.Context()) }()
		}
		check(t)
	})
	t.Run("rueidislock", func(t *testing.T) {
		w := newRueidislockWorld(t)
		locks, err := otelrueidislock.NewLocker(patient(w.server), observed(locktest.NewTelemetry(), observe.WithLockz(true))...)
		if err != nil {
			t.Fatal(err)
		}
		defer locks.Close()
		for _, key := range []string{secret, another} {
			_, cancel, err := locks.WithContext(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			defer cancel()
		}
		check(t)
	})
}
