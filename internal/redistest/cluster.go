package redistest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	clusterMasters   = 3
	clusterSlots     = 16384
	clusterBusOffset = 10000 // where Redis puts the bus unless told otherwise
)

// A Cluster is three masters that share the hash slots evenly, without replicas.
type Cluster struct {
	Servers []*Server

	t testing.TB
}

// StartCluster runs three masters and returns once each of them calls the
// cluster whole.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	for range clusterMasters {
		c.Servers = append(c.Servers, start(t, clusterBusOffset, func(string) []string {
			return dataNode("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000")
		}))
	}
	ctx, cancel := context.WithTimeout(t.Context(), readyTimeout)
	defer cancel()
	clients := make([]*redis.Client, clusterMasters)
	for i, s := range c.Servers {
		clients[i] = s.Client()
		first, last := i*clusterSlots/clusterMasters, (i+1)*clusterSlots/clusterMasters-1
		if err := clients[i].ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			t.Fatalf("redistest: give slots to a node: %v", err)
		}
		if err := clients[i].Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatalf("redistest: number a node: %v", err)
		}
	}
	for _, s := range c.Servers[1:] {
		if err := clients[0].Do(ctx, "CLUSTER", "MEET", s.Host(), s.Port()).Err(); err != nil {
			t.Fatalf("redistest: join a node: %v", err)
		}
	}
	for _, client := range clients {
		poll(t, "the cluster forms", func() bool {
			info, err := client.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, "cluster_known_nodes:3") && strings.Contains(info, "cluster_size:3")
		})
		_ = client.Close()
	}
	return c
}

// Addrs returns the addresses of the nodes.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		addrs[i] = s.Addr
	}
	return addrs
}

// Client returns a new client of the cluster, closed when the test ends. The
// functions change the options before it is made.
func (c *Cluster) Client(change ...func(*redis.ClusterOptions)) *redis.ClusterClient {
	c.t.Helper()
	opts := &redis.ClusterOptions{
		Addrs:                    c.Addrs(),
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for _, f := range change {
		f(opts)
	}
	client := redis.NewClusterClient(opts)
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// ClusterOfOne returns options of a cluster client for which all slots are on the
// server at addr, which need not be one of a cluster.
func ClusterOfOne(addr string) *redis.ClusterOptions {
	return &redis.ClusterOptions{
		Addrs: []string{addr},
		ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) {
			return []redis.ClusterSlot{{Start: 0, End: clusterSlots - 1, Nodes: []redis.ClusterNode{{Addr: addr}}}}, nil
		},
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// poll waits until the condition holds and fails the test when it does not.
func poll(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(readyTimeout)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("redistest: %s: not in %v", what, readyTimeout)
		}
		<-time.After(pollEvery)
	}
}
