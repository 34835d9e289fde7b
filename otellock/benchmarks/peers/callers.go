package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// patience is what every call may take: the attempt timeout of this lock.
const patience = 250 * time.Millisecond

// A caller takes a key once, and releases it, or fails.
type caller struct {
	name    string
	once    func(ctx context.Context, key string) error
	stop    func()
	bounded bool // bounds each of its commands itself
}

// callers returns bare go-redis, this lock and its peers, with the same options for
// go-redis. redislock and redsync have no telemetry of their own: with an SDK
// redisotel instruments their client. go-redis alone and rueidislock have none.
func callers(addr string, t telemetry) (all []caller, err error) {
	for _, call := range []func(string, telemetry) (caller, error){callGoRedis, callOurs, callRedislock, callRedsync, callRueidislock} {
		c, err := call(addr, t)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func callGoRedis(addr string, _ telemetry) (caller, error) {
	rdb := redis.NewClient(redisbackend.Options(addr))
	token := "a token"
	within := func(ctx context.Context, f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return f(ctx)
	}
	once := func(ctx context.Context, key string) error {
		if err := within(ctx, func(ctx context.Context) error { return rdb.SetNX(ctx, key, token, ttl).Err() }); err != nil {
			return err
		}
		return within(ctx, func(ctx context.Context) error { return deleteOwn(ctx, rdb, key, token) })
	}
	return caller{"go-redis", once, func() { _ = rdb.Close() }, true}, nil
}

func callOurs(addr string, t telemetry) (caller, error) {
	rdb := redis.NewClient(redisbackend.Options(addr))
	backend, err := redisbackend.New(rdb)
	if err != nil {
		return caller{}, err
	}
	tracers, meters, shutdown := t.providers()
	locker, err := otellock.New(backend, otellock.WithFailClosed(true), otellock.WithLogger(slog.New(slog.DiscardHandler)),
		otellock.WithTracerProvider(tracers), otellock.WithMeterProvider(meters))
	if err != nil {
		return caller{}, err
	}
	target, err := locker.Target("keys", "peers:*")
	if err != nil {
		return caller{}, err
	}
	once := func(ctx context.Context, key string) error {
		return target.KeyMutex(key).Do(ctx, func(context.Context) error { return nil })
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = locker.Close(ctx)
		_ = rdb.Close()
		shutdown()
	}
	return caller{"otellock", once, stop, true}, nil
}

// instrumented returns a client that redisotel observes where there is an SDK, and
// what the lock on it is called in a table.
func instrumented(lock, addr string, t telemetry) (rdb *redis.Client, name string, stop func(), err error) {
	rdb = redis.NewClient(redisbackend.Options(addr))
	if t.sampler == nil {
		return rdb, lock, func() { _ = rdb.Close() }, nil
	}
	tracers, meters, shutdown := t.providers()
	err = errors.Join(
		redisotel.InstrumentTracing(rdb, redisotel.WithTracerProvider(tracers), redisotel.WithDBStatement(false)),
		redisotel.InstrumentMetrics(rdb, redisotel.WithMeterProvider(meters)))
	return rdb, lock + ", redisotel", func() { _ = rdb.Close(); shutdown() }, err
}

func callRedislock(addr string, t telemetry) (caller, error) {
	rdb, name, stop, err := instrumented("redislock", addr, t)
	client := redislock.New(rdb)
	return caller{name, func(ctx context.Context, key string) error {
		l, err := client.Obtain(ctx, key, ttl, nil)
		if err != nil {
			return err
		}
		return l.Release(ctx)
	}, stop, false}, err
}

func callRedsync(addr string, t telemetry) (caller, error) {
	rdb, name, stop, err := instrumented("redsync", addr, t)
	rs := redsync.New(goredis.NewPool(rdb))
	return caller{name, func(ctx context.Context, key string) error {
		m := rs.NewMutex(key, redsync.WithExpiry(ttl), redsync.WithTries(1))
		if err := m.LockContext(ctx); err != nil {
			return err
		}
		_, err := m.UnlockContext(ctx)
		return err
	}, stop, false}, err
}

func callRueidislock(addr string, _ telemetry) (caller, error) {
	locker, err := newRueidislock(addr, patience)
	if err != nil {
		return caller{}, err
	}
	return caller{"rueidislock", func(ctx context.Context, key string) error {
		_, release, err := locker.TryWithContext(ctx, key)
		if err != nil {
			return err
		}
		release()
		return nil
	}, locker.Close, false}, nil
}
