package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

const ttl = 30 * time.Second

// A lock takes a key. It waits for as long as it takes.
type lock func(ctx context.Context, key string) (release func() error, err error)

// A maker makes a lock with a client of its own.
type maker struct {
	name string
	make func(addr string) (take lock, stop func(), err error)
}

var makers = []maker{
	{"otellock", makeOurs},
	{"rueidislock", makeRueidislock},
	{"redislock", makeRedislock},
	{"redsync", makeRedsync},
	{"go-redis, polling", makePolling},
}

func makerOf(name string) (maker, error) {
	for _, m := range makers {
		if m.name == name {
			return m, nil
		}
	}
	return maker{}, fmt.Errorf("there is no lock %q", name)
}

func makeOurs(addr string) (lock, func(), error) {
	rdb := redis.NewClient(patient(addr))
	backend, err := redisbackend.New(rdb)
	if err != nil {
		return nil, nil, err
	}
	locker, err := otellock.New(backend, otellock.WithFailClosed(true), otellock.WithTTL(ttl),
		otellock.WithWait(time.Hour), otellock.WithAttemptTimeout(10*time.Second)) // as patient as the others on a busy machine
	if err != nil {
		return nil, nil, err
	}
	target, err := locker.Target("keys", "peers:*")
	if err != nil {
		return nil, nil, err
	}
	take := func(ctx context.Context, key string) (func() error, error) {
		lease, err := target.KeyMutex(key).Lock(ctx)
		if err != nil {
			return nil, err
		}
		return func() error { return lease.Release(ctx) }, nil
	}
	return take, func() { _ = locker.Close(context.Background()); _ = rdb.Close() }, nil
}

// The client-side cache of rueidis tells its waiters of a release.
func makeRueidislock(addr string) (lock, func(), error) {
	locker, err := newRueidislock(addr, 0)
	if err != nil {
		return nil, nil, err
	}
	take := func(ctx context.Context, key string) (func() error, error) {
		_, cancel, err := locker.WithContext(ctx, key)
		if err != nil {
			return nil, err
		}
		return func() error { cancel(); return nil }, nil
	}
	return take, locker.Close, nil
}

// newRueidislock returns a Locker of one key. It gives up an attempt after the
// timeout; 0 is its default of 20 ms.
func newRueidislock(addr string, timeout time.Duration) (rueidislock.Locker, error) {
	return rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption:   rueidis.ClientOption{InitAddress: []string{addr}},
		KeyMajority:    1,
		KeyValidity:    ttl,
		TryNextAfter:   timeout,
		NoLoopTracking: true,
	})
}

// redislock has no pause of its own: 10 ms is what its example has, or less.
func makeRedislock(addr string) (lock, func(), error) {
	rdb := redis.NewClient(patient(addr))
	client := redislock.New(rdb)
	options := &redislock.Options{RetryStrategy: redislock.LinearBackoff(10 * time.Millisecond)}
	take := func(ctx context.Context, key string) (func() error, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour) // by default it waits for a TTL
		l, err := client.Obtain(ctx, key, ttl, options)
		if err != nil {
			cancel()
			return nil, err
		}
		return func() error { defer cancel(); return l.Release(ctx) }, nil
	}
	return take, func() { _ = rdb.Close() }, nil
}

// redsync pauses for 50 to 250 ms by default.
func makeRedsync(addr string) (lock, func(), error) {
	rdb := redis.NewClient(patient(addr))
	rs := redsync.New(goredis.NewPool(rdb))
	take := func(ctx context.Context, key string) (func() error, error) {
		m := rs.NewMutex(key, redsync.WithExpiry(ttl), redsync.WithTries(1_000_000))
		if err := m.LockContext(ctx); err != nil {
			return nil, err
		}
		return func() error {
			_, err := m.UnlockContext(ctx)
			return err
		}, nil
	}
	return take, func() { _ = rdb.Close() }, nil
}

// makePolling is the lock that people write by hand on go-redis: SET NX PX, every
// 10 ms until it succeeds, and a script that deletes the key if the token is theirs.
func makePolling(addr string) (lock, func(), error) {
	rdb := redis.NewClient(patient(addr))
	take := func(ctx context.Context, key string) (func() error, error) {
		token := rand.Text()
		for {
			ok, err := rdb.SetNX(ctx, key, token, ttl).Result()
			if err != nil {
				return nil, err
			}
			if ok {
				return func() error { return deleteOwn(ctx, rdb, key, token) }, nil
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return take, func() { _ = rdb.Close() }, nil
}

var compareAndDelete = redis.NewScript("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")

// deleteOwn deletes the key if it has the token. It is Script.Run without the two
// allocations of looking at no error.
func deleteOwn(ctx context.Context, rdb *redis.Client, key, token string) error {
	err := rdb.EvalSha(ctx, compareAndDelete.Hash(), []string{key}, token).Err()
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		return compareAndDelete.Eval(ctx, rdb, []string{key}, token).Err()
	}
	return err
}

// patient lets a client wait for a connection, as 64 of them that start at once have to.
func patient(addr string) *redis.Options {
	o := redisbackend.Options(addr)
	o.PoolTimeout, o.DialTimeout = time.Minute, time.Minute
	return o
}
