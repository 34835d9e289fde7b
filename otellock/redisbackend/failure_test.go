package redisbackend_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
)

func checkClasses(t *testing.T, b otellock.Backend, class string) {
	t.Helper()
	for operation, err := range operations(b) {
		checkClass(t, operation, err, class)
	}
}

// run sends a set-up command to the server.
func run(t *testing.T, rdb *redis.Client, args ...any) {
	t.Helper()
	if err := rdb.Do(t.Context(), args...).Err(); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

func TestRefusalsOfARealServerAreClassedByTheirCode(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	b := newBackend(t, client(t, server.Addr))

	t.Run("WRONGTYPE", func(t *testing.T) {
		run(t, admin, "RPUSH", claim.Key, "x")
		defer run(t, admin, "DEL", claim.Key)
		checkClasses(t, b, "WRONGTYPE")
	})
	t.Run("OOM", func(t *testing.T) {
		run(t, admin, "CONFIG", "SET", "maxmemory", "1")
		defer run(t, admin, "CONFIG", "SET", "maxmemory", "0")
		_, err := b.Acquire(t.Context(), claim)
		checkClass(t, "Acquire", err, "OOM")
	})
	t.Run("NOREPLICAS", func(t *testing.T) {
		run(t, admin, "CONFIG", "SET", "min-replicas-to-write", "1")
		defer run(t, admin, "CONFIG", "SET", "min-replicas-to-write", "0")
		_, err := b.Acquire(t.Context(), claim)
		checkClass(t, "Acquire", err, "NOREPLICAS")
	})
	t.Run("READONLY", func(t *testing.T) {
		master := redistest.Start(t)
		run(t, admin, "REPLICAOF", master.Host(), master.Port())
		defer run(t, admin, "REPLICAOF", "NO", "ONE")
		_, err := b.Acquire(t.Context(), claim)
		checkClass(t, "Acquire", err, "READONLY")
	})
	t.Run("MASTERDOWN", func(t *testing.T) {
		// A replica that refuses writes says that first.
		run(t, admin, "CONFIG", "SET", "replica-read-only", "no")
		run(t, admin, "CONFIG", "SET", "replica-serve-stale-data", "no")
		run(t, admin, "REPLICAOF", "127.0.0.1", "1")
		defer run(t, admin, "REPLICAOF", "NO", "ONE")
		checkClasses(t, b, "MASTERDOWN")
	})
	t.Run("NOAUTH and WRONGPASS", func(t *testing.T) {
		run(t, admin, "CONFIG", "SET", "requirepass", "right")
		defer run(t, admin, "CONFIG", "SET", "requirepass", "")
		checkClasses(t, newBackend(t, client(t, server.Addr)), "NOAUTH")
		wrong := redisbackend.Options(server.Addr)
		wrong.Password = "wrong"
		rdb := redis.NewClient(wrong)
		defer rdb.Close()
		checkClasses(t, newBackend(t, rdb), "WRONGPASS")
	})
	t.Run("NOPERM for keys outside the user's pattern, which needs them declared", func(t *testing.T) {
		run(t, admin, "ACL", "SETUSER", "locker", "on", ">pw", "~lock:*", "+@all")
		o := redisbackend.Options(server.Addr)
		o.Username, o.Password = "locker", "pw"
		rdb := redis.NewClient(o)
		defer rdb.Close()
		b := newBackend(t, rdb)
		checkClasses(t, b, "NOPERM")
		if g, err := b.Acquire(t.Context(), otellock.Claim{Key: "lock:a", Token: "t", TTL: time.Minute}); !g.Acquired {
			t.Errorf("Acquire of a key inside the pattern: %v, %v", g, err)
		}
	})
	t.Run("BUSY", func(t *testing.T) {
		run(t, admin, "CONFIG", "SET", "busy-reply-threshold", "1")
		stuck := server.Client(func(o *redis.Options) { o.MaxRetries, o.ReadTimeout = -1, -1 })
		done := make(chan error, 1)
		go func() { done <- stuck.Do(context.Background(), "EVAL", "while true do end", 0).Err() }()
		poll(t, "the server is busy", func() bool {
			return redis.HasErrorPrefix(admin.Ping(t.Context()).Err(), "BUSY")
		})
		checkClasses(t, b, "BUSY")
		run(t, admin, "SCRIPT", "KILL")
		<-done
	})
	t.Run("the server is well again", func(t *testing.T) {
		if g, err := b.Acquire(t.Context(), claim); err != nil || !g.Acquired {
			t.Fatalf("Acquire: %v, %v", g, err)
		}
		if err := b.Release(t.Context(), claim); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFaultsOfTheClientAndTheNetworkAreClassed(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		server := redistest.Start(t)
		server.Kill()
		o := redisbackend.Options(server.Addr)
		var dials atomic.Int64
		dial := redis.NewDialer(o)
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			return dial(ctx, network, addr)
		}
		rdb := redis.NewClient(o)
		defer rdb.Close()
		refused := operations(newBackend(t, rdb))
		for operation, err := range refused {
			checkClass(t, operation, err, "connection_refused")
			if !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: %v does not wrap ECONNREFUSED", operation, err)
			}
		}
		if n := dials.Load(); n != int64(len(refused)) {
			t.Errorf("%d calls dialed %d times", len(refused), n)
		}
	})
	t.Run("closed", func(t *testing.T) {
		rdb := client(t, redistest.Start(t).Addr)
		b := newBackend(t, rdb)
		if err := rdb.Close(); err != nil {
			t.Fatal(err)
		}
		checkClasses(t, b, "closed")
	})
	t.Run("pool exhausted", func(t *testing.T) {
		o := redisbackend.Options(redistest.Start(t).Addr)
		o.PoolSize = 1
		rdb := redis.NewClient(o)
		defer rdb.Close()
		conn := rdb.Conn()
		defer conn.Close()
		if err := conn.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		checkClasses(t, newBackend(t, rdb), "pool_exhausted")
	})
	t.Run("no more connections", func(t *testing.T) {
		o := redisbackend.Options(redistest.Start(t).Addr)
		o.PoolSize, o.MaxActiveConns = 2, 1
		rdb := redis.NewClient(o)
		defer rdb.Close()
		conn := rdb.Conn()
		defer conn.Close()
		if err := conn.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		checkClasses(t, newBackend(t, rdb), "pool_exhausted")
	})
	t.Run("no such host", func(t *testing.T) {
		o := redisbackend.Options("nobody.invalid:6379")
		o.Dialer = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "nobody.invalid", IsNotFound: true}
		}
		rdb := redis.NewClient(o)
		defer rdb.Close()
		checkClasses(t, newBackend(t, rdb), "_OTHER")
	})
}

// poll waits until the condition holds and ends the test when it does not.
func poll(t *testing.T, what string, holds func() bool) {
	t.Helper()
	const patience = 20 * time.Second
	for deadline := time.Now().Add(patience); !holds(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in %v", what, patience)
		}
	}
}
