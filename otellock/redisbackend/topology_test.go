package redisbackend_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
)

// keyOf returns a key whose hash slot is in the first third, and the slot.
func keyOf(t *testing.T, rdb *redis.Client) (string, int) {
	t.Helper()
	for i := 0; ; i++ {
		key := "k" + strconv.Itoa(i)
		slot, err := rdb.ClusterKeySlot(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if slot < 16384/3 {
			return key, int(slot)
		}
	}
}

func TestRedirectionsOfAClusterAreFollowed(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	first, second := c.Servers[0].Client(), c.Servers[1].Client()

	t.Run("MOVED", func(t *testing.T) {
		stale := c.Client(func(o *redis.ClusterOptions) {
			o.ClusterSlots = func(context.Context) ([]redis.ClusterSlot, error) {
				return []redis.ClusterSlot{{Start: 0, End: 16383, Nodes: []redis.ClusterNode{{Addr: c.Servers[0].Addr}}}}, nil
			}
		})
		b := newBackend(t, stale)
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			holds(t, b, otellock.Claim{Key: key, Token: "t", TTL: time.Minute})
		}
	})

	key, slot := keyOf(t, first) // on the first node
	id := func(rdb *redis.Client) string {
		id, err := rdb.Do(t.Context(), "CLUSTER", "MYID").Text()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	lease := otellock.Claim{Key: key, Token: "t", TTL: time.Minute}
	// The servers have no replicas: NOREPLICAS says that the key was granted.
	replicated, err := redisbackend.New(c.Client(), redisbackend.WithMinReplicas(1))
	if err != nil {
		t.Fatal(err)
	}
	grantsWithoutReplica := func(t *testing.T) {
		t.Helper()
		_, err := replicated.Acquire(expiring(t, late), lease)
		checkClass(t, "Acquire", err, "NOREPLICAS")
		if err := replicated.Release(t.Context(), lease); err != nil {
			t.Errorf("Release of what was granted: %v", err)
		}
	}
	grantsWithoutReplica(t)

	t.Run("ASK", func(t *testing.T) {
		run(t, second, "CLUSTER", "SETSLOT", slot, "IMPORTING", id(first))
		run(t, first, "CLUSTER", "SETSLOT", slot, "MIGRATING", id(second))
		b := newBackend(t, c.Client())
		g, err := b.Acquire(t.Context(), lease)
		if err != nil || !g.Acquired {
			t.Fatalf("Acquire of a key whose slot is moving: %v, %v", g, err)
		}
		if n := first.Exists(t.Context(), key).Val(); n != 0 {
			t.Error("the key is on the node that its slot is leaving")
		}
		holds(t, b, again(lease))
		grantsWithoutReplica(t)
	})

	t.Run("MOVED, by a client that waits for replicas", func(t *testing.T) {
		for _, s := range c.Servers {
			run(t, s.Client(), "CLUSTER", "SETSLOT", slot, "NODE", id(second))
		}
		grantsWithoutReplica(t)
	})

	t.Run("a part of the cluster that is down is an answer", func(t *testing.T) {
		b := newBackend(t, c.Client(func(o *redis.ClusterOptions) { o.DialerRetries = 1 }))
		c.Servers[2].Kill()
		poll(t, "the others notice", func() bool {
			err := first.Get(t.Context(), "a").Err()
			return redis.HasErrorPrefix(err, "CLUSTERDOWN")
		})
		key, _ := keyOf(t, first) // on a node that is up
		_, err := b.Acquire(patient(t), otellock.Claim{Key: key, Token: "t", TTL: time.Minute})
		checkClass(t, "Acquire", err, "CLUSTERDOWN")
	})
}

// holds acquires, extends and releases the claim, and checks that another token
// is kept out meanwhile.
func holds(t *testing.T, b otellock.Backend, c otellock.Claim) {
	t.Helper()
	if g, err := b.Acquire(t.Context(), c); err != nil || !g.Acquired {
		t.Fatalf("Acquire: %v, %v", g, err)
	}
	rival := c
	rival.Token = "rival"
	if g, err := b.Acquire(t.Context(), rival); err != nil || g.Acquired {
		t.Fatalf("Acquire by a rival: %v, %v", g, err)
	}
	if err := b.Extend(t.Context(), c); err != nil {
		t.Fatalf("Extend: %v", err)
	}
	if err := b.Release(t.Context(), rival); !errors.Is(err, otellock.ErrStolen) {
		t.Fatalf("Release by a rival: %v", err)
	}
	if err := b.Release(t.Context(), c); err != nil {
		t.Fatalf("Release: %v", err)
	}
}

func TestAfterAFailoverLocksWorkOnThePromotedReplica(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	b := newBackend(t, s.Client(func(o *redis.FailoverOptions) {
		recommended := redisbackend.Options("")
		o.DialTimeout, o.DialerRetries, o.MaxRetries = recommended.DialTimeout, recommended.DialerRetries, recommended.MaxRetries
	}))
	before := otellock.Claim{Key: "before", Token: "t", TTL: time.Minute}
	if g, err := b.Acquire(t.Context(), before); err != nil || !g.Acquired {
		t.Fatalf("Acquire: %v, %v", g, err)
	}
	replica := s.Replica.Client()
	poll(t, "the replica has the lease", func() bool { return replica.Get(t.Context(), before.Key).Val() == before.Token })

	s.Master.Kill()
	during := otellock.Claim{Key: "during", Token: "t", TTL: time.Minute}
	failed := 0
	poll(t, "acquire works again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), attempt)
		defer cancel()
		start := time.Now()
		g, err := b.Acquire(ctx, during)
		if took := time.Since(start); took > attempt+late {
			t.Errorf("an attempt during the failover took %v", took)
		}
		if err != nil {
			failed++
		}
		return g.Acquired
	})
	if failed == 0 {
		t.Error("no attempt failed: the master was not gone")
	}
	if err := b.Release(t.Context(), during); err != nil {
		t.Errorf("Release on the promoted replica: %v", err)
	}
	// The lease was replicated before the fault, so that it holds after it.
	rival := before
	rival.Token = "rival"
	if g, err := b.Acquire(t.Context(), rival); err != nil || g.Acquired {
		t.Errorf("Acquire of a held key by a rival: %v, %v", g, err)
	}
	if err := b.Release(t.Context(), before); err != nil {
		t.Errorf("Release of the lease from before: %v", err)
	}
}
