package redisbackend

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/redis/go-redis/v9"
)

// A proxy is a toxiproxy in front of one server.
type proxy struct {
	*toxiproxy.Proxy
	t     *testing.T
	admin *redis.Client // goes around the proxy
}

func newProxy(t *testing.T, server *redistest.Server) *proxy {
	t.Helper()
	api := &toxiproxy.ApiServer{Metrics: toxiproxy.NewMetricsContainer(nil)}
	api.Logger = zero(api.Logger)
	p := toxiproxy.NewProxy(api, "redis", "127.0.0.1:0", server.Addr)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &proxy{Proxy: p, t: t, admin: server.Client()}
}

// zero returns a new zero value: a logger that writes nothing.
func zero[T any](*T) *T { return new(T) }

// blackHole swallows everything that the server says.
func (p *proxy) blackHole() {
	p.t.Helper()
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(`{"name": "hole", "type": "timeout"}`)); err != nil {
		p.t.Fatal(err)
	}
}

// calls returns how often the server has executed a command, scripts' own
// commands included.
func (p *proxy) calls(command string) int {
	p.t.Helper()
	info, err := p.admin.Info(context.Background(), "commandstats").Result()
	if err != nil {
		p.t.Errorf("INFO: %v", err)
	}
	m := regexp.MustCompile(`cmdstat_` + command + `:calls=(\d+)`).FindStringSubmatch(info)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// losingReply calls f, swallows the reply to the first such command after the
// server has executed it, and closes that connection. Connections made after
// that work, so that a client which repeats the command can do so. It returns
// how often the server executed the command.
func (p *proxy) losingReply(command string, f func()) int {
	p.t.Helper()
	if err := p.admin.ConfigResetStat(p.t.Context()).Err(); err != nil {
		p.t.Fatal(err)
	}
	p.blackHole()
	var wg sync.WaitGroup
	wg.Go(f)
	poll(p.t, "the server executes "+command, func() bool { return p.calls(command) > 0 })
	if err := p.Toxics.RemoveToxic(p.t.Context(), "hole"); err != nil {
		p.t.Fatal(err)
	}
	wg.Wait()
	return p.calls(command)
}

func TestACommandWhoseReplyIsLostIsSentOnceByAClientThatRetries(t *testing.T) {
	server := redistest.Start(t)
	single := func(t *testing.T) (*proxy, redis.UniversalClient) {
		p := newProxy(t, server)
		rdb := redis.NewClient(&redis.Options{Addr: p.Listen, ContextTimeoutEnabled: true, MaintNotificationsConfig: noMaintenance})
		t.Cleanup(func() { _ = rdb.Close() })
		return p, rdb
	}
	// A cluster whose slots are all on one node, as go-redis sees it.
	cluster := func(t *testing.T) (*proxy, redis.UniversalClient) {
		p := newProxy(t, server)
		rdb := redis.NewClusterClient(redistest.ClusterOfOne(p.Listen))
		t.Cleanup(func() { _ = rdb.Close() })
		return p, rdb
	}
	for name, connect := range map[string]func(*testing.T) (*proxy, redis.UniversalClient){"single": single, "cluster": cluster} {
		t.Run(name, func(t *testing.T) {
			t.Run("which does repeat a plain SET NX", func(t *testing.T) {
				p, rdb := connect(t)
				if err := rdb.SetNX(patient(t), "warm", "v", time.Millisecond).Err(); err != nil {
					t.Fatal(err)
				}
				var granted bool
				sent := p.losingReply("set", func() { granted = rdb.SetNX(patient(t), "plain", "v", time.Minute).Val() })
				if sent != 2 || granted {
					t.Fatalf("sent %d times, granted %v: the fault does not show what it should", sent, granted)
				}
				p.admin.Del(t.Context(), "plain")
			})
			t.Run("acquire", func(t *testing.T) {
				p, rdb := connect(t)
				b := newBackend(t, rdb)
				defer p.admin.Del(t.Context(), claim.Key)
				warm(t, b)
				var grant otellock.Grant
				var err error
				for _, c := range []otellock.Claim{claim, again(claim)} {
					sent := p.losingReply("set", func() { grant, err = b.Acquire(patient(t), c) })
					checkClass(t, "Acquire", err, "eof")
					if sent != 1 || grant.Acquired {
						t.Errorf("sent %d times, granted %v, want once and not granted", sent, grant.Acquired)
					}
					// The server holds our token. The Locker's own repetition is granted.
					if v := p.admin.Get(t.Context(), claim.Key).Val(); v != claim.Token {
						t.Fatalf("the server holds %q", v)
					}
					if grant, err = b.Acquire(patient(t), again(claim)); err != nil || !grant.Acquired {
						t.Errorf("the second Acquire: %v, %v", grant, err)
					}
					if err := b.Release(patient(t), claim); err != nil {
						t.Error(err)
					}
				}
			})
			t.Run("extend", func(t *testing.T) {
				p, rdb := connect(t)
				b := newBackend(t, rdb)
				defer p.admin.Del(t.Context(), claim.Key)
				warm(t, b)
				if _, err := b.Acquire(patient(t), claim); err != nil {
					t.Fatal(err)
				}
				var err error
				sent := p.losingReply("evalsha", func() { err = b.Extend(patient(t), claim) })
				checkClass(t, "Extend", err, "eof")
				if sent != 1 {
					t.Errorf("sent %d times, want once", sent)
				}
			})
			t.Run("release", func(t *testing.T) {
				p, rdb := connect(t)
				b := newBackend(t, rdb)
				warm(t, b)
				if _, err := b.Acquire(patient(t), claim); err != nil {
					t.Fatal(err)
				}
				var err error
				sent := p.losingReply("evalsha", func() { err = b.Release(patient(t), claim) })
				checkClass(t, "Release", err, "eof")
				if sent != 1 {
					t.Errorf("sent %d times, want once", sent)
				}
				// Only the Locker knows that "absent" now means released.
				if err := b.Release(patient(t), claim); !errors.Is(err, otellock.ErrLost) {
					t.Errorf("the second Release: %v, want %v", err, otellock.ErrLost)
				}
			})
		})
	}
}

func TestFaultsOnTheWireEndByTheDeadline(t *testing.T) {
	server := redistest.Start(t)
	for _, test := range []struct {
		name  string
		toxic string
		class string
	}{
		{"black hole", `{"type": "timeout"}`, "timeout"},
		{"reply too late", `{"type": "latency", "attributes": {"latency": 5000}}`, "timeout"},
		{"reset", `{"type": "reset_peer"}`, "eof"},
		{"cut off", `{"type": "limit_data", "attributes": {"bytes": 0}}`, "eof"},
		{"cut off in the middle", `{"type": "limit_data", "attributes": {"bytes": 2}}`, "eof"},
	} {
		for _, connected := range []bool{true, false} {
			t.Run(test.name+", connected before: "+strconv.FormatBool(connected), func(t *testing.T) {
				p := newProxy(t, server)
				b := newBackend(t, client(t, p.Listen))
				if connected {
					warm(t, b)
				}
				if _, err := p.Toxics.AddToxicJson(strings.NewReader(test.toxic)); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				for operation, err := range operations(b) {
					checkClass(t, operation, err, test.class)
				}
				if took, bound := time.Since(start), 4*attempt+late; took > bound {
					t.Errorf("four calls took %v, want at most %v", took, bound)
				}
			})
		}
	}
}
