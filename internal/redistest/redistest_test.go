package redistest_test

import (
	"errors"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/redis/go-redis/v9"
)

func TestAKilledServerRefusesAndComesBackEmptyOnItsPort(t *testing.T) {
	s := redistest.Start(t)
	c := s.Client(func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 })
	if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Kill()
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a killed server answered")
	}
	if err := c.Ping(t.Context()).Err(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("PING to a killed server: %v, want connection refused", err)
	}
	s.Restart()
	if err := s.Client().Get(t.Context(), "k").Err(); !errors.Is(err, redis.Nil) {
		t.Fatalf("GET after the restart: %v, want no such key", err)
	}
}

func TestArgumentsOfTheTestWin(t *testing.T) {
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	if err := s.Client().Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	if v, err := s.Client().Get(t.Context(), "k").Result(); v != "v" {
		t.Fatalf("GET after the restart of a server that persists: %q, %v", v, err)
	}
}

func TestAServerBehindAPasswordIsReady(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "x")
	if err := s.Client(func(o *redis.Options) { o.Password = "x" }).Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestNothingRunsOnAfterTheTest(t *testing.T) {
	var s *redistest.Server
	t.Run("with a server", func(t *testing.T) { s = redistest.Start(t) })
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DialerRetries: 1})
	defer c.Close()
	if err := c.Ping(t.Context()).Err(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("PING after the test's end: %v, want connection refused", err)
	}
}

func TestAMissingRedisServerFailsTheTestAndSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		redistest.Start(r)
	}()
	<-done
	if !strings.Contains(r.fatal, "apt-get install redis-server") || strings.Contains(r.fatal, "\n") {
		t.Fatalf("the test failed with %q", r.fatal)
	}
}

func TestAClusterServesEverySlot(t *testing.T) {
	c := redistest.StartCluster(t).Client()
	masters := 0
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		if err := c.Set(t.Context(), key, "v", time.Minute).Err(); err != nil {
			t.Fatalf("SET %s: %v", key, err)
		}
	}
	shards, err := c.ClusterShards(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		masters += len(shard.Nodes)
	}
	if masters != 3 {
		t.Fatalf("%d nodes, want 3", masters)
	}
}

func TestSentinelPromotesTheReplica(t *testing.T) {
	s := redistest.StartSentinel(t)
	s.Master.Kill()
	c := s.Client()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := c.Set(t.Context(), "k", "v", 0).Err()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no failover: %v", err)
		}
		runtime.Gosched()
	}
	if v, err := s.Replica.Client().Get(t.Context(), "k").Result(); v != "v" {
		t.Fatalf("the write did not reach the promoted replica: %q, %v", v, err)
	}
}

// A recorder is a test that notes how it fails instead of failing.
type recorder struct {
	testing.TB
	fatal string
}

func (*recorder) Helper() {}

func (r *recorder) Fatal(args ...any) {
	r.fatal, _ = args[0].(string)
	runtime.Goexit()
}
