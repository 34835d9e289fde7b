package main

import (
	"context"
	"errors"
	"time"

	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	etcd "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/observe"
	concurrency "github.com/otellock/otellock-go/otellock/oteletcd"
	redislock "github.com/otellock/otellock-go/otellock/otelredislock"
	redsync "github.com/otellock/otellock-go/otellock/otelredsync"
	rueidislock "github.com/otellock/otellock-go/otellock/otelrueidislock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

const ttl = 5 * time.Second

// A lock is one of the five: take waits until the context ends.
type lock struct {
	name string
	take func(ctx context.Context, id string) (release func(context.Context) error, err error)
}

// open returns the locks. The packages have the names of the peers here, because that
// is all that a program changes.
func open(servers *servers, seen *telemetry) (locks []lock, closeAll func(), err error) {
	rdb := redis.NewClient(redisbackend.Options(servers.redis))
	own, err := ownLock(rdb, seen)
	if err != nil {
		return nil, nil, err
	}
	rueidis, closeRueidis, err := rueidisLock(servers.redis, seen.options("rueidislock", "rueidislock:*"))
	if err != nil {
		return nil, nil, err
	}
	etcd, closeEtcd, err := etcdLock(servers.etcd, seen.options("etcd", "/locks/etcd/*"))
	if err != nil {
		return nil, nil, err
	}
	locks = []lock{
		own,
		redisLock(rdb, seen.options("redislock", "lock:redislock:*")),
		redSync(rdb, seen.options("redsync", "lock:redsync:*")),
		rueidis,
		etcd,
	}
	return locks, func() { closeEtcd(); closeRueidis(); _ = rdb.Close() }, nil
}

func ownLock(rdb *redis.Client, seen *telemetry) (lock, error) {
	backend, err := redisbackend.New(rdb)
	if err != nil {
		return lock{}, err
	}
	locker, err := otellock.New(backend, otellock.WithTracerProvider(seen.tracers), otellock.WithMeterProvider(seen.meters),
		otellock.WithLoggerProvider(seen.loggers), otellock.WithFailClosed(true))
	if err != nil {
		return lock{}, err
	}
	target, err := locker.Target("otellock", "lock:otellock:*", otellock.WithTTL(ttl))
	return lock{"otellock", func(ctx context.Context, id string) (func(context.Context) error, error) {
		lease, err := target.Mutex(id).Lock(ctx)
		if err != nil {
			return nil, err
		}
		return lease.Release, nil
	}}, err
}

func redisLock(rdb *redis.Client, opts []observe.Option) lock {
	locker := redislock.New(rdb, opts...)
	waits := &redislock.Options{RetryStrategy: redislock.LinearBackoff(2 * time.Millisecond)}
	return lock{"redislock", func(ctx context.Context, id string) (func(context.Context) error, error) {
		lock, err := locker.Obtain(ctx, "lock:redislock:"+id, ttl, waits)
		if err != nil {
			return nil, err
		}
		return lock.Release, nil
	}}
}

func redSync(rdb *redis.Client, opts []observe.Option) lock {
	locker := redsync.New(goredis.NewPool(rdb)).With(opts...)
	return lock{"redsync", func(ctx context.Context, id string) (func(context.Context) error, error) {
		mutex := locker.NewMutex("lock:redsync:"+id, redsync.WithExpiry(ttl), redsync.WithRetryDelay(2*time.Millisecond), redsync.WithTries(10))
		if err := mutex.LockContext(ctx); err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			_, err := mutex.UnlockContext(ctx)
			return err
		}, nil
	}}
}

// rueidisLock returns a lock of rueidislock. It ends with the context that it was
// taken with, which therefore must not be the one that limits the wait.
func rueidisLock(addr string, opts []observe.Option) (lock, func(), error) {
	locker, err := rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption: rueidis.ClientOption{InitAddress: []string{addr}},
		KeyPrefix:    "lock", KeyValidity: ttl, KeyMajority: 1, NoLoopTracking: true,
	}, opts...)
	if err != nil {
		return lock{}, nil, err
	}
	return lock{"rueidislock", func(ctx context.Context, id string) (func(context.Context) error, error) {
		held, giveUp := context.WithCancel(context.WithoutCancel(ctx))
		stop := context.AfterFunc(ctx, giveUp)
		_, release, err := locker.WithContext(held, "rueidislock:"+id)
		stop()
		if err != nil {
			giveUp()
			return nil, err
		}
		return func(context.Context) error { release(); giveUp(); return nil }, nil
	}}, locker.Close, nil
}

// etcdLock returns a lock of etcd. A session may take a mutex twice, so that each
// worker needs a session of its own.
func etcdLock(addr string, opts []observe.Option) (l lock, closeAll func(), err error) {
	client, err := etcd.New(etcd.Config{Endpoints: []string{addr}, Logger: zap.NewNop()})
	if err != nil {
		return lock{}, nil, err
	}
	locks, sessions := concurrency.New(opts...), make(chan *concurrency.Session, workers)
	for range workers {
		session, err := concurrency.NewSession(client, concurrency.WithTTL(int(ttl.Seconds())))
		if err != nil {
			return lock{}, nil, errors.Join(err, client.Close())
		}
		sessions <- session
	}
	return lock{"etcd", func(ctx context.Context, id string) (func(context.Context) error, error) {
		session := <-sessions
		mutex := locks.NewMutex(session, "/locks/etcd/"+id)
		if err := mutex.Lock(ctx); err != nil {
			sessions <- session
			return nil, err
		}
		return func(ctx context.Context) error {
			defer func() { sessions <- session }()
			return mutex.Unlock(ctx)
		}, nil
	}}, func() { _ = client.Close() }, nil
}
