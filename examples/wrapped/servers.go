package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/otellock/otellock-go/internal/etcdtest"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// servers are a Redis and an etcd, by the addresses of the proxies before them.
type servers struct {
	redis, etcd string
	cut         func() // of the connections, for good
	stop        func()
}

func start(ctx context.Context) (s *servers, err error) {
	s = &servers{stop: func() {}}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	onStop := func(f func()) {
		before := s.stop
		s.stop = func() { f(); before() }
	}
	dir, err := os.MkdirTemp("", "otellock-wrapped")
	if err != nil {
		return s, err
	}
	onStop(func() { _ = os.RemoveAll(dir) })

	addr := os.Getenv("REDIS_ADDR")
	if addr == "" {
		var stop func()
		if addr, stop, err = startRedis(dir); err != nil {
			return s, err
		}
		onStop(stop)
	}
	if err := answers(ctx, addr); err != nil {
		return s, err
	}
	etcd, err := etcdtest.Run(dir)
	if err != nil {
		return s, fmt.Errorf("the embedded etcd did not start: %w", err)
	}
	onStop(etcd.Stop)

	metrics := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	beforeRedis := toxiproxy.NewProxy(metrics, "redis", "127.0.0.1:0", addr)
	beforeEtcd := toxiproxy.NewProxy(metrics, "etcd", "127.0.0.1:0", etcd.Addr)
	if err := errors.Join(beforeRedis.Start(), beforeEtcd.Start()); err != nil {
		return s, err
	}
	s.redis, s.etcd = beforeRedis.Listen, beforeEtcd.Listen
	s.cut = func() { beforeRedis.Stop(); beforeEtcd.Stop() }
	return s, nil
}

// startRedis runs the redis-server of the PATH on a free port.
func startRedis(dir string) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	addr = l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	_ = l.Close()
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir)
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("%w: install redis-server, or set REDIS_ADDR", err)
	}
	return addr, func() { _, _ = cmd.Process.Kill(), cmd.Wait() }, nil
}

// answers waits for the Redis.
func answers(ctx context.Context, addr string) (err error) {
	rdb := redis.NewClient(redisbackend.Options(addr))
	defer rdb.Close()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; <-time.After(10 * time.Millisecond) {
		if err = rdb.Ping(ctx).Err(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no Redis answers at %s: %w", addr, err)
}
