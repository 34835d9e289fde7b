package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// MasterName is the name under which the Sentinels watch the master.
const MasterName = "main"

const sentinels = 3

// A Sentinel is a master with one replica, watched by three Sentinels of which
// two must agree. Kill the Master, and the replica takes over within seconds.
type Sentinel struct {
	Master    *Server
	Replica   *Server
	Sentinels []*Server

	t testing.TB
}

// StartSentinel runs the five processes and returns once the replica follows
// the master and every Sentinel knows all the others.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	s := &Sentinel{t: t, Master: Start(t, "--repl-diskless-sync-delay", "0")}
	s.Replica = Start(t, "--repl-diskless-sync-delay", "0",
		"--replicaof", s.Master.Host()+" "+strconv.Itoa(s.Master.Port()))

	ctx, cancel := context.WithTimeout(t.Context(), readyTimeout)
	defer cancel()
	replica := s.Replica.Client()
	poll(t, "the replica follows", func() bool {
		info, err := replica.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})

	for range sentinels {
		s.Sentinels = append(s.Sentinels, start(t, 0, func(dir string) []string {
			return []string{watch(t, dir, s.Master), "--sentinel"}
		}))
	}
	for _, sentinel := range s.Sentinels {
		client := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr, ContextTimeoutEnabled: true})
		poll(t, "the Sentinels agree", func() bool {
			master, err := client.Master(ctx, MasterName).Result()
			return err == nil && master["num-other-sentinels"] == strconv.Itoa(sentinels-1) && master["num-slaves"] == "1"
		})
		_ = client.Close()
	}
	return s
}

// watch writes the configuration of one Sentinel, which rewrites it as it goes,
// and returns its path.
func watch(t testing.TB, dir string, master *Server) string {
	t.Helper()
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]d 2\n"+
		"sentinel down-after-milliseconds %[1]s 500\n"+
		"sentinel failover-timeout %[1]s 3000\n", MasterName, master.Host(), master.Port())
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatalf("redistest: %v", err)
	}
	return conf
}

// Addrs returns the addresses of the Sentinels.
func (s *Sentinel) Addrs() []string {
	addrs := make([]string, len(s.Sentinels))
	for i, sentinel := range s.Sentinels {
		addrs[i] = sentinel.Addr
	}
	return addrs
}

// Client returns a new client that finds the master through the Sentinels,
// closed when the test ends. The functions change the options before it is made.
func (s *Sentinel) Client(change ...func(*redis.FailoverOptions)) *redis.Client {
	s.t.Helper()
	opts := &redis.FailoverOptions{
		MasterName:            MasterName,
		SentinelAddrs:         s.Addrs(),
		ContextTimeoutEnabled: true,
	}
	for _, f := range change {
		f(opts)
	}
	client := redis.NewFailoverClient(opts)
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}
