package redisbackend

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// What these tests share with those of package redisbackend, under short names.
const (
	attempt = locktest.AttemptTimeout
	late    = time.Second // what a loaded machine may add to it
)

var (
	claim      = locktest.Marked
	operations = locktest.Operations
	again      = locktest.Again
	warm       = locktest.Warm
	patient    = locktest.Patient
	poll       = locktest.Eventually
)

func checkClass(t *testing.T, operation string, err error, class string) {
	t.Helper()
	locktest.CheckClass(t, "redisbackend", operation, err, class)
}

func newBackend(t testing.TB, rdb redis.UniversalClient) *redisbackend.Backend {
	t.Helper()
	b, err := redisbackend.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// client returns a client with the options that package redisbackend recommends,
// except that it waits for a connection, and for a dial, as long as it has to.
func client(t testing.TB, addr string) *redis.Client {
	t.Helper()
	o := redisbackend.Options(addr)
	o.PoolTimeout, o.DialTimeout = time.Minute, time.Minute
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// noMaintenance switches go-redis's maintenance notifications off.
var noMaintenance = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
