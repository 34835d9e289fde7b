package redisbackend_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

func TestWhoIsToldBusyLearnsWhoHasTheKeyAndForHowLong(t *testing.T) {
	server := redistest.Start(t)
	b, admin := newBackend(t, client(t, server.Addr)), server.Client()
	for _, test := range []struct {
		name    string
		set     []any
		token   string
		expires bool
	}{
		{"a lease of ours", []any{"SET", "k", "another", "PX", 60000}, "another", true},
		{"a value of the length of ours at most", []any{"SET", "k", strings.Repeat("v", 200), "PX", 60000}, strings.Repeat("v", 200), true},
		{"a longer value", []any{"SET", "k", strings.Repeat("v", 201), "PX", 60000}, "", true},
		{"a huge value", []any{"SET", "k", strings.Repeat("v", 8<<20), "PX", 60000}, "", true},
		{"no text", []any{"SET", "k", "\x00\xff\r\n$-1\r\n", "PX", 60000}, "\x00\xff\r\n$-1\r\n", true},
		{"an empty value", []any{"SET", "k", ""}, "", false},
		{"a key that never expires", []any{"SET", "k", "1"}, "1", false},
	} {
		run(t, admin, test.set...)
		held := map[string]otellock.Held{}
		for _, c := range []otellock.Claim{
			{Key: "k", Token: "t", TTL: time.Minute},
			{Key: "k", Token: "t", TTL: time.Minute, Again: true},
			{Key: "k", Token: "t", TTL: time.Minute, Fence: true},
		} {
			g, err := b.Acquire(t.Context(), c)
			if err != nil || g.Acquired || g.Fence != 0 {
				t.Fatalf("%s: Acquire: %+v, %v", test.name, g, err)
			}
			held[fmt.Sprintf("Acquire, again %t, fence %t", c.Again, c.Fence)] = g.Held
		}
		for operation, err := range map[string]error{
			"Extend":  b.Extend(t.Context(), otellock.Claim{Key: "k", Token: "t", TTL: time.Minute}),
			"Release": b.Release(t.Context(), otellock.Claim{Key: "k", Token: "t"}),
			"Keep":    b.Release(t.Context(), otellock.Claim{Key: "k", Token: "t", Keep: time.Minute}),
		} {
			var stolen *otellock.StolenError
			if !errors.As(err, &stolen) {
				t.Fatalf("%s: %s: %v, want a StolenError", test.name, operation, err)
			}
			held[operation] = stolen.Held
		}
		for operation, h := range held {
			if h.Token != test.token || (h.Left > 0) != test.expires || h.Left > time.Minute {
				t.Errorf("%s: %s: %d bytes for %v, want %d bytes and a time: %t",
					test.name, operation, len(h.Token), h.Left, len(test.token), test.expires)
			}
		}
	}
}

func TestFencesCarryOnWhateverTheServerForgets(t *testing.T) {
	server := redistest.Start(t)
	b, admin := newBackend(t, client(t, server.Addr)), server.Client()
	last := uint64(0)
	grant := func(when string) {
		t.Helper()
		c := otellock.Claim{Key: "k", Token: when, TTL: time.Minute, Fence: true}
		g, err := b.Acquire(t.Context(), c)
		if err != nil || !g.Acquired || g.Fence <= last {
			t.Fatalf("%s: %+v, %v, want a fence above %d", when, g, err, last)
		}
		last = g.Fence
		_ = b.Release(t.Context(), c)
	}
	grant("at first")
	if now := uint64(time.Now().UnixMicro()); last > now || last < now-uint64(time.Hour.Microseconds()) {
		t.Errorf("the first fence is %d, want the time in microseconds, about %d", last, now)
	}
	grant("the next one")
	run(t, admin, "FLUSHALL")
	grant("after FLUSHALL")

	name := admin.Keys(t.Context(), "otellock:fence*").Val()
	if len(name) != 1 {
		t.Fatalf("the fence is kept in %q, want one key", name)
	}
	if ttl := admin.PTTL(t.Context(), name[0]).Val(); ttl < 23*time.Hour || ttl > 24*time.Hour {
		t.Errorf("the fence is kept for %v, want a day", ttl)
	}
	ahead := uint64(time.Now().Add(time.Hour).UnixMicro())
	run(t, admin, "SET", name[0], ahead) // as a clock that was set back leaves it
	last = ahead
	grant("after the clock was set back")
	if last != ahead+1 {
		t.Errorf("the fence is %d, want %d", last, ahead+1)
	}
	run(t, admin, "SET", name[0], "no number")
	last = 0
	grant("after somebody else has written there")
	if last > math.MaxInt64 {
		t.Errorf("the fence is %d", last)
	}

	run(t, admin, "DEL", name[0])
	run(t, admin, "RPUSH", name[0], "v")
	_, err := b.Acquire(t.Context(), otellock.Claim{Key: "k", Token: "t", TTL: time.Minute, Fence: true})
	checkClass(t, "Acquire", err, "WRONGTYPE")
	if n := admin.Exists(t.Context(), "k").Val(); n != 0 {
		t.Error("the key was granted without a fence")
	}
}

func TestAFencedLockWorksOnEveryKeyOfACluster(t *testing.T) {
	t.Parallel()
	b := newBackend(t, redistest.StartCluster(t).Client())
	for _, key := range []string{"k", "lock:{a}:1", "lock:a}b", "lock:{}", "{", "}", "}{", "{}{a}", "a{b", "{a}{b}", "\x00}\xff"} {
		c := otellock.Claim{Key: key, Token: "t", TTL: time.Minute, Fence: true}
		if g, err := b.Acquire(t.Context(), c); err != nil || !g.Acquired || g.Fence == 0 {
			t.Errorf("%q: %+v, %v", key, g, err)
		}
		if err := b.Release(t.Context(), c); err != nil {
			t.Errorf("%q: Release: %v", key, err)
		}
	}
}

func TestAGrantCountsOnceEnoughReplicasHaveIt(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t) // a master and one replica
	claim := otellock.Claim{Key: "k", Token: "t", TTL: time.Minute}
	backend := func(replicas int) *redisbackend.Backend {
		b, err := redisbackend.New(client(t, s.Master.Addr), redisbackend.WithMinReplicas(replicas))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, fence := range []bool{false, true} {
		claim.Fence = fence
		b := backend(1)
		if g, err := b.Acquire(expiring(t, late), claim); err != nil || !g.Acquired || (g.Fence > 0) != fence {
			t.Fatalf("Acquire with one replica of one: %+v, %v", g, err)
		}
		if v := s.Replica.Client().Get(t.Context(), claim.Key).Val(); v != claim.Token {
			t.Errorf("the replica has %q, want the token", v)
		}
		rival := claim
		rival.Token = "rival"
		if g, err := b.Acquire(expiring(t, late), rival); err != nil || g.Acquired || g.Held.Token != claim.Token {
			t.Errorf("Acquire of a held key: %+v, %v", g, err)
		}
		if err := b.Release(t.Context(), claim); err != nil {
			t.Fatal(err)
		}
	}
	_, err := backend(2).Acquire(expiring(t, late), claim)
	checkClass(t, "Acquire with two replicas of one", err, "NOREPLICAS")

	if _, err := redisbackend.New(client(t, s.Master.Addr), redisbackend.WithMinReplicas(-1)); err == nil {
		t.Error("WithMinReplicas(-1) was accepted")
	}
}

func TestAGrantOfAClusterCountsOnceEnoughReplicasHaveIt(t *testing.T) {
	t.Parallel()
	b, err := redisbackend.New(redistest.StartCluster(t).Client(), redisbackend.WithMinReplicas(1)) // which it has not
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		_, err := b.Acquire(expiring(t, late), otellock.Claim{Key: key, Token: "t", TTL: time.Minute})
		checkClass(t, "Acquire", err, "NOREPLICAS")
	}
}
