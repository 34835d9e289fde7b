package redisbackend_test

import (
	"strings"
	"testing"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const nobody = "127.0.0.1:1" // New sends nothing, so nobody has to listen

func TestNewRefusesWhatCannotCarryLocks(t *testing.T) {
	single := func(change func(*redis.Options)) *redis.Client {
		o := redisbackend.Options(nobody)
		change(o)
		return redis.NewClient(o)
	}
	cluster := func(o redis.ClusterOptions) *redis.ClusterClient {
		o.Addrs = []string{nobody}
		return redis.NewClusterClient(&o)
	}
	pipeliner, err := single(func(*redis.Options) {}).AutoPipeline()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		rdb  redis.UniversalClient
		says []string
	}{
		{"nil", nil, []string{"nil"}},
		{"a nil client", (*redis.Client)(nil), []string{"nil"}},
		{"a nil cluster client", (*redis.ClusterClient)(nil), []string{"nil"}},
		{"a nil ring", (*redis.Ring)(nil), []string{"redis.Ring"}},
		{
			"a ring", redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": nobody}, ContextTimeoutEnabled: true}),
			[]string{"redis.Ring", "two holders", "redis.NewClusterClient"},
		},
		{"an autopipeliner", pipeliner, []string{"*redis.AutoPipeliner", "*redis.Client"}},
		{"a wrapper", struct{ *redis.Client }{single(func(*redis.Options) {})}, []string{"struct", "*redis.Client"}},
		{
			"default options", redis.NewClient(&redis.Options{Addr: nobody}),
			[]string{"redis.Options.ContextTimeoutEnabled", "true"},
		},
		{
			"default maintenance notifications", single(func(o *redis.Options) { o.MaintNotificationsConfig = nil }),
			[]string{"redis.Options.MaintNotificationsConfig", "maintnotifications.ModeDisabled"},
		},
		{
			"automatic maintenance notifications", single(func(o *redis.Options) {
				o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeAuto}
			}),
			[]string{"redis.Options.MaintNotificationsConfig", "maintnotifications.ModeDisabled"},
		},
		{
			"maintenance notifications", single(func(o *redis.Options) {
				o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeEnabled}
			}),
			[]string{"redis.Options.MaintNotificationsConfig", "maintnotifications.ModeDisabled"},
		},
		{
			"default maintenance notifications in a cluster", cluster(redis.ClusterOptions{ContextTimeoutEnabled: true}),
			[]string{"redis.ClusterOptions.MaintNotificationsConfig", "maintnotifications.ModeDisabled"},
		},
		{
			"maintenance notifications of an empty mode in a cluster",
			cluster(redis.ClusterOptions{ContextTimeoutEnabled: true, MaintNotificationsConfig: &maintnotifications.Config{}}),
			[]string{"redis.ClusterOptions.MaintNotificationsConfig", "maintnotifications.ModeDisabled"},
		},
		{
			"default cluster options", cluster(redis.ClusterOptions{}),
			[]string{"redis.ClusterOptions.ContextTimeoutEnabled", "true"},
		},
		{
			"default failover options", redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{nobody}}),
			[]string{"redis.FailoverOptions.ContextTimeoutEnabled"},
		},
		{
			"default options of a cluster behind Sentinel",
			redis.NewFailoverClusterClient(&redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{nobody}}),
			[]string{"ContextTimeoutEnabled"},
		},
		{"no read deadline", single(func(o *redis.Options) { o.ReadTimeout = -2 }), []string{"redis.Options.ReadTimeout"}},
		{"no write deadline", single(func(o *redis.Options) { o.WriteTimeout = -2 }), []string{"redis.Options.WriteTimeout"}},
		{
			"no read deadline in a cluster", cluster(redis.ClusterOptions{ContextTimeoutEnabled: true, ReadTimeout: -2}),
			[]string{"redis.ClusterOptions.ReadTimeout"},
		},
		{
			"no write deadline in a cluster", cluster(redis.ClusterOptions{ContextTimeoutEnabled: true, WriteTimeout: -2}),
			[]string{"redis.ClusterOptions.WriteTimeout"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := redisbackend.New(test.rdb)
			if err == nil || b != nil {
				t.Fatalf("New: %v, %v, want an error and no backend", b, err)
			}
			for _, word := range test.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error %q does not say %q", err, word)
				}
			}
		})
	}
}

func TestNewTakesClientsThatNeverMakeTheMaintenanceHandshake(t *testing.T) {
	behindSentinel := &redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{nobody}, ContextTimeoutEnabled: true}
	for name, rdb := range map[string]redis.UniversalClient{
		"Options":   redis.NewClient(redisbackend.Options(nobody)),
		"RESP2":     redis.NewClient(&redis.Options{Addr: nobody, ContextTimeoutEnabled: true, Protocol: 2}),
		"a cluster": redis.NewClusterClient(redistest.ClusterOfOne(nobody)),
		"a cluster, RESP2": redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: []string{nobody}, ContextTimeoutEnabled: true, Protocol: 2,
		}),
		"a master behind Sentinel":  redis.NewFailoverClient(behindSentinel),
		"a cluster behind Sentinel": redis.NewFailoverClusterClient(behindSentinel),
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { _ = rdb.Close() })
			if _, err := redisbackend.New(rdb); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestServerAddressIsGivenWhereThereIsOne(t *testing.T) {
	single := func(network, addr string) redis.UniversalClient {
		o := redisbackend.Options(addr)
		o.Network = network
		return redis.NewClient(o)
	}
	for _, test := range []struct {
		name string
		rdb  redis.UniversalClient
		host string
		port int
	}{
		{"one server", single("", "redis.example.com:6380"), "redis.example.com", 6380},
		{"IPv6", single("tcp", "[::1]:6379"), "::1", 6379},
		{"the client's default", single("", ""), "localhost", 6379},
		{"a Unix socket", single("unix", "/run/redis.sock"), "/run/redis.sock", 0},
		{"no port", single("tcp", "redis.example.com"), "", 0},
		{"a port by name", single("tcp", "redis.example.com:redis"), "", 0},
		{
			"Sentinel", redis.NewFailoverClient(&redis.FailoverOptions{
				MasterName: "m", SentinelAddrs: []string{nobody}, ContextTimeoutEnabled: true,
			}), "", 0,
		},
		{"a cluster", redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: []string{nobody}, ContextTimeoutEnabled: true, MaintNotificationsConfig: noMaintenance,
		}), "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Cleanup(func() { _ = test.rdb.Close() })
			b := newBackend(t, test.rdb)
			if host, port := b.ServerAddress(); host != test.host || port != test.port {
				t.Errorf("ServerAddress: %q, %d, want %q, %d", host, port, test.host, test.port)
			}
			if name := b.Name(); name != "redis" {
				t.Errorf("Name: %q", name)
			}
		})
	}
}
