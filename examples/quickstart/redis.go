package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// A redisServer is what the locks are kept in, and how it is lost.
type redisServer struct {
	addr   string
	what   string
	outage string
	cut    func()
	stop   func()
}

func startRedis(ctx context.Context, addr string) (*redisServer, error) {
	if addr != "" {
		return reachRedis(ctx, addr)
	}
	embedded := miniredis.NewMiniRedis()
	if err := embedded.Start(); err != nil {
		return nil, fmt.Errorf("the embedded Redis did not start: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	go passTime(ctx, embedded)
	stop := func() {
		cancel()
		embedded.Close()
	}
	return &redisServer{
		addr:   embedded.Addr(),
		what:   "embedded, on " + embedded.Addr(),
		outage: "the Redis server stops",
		cut:    stop,
		stop:   stop,
	}, nil
}

// passTime moves the clock of the embedded Redis, which stands still by itself.
func passTime(ctx context.Context, embedded *miniredis.Miniredis) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ticker.C: // on a busy machine some are missing
			now := time.Now()
			embedded.FastForward(now.Sub(last))
			last = now
		case <-ctx.Done():
			return
		}
	}
}

// reachRedis puts a proxy before a server that is not ours to stop.
func reachRedis(ctx context.Context, addr string) (*redisServer, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	// The value is not repeated: it may be a URL with a password.
	host, port, err := net.SplitHostPort(addr)
	if _, notNumber := strconv.ParseUint(port, 10, 16); err != nil || host == "" || notNumber != nil {
		return nil, errors.New("REDIS_ADDR must be host:port, such as localhost:6379")
	}
	probe := redis.NewClient(redisbackend.Options(addr))
	defer probe.Close()
	if err := probe.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("no Redis answers at REDIS_ADDR=%s: %w", addr, err)
	}
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "redis", "127.0.0.1:0", addr)
	if err := proxy.Start(); err != nil {
		return nil, fmt.Errorf("the proxy before REDIS_ADDR did not start: %w", err)
	}
	return &redisServer{
		addr:   proxy.Listen,
		what:   addr + ", through a proxy on " + proxy.Listen,
		outage: "the connections to Redis are cut",
		cut:    proxy.Stop,
		stop:   func() {},
	}, nil
}
