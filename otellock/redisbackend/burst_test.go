package redisbackend_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
)

// A process that has just started, two busy cores, and everybody at once: the
// server is well, so that nobody has a reason to run unprotected, and no key to
// stay. Every timeout but the pool's is for a starved machine.
func TestABurstOnAHealthyServerIsNoOutage(t *testing.T) {
	t.Run("distinct keys", func(t *testing.T) { burst(t, strconv.Itoa) })
	t.Run("one key", func(t *testing.T) { burst(t, func(int) string { return "one" }) })
}

func burst(t *testing.T, id func(i int) string) {
	const requests, cores, patience = 1000, 2, 20 * time.Second
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	var idle atomic.Bool
	defer idle.Store(true)
	for range cores {
		go func() {
			for !idle.Load() {
			}
		}()
	}

	o := redisbackend.Options(redistest.Start(t).Addr)
	o.PoolSize, o.DialTimeout = 16, patience
	rdb := redis.NewClient(o)
	defer rdb.Close()
	locker, err := otellock.New(newBackend(t, rdb),
		otellock.WithTTL(time.Hour), otellock.WithWait(5*time.Minute), otellock.WithAttemptTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close(context.Background())
	target, err := locker.Target("projects", "lock:projects:*")
	if err != nil {
		t.Fatal(err)
	}

	var protected, unprotected atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range requests {
		wg.Go(func() {
			<-start
			err := target.Mutex(id(i)).Do(t.Context(), func(ctx context.Context) error {
				if otellock.LeaseFromContext(ctx).Protected() {
					protected.Add(1)
				} else {
					unprotected.Add(1)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	if u, p := unprotected.Load(), protected.Load(); u != 0 || p != requests {
		t.Errorf("%d of %d ran unprotected, %d protected", u, requests, p)
	}
	idle.Store(true)
	if err := locker.Close(expiring(t, time.Minute)); err != nil {
		t.Errorf("Close: %v", err)
	}
	poll(t, "no key is left", func() bool { return rdb.DBSize(t.Context()).Val() == 0 })
}
