package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// patience is what every call may take: the attempt timeout of this lock.
const patience = 250 * time.Millisecond

// A caller takes a key once, and releases it, or fails.
type caller struct {
	name string
	once func(ctx context.Context, key string) error
	stop func()
}

// callers are this lock and its peers on go-redis with the same options. rueidislock
// is not among them: it waits for the server within its own client.
func callers(addr string) ([]caller, error) {
	ours := redis.NewClient(redisbackend.Options(addr))
	backend, err := redisbackend.New(ours)
	if err != nil {
		return nil, err
	}
	locker, err := otellock.New(backend, otellock.WithFailClosed(true), otellock.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	target, err := locker.Target("keys", "peers:*")
	if err != nil {
		return nil, err
	}
	bare, theirs, sync := redis.NewClient(redisbackend.Options(addr)), redis.NewClient(redisbackend.Options(addr)), redis.NewClient(redisbackend.Options(addr))
	client, rs := redislock.New(theirs), redsync.New(goredis.NewPool(sync))
	script := redis.NewScript("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")
	return []caller{
		{"go-redis", func(ctx context.Context, key string) error {
			if err := bare.SetNX(ctx, key, "token", time.Minute).Err(); err != nil {
				return err
			}
			return script.Run(ctx, bare, []string{key}, "token").Err()
		}, func() { _ = bare.Close() }},
		{"otellock", func(ctx context.Context, key string) error {
			return target.KeyMutex(key).Do(context.WithoutCancel(ctx), func(context.Context) error { return nil })
		}, func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = locker.Close(ctx)
			_ = ours.Close()
		}},
		{"redislock", func(ctx context.Context, key string) error {
			l, err := client.Obtain(ctx, key, time.Minute, nil)
			if err != nil {
				return err
			}
			return l.Release(ctx)
		}, func() { _ = theirs.Close() }},
		{"redsync", func(ctx context.Context, key string) error {
			m := rs.NewMutex(key, redsync.WithExpiry(time.Minute), redsync.WithTries(1))
			if err := m.LockContext(ctx); err != nil {
				return err
			}
			_, err := m.UnlockContext(ctx)
			return err
		}, func() { _ = sync.Close() }},
	}, nil
}

// outage prints what a call costs while Redis is not there, and how soon the first
// one succeeds when it is back.
func outage(ctx context.Context, s *server) error {
	fmt.Println("## Outage: what a call costs")
	fmt.Println()
	row("Redis", "lock", "p50 ÷ go-redis", "p50 µs", "p95 µs", "CPU µs a call", "first success after, ms")
	row("---", "---", "---", "---", "---", "---", "---")
	for _, way := range []struct {
		name       string
		calls      int
		begin, end func() error
	}{
		{"refused", 2000, func() error { s.kill(); return nil }, s.start},
		{"black hole", 40, func() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }, func() error { return s.cmd.Process.Signal(syscall.SIGCONT) }},
	} {
		all, err := callers(s.addr)
		if err != nil {
			return err
		}
		var bare float64
		for _, c := range all {
			p50, p95, cpu, back, err := c.meets(ctx, way.calls, way.begin, way.end)
			c.stop()
			if err != nil {
				return fmt.Errorf("%s, %s: %w", way.name, c.name, err)
			}
			if c.name == "go-redis" {
				bare = p50
			}
			row(way.name, c.name, fmt.Sprintf("%.4g", p50/bare), fmt.Sprintf("%.1f", p50), fmt.Sprintf("%.1f", p95), fmt.Sprintf("%.1f", cpu), fmt.Sprintf("%.0f", back))
		}
	}
	fmt.Println()
	return nil
}

// meets lets the caller meet an outage.
func (c caller) meets(ctx context.Context, calls int, begin, end func() error) (p50, p95, cpuTime, back float64, err error) {
	call := func(i int) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return c.once(ctx, fmt.Sprint("peers:", c.name, ":", i))
	}
	for i := range 20 { // connects
		if err := call(i); err != nil {
			return 0, 0, 0, 0, err
		}
	}
	if err := begin(); err != nil {
		return 0, 0, 0, 0, err
	}
	took, before := make([]float64, calls), cpu()
	for i := range calls {
		start := time.Now()
		if err := call(i); err == nil {
			return 0, 0, 0, 0, fmt.Errorf("call %d succeeded in the outage", i)
		}
		took[i] = float64(time.Since(start).Nanoseconds()) / 1e3
	}
	cpuTime = float64(cpu()-before) / 1e3 / float64(calls)
	slices.Sort(took)
	if err := end(); err != nil {
		return 0, 0, 0, 0, err
	}
	start := time.Now()
	for i := 0; call(calls+i) != nil; i++ {
		if time.Since(start) > 30*time.Second {
			return 0, 0, 0, 0, fmt.Errorf("no success in %v", time.Since(start))
		}
		time.Sleep(time.Millisecond)
	}
	return took[calls/2], took[calls*95/100], cpuTime, time.Since(start).Seconds() * 1e3, nil
}

// cpu returns the processor time of this process in nanoseconds.
func cpu() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
