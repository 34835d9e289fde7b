package redisbackend_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
)

// hangs makes the server silent until it is killed.
func hangs(t *testing.T, server *redistest.Server) {
	t.Helper()
	run(t, server.Client(), "CLIENT", "PAUSE", time.Hour.Milliseconds(), "ALL")
}

func TestWaitingForAConnectionIsAnExhaustedPoolAndNotAServerThatIsSilent(t *testing.T) {
	const deadline = 100 * time.Millisecond
	for _, test := range []struct {
		name        string
		poolTimeout time.Duration
	}{
		{"the pool gives up before the deadline", deadline / 4},
		{"the deadline ends before the pool gives up", time.Minute},
	} {
		for name, connect := range map[string]func(*testing.T) (*redistest.Server, redis.UniversalClient){
			"single": func(t *testing.T) (*redistest.Server, redis.UniversalClient) {
				server := redistest.Start(t)
				o := redisbackend.Options(server.Addr)
				o.PoolSize, o.PoolTimeout, o.ReadTimeout = 1, test.poolTimeout, time.Minute
				return server, redis.NewClient(o)
			},
			"cluster": func(t *testing.T) (*redistest.Server, redis.UniversalClient) {
				server := redistest.Start(t)
				o := redistest.ClusterOfOne(server.Addr)
				o.PoolSize, o.PoolTimeout, o.ReadTimeout = 1, test.poolTimeout, time.Minute
				return server, redis.NewClusterClient(o)
			},
		} {
			t.Run(name+", "+test.name, func(t *testing.T) {
				t.Parallel()
				server, rdb := connect(t)
				t.Cleanup(func() { _ = rdb.Close() })
				b := newBackend(t, rdb)
				warm(t, b)
				hangs(t, server)
				held, free := context.WithTimeout(t.Context(), time.Minute)
				done := make(chan error, 1)
				go func() {
					_, err := b.Acquire(held, otellock.Claim{Key: "hung", Token: "t", TTL: time.Minute})
					done <- err
				}()
				poll(t, "the only connection is in use", func() bool {
					stats := rdb.PoolStats()
					return stats.TotalConns == 1 && stats.IdleConns == 0
				})

				_, err := b.Acquire(expiring(t, deadline), claim)
				checkClass(t, "Acquire", err, "pool_exhausted")
				checkClass(t, "Extend", b.Extend(expiring(t, deadline), claim), "pool_exhausted")
				checkClass(t, "Release", b.Release(expiring(t, deadline), claim), "pool_exhausted")

				// The one that has the connection is the one that hears nothing.
				server.Kill()
				checkClass(t, "the call that was sent", <-done, "eof")
				free()
			})
		}
	}
}

func TestACallThatHangsOnTheWireOrInADialIsNotAnExhaustedPool(t *testing.T) {
	const deadline = 100 * time.Millisecond
	t.Run("sent, in a pool that is full", func(t *testing.T) {
		server := redistest.Start(t)
		o := redisbackend.Options(server.Addr)
		o.PoolSize = 1
		rdb := redis.NewClient(o)
		defer rdb.Close()
		b := newBackend(t, rdb)
		warm(t, b)
		hangs(t, server)
		_, err := b.Acquire(expiring(t, deadline), claim)
		checkClass(t, "Acquire", err, "timeout")
	})
	t.Run("dialing", func(t *testing.T) {
		o := redisbackend.Options(nobody)
		o.PoolSize, o.DialTimeout = 1, time.Minute
		o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		rdb := redis.NewClient(o)
		defer rdb.Close()
		_, err := newBackend(t, rdb).Acquire(expiring(t, deadline), claim)
		checkClass(t, "Acquire", err, "timeout")
	})
	t.Run("behind others that dial", func(t *testing.T) {
		o := redisbackend.Options(nobody)
		o.PoolSize, o.DialTimeout, o.PoolTimeout = 1, time.Minute, time.Minute
		o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		rdb := redis.NewClient(o)
		defer rdb.Close()
		b := newBackend(t, rdb)
		for range 2 { // the dial goes on when its caller has given up
			_, err := b.Acquire(expiring(t, deadline), claim)
			checkClass(t, "Acquire", err, "timeout")
		}
	})
	t.Run("its context had ended before", func(t *testing.T) {
		server := redistest.Start(t)
		b := newBackend(t, client(t, server.Addr))
		warm(t, b)
		_, err := b.Acquire(expiring(t, -time.Second), claim)
		checkClass(t, "Acquire", err, "timeout")
	})
}
