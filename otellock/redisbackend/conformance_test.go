package redisbackend_test

import (
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/backendtest"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
)

func newBackend(t testing.TB, rdb redis.UniversalClient) *redisbackend.Backend {
	t.Helper()
	b, err := redisbackend.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// client returns a client with the options that the package recommends, except
// that it waits for a connection, and for a dial, as long as it has to.
func client(t testing.TB, addr string) *redis.Client {
	t.Helper()
	o := redisbackend.Options(addr)
	o.PoolTimeout, o.DialTimeout = time.Minute, time.Minute
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestConformanceOnARealServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	backendtest.Run(t, func(t testing.TB) otellock.Backend { return newBackend(t, client(t, server.Addr)) })
}

func TestConformanceOnAClientWithDefaultRetries(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client()
	backendtest.Run(t, func(t testing.TB) otellock.Backend { return newBackend(t, rdb) })
}

func TestConformanceOnACluster(t *testing.T) {
	t.Parallel()
	rdb := redistest.StartCluster(t).Client()
	backendtest.Run(t, func(t testing.TB) otellock.Backend { return newBackend(t, rdb) })
}

func TestConformanceBehindSentinel(t *testing.T) {
	t.Parallel()
	rdb := redistest.StartSentinel(t).Client()
	backendtest.Run(t, func(t testing.TB) otellock.Backend { return newBackend(t, rdb) })
}
