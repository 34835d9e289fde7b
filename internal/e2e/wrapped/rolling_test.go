package wrapped

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/otelredislock"
	"github.com/otellock/otellock-go/otellock/otelredsync"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// During a rolling deploy some processes still use the old library, and others have
// come to otellock: the lock of a key is one lock.

func TestMain(m *testing.M) {
	if library := os.Getenv("OTELLOCK_TEST_LIBRARY"); library != "" {
		if err := work(library, os.Getenv("OTELLOCK_TEST_REDIS")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	rounds  = 60
	theKey  = "lock:projects:42"
	counter = "counter"
)

// libraries run the function while the lock of the key is held.
var libraries = map[string]func(*redis.Client) (func(context.Context, func(context.Context) error) error, error){
	"redislock": func(rdb *redis.Client) (func(context.Context, func(context.Context) error) error, error) {
		locks := otelredislock.New(rdb)
		return func(ctx context.Context, fn func(context.Context) error) error {
			lock, err := locks.Obtain(ctx, theKey, long, &redislock.Options{RetryStrategy: redislock.LinearBackoff(time.Millisecond)})
			if err != nil {
				return err
			}
			return errors.Join(fn(ctx), lock.Release(ctx))
		}, nil
	},
	"redsync": func(rdb *redis.Client) (func(context.Context, func(context.Context) error) error, error) {
		locks := otelredsync.New(goredis.NewPool(rdb))
		return func(ctx context.Context, fn func(context.Context) error) error {
			m := locks.NewMutex(theKey, redsync.WithExpiry(long), redsync.WithTries(1_000_000), redsync.WithRetryDelay(time.Millisecond))
			if err := m.LockContext(ctx); err != nil {
				return err
			}
			err := fn(ctx)
			_, unlockErr := m.UnlockContext(ctx)
			return errors.Join(err, unlockErr)
		}, nil
	},
	"otellock": func(rdb *redis.Client) (func(context.Context, func(context.Context) error) error, error) {
		locker, err := newOtellock(rdb)
		if err != nil {
			return nil, err
		}
		projects, err := locker.Target("projects", "lock:projects:*")
		if err != nil {
			return nil, err
		}
		return projects.Mutex("42").Do, nil
	},
}

func newOtellock(rdb *redis.Client) (*otellock.Locker, error) {
	backend, err := redisbackend.New(rdb)
	if err != nil {
		return nil, err
	}
	return otellock.New(backend, otellock.WithFailClosed(true), otellock.WithTTL(long), otellock.WithWait(long), otellock.WithAttemptTimeout(wait))
}

// work adds to a counter that only a lock protects.
func work(library, addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	options := redisbackend.Options(addr)
	options.ReadTimeout, options.PoolTimeout = wait, wait
	rdb := redis.NewClient(options)
	do, err := libraries[library](rdb)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	for range rounds {
		if err := do(ctx, func(ctx context.Context) error {
			n, err := rdb.Get(ctx, counter).Int()
			if err != nil && err != redis.Nil {
				return err
			}
			return rdb.Set(ctx, counter, n+1, 0).Err()
		}); err != nil {
			return fmt.Errorf("%s: %w", library, err)
		}
	}
	return nil
}

func TestARollingDeployLocksTheSameKeys(t *testing.T) {
	for _, old := range []string{"redislock", "redsync"} {
		t.Run(old, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			var started []*exec.Cmd
			var starts []func() error
			for _, library := range []string{old, "otellock"} {
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), "OTELLOCK_TEST_LIBRARY="+library, "OTELLOCK_TEST_REDIS="+server.Addr)
				cmd.Stderr = os.Stderr
				in, inErr := cmd.StdinPipe()
				out, outErr := cmd.StdoutPipe()
				if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
					t.Fatal(err)
				}
				if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
					t.Fatalf("%s says %q, %v", library, line, err)
				}
				started = append(started, cmd)
				starts = append(starts, func() error { _, err := in.Write([]byte("go\n")); return err })
			}
			for _, start := range starts {
				if err := start(); err != nil {
					t.Fatal(err)
				}
			}
			for _, cmd := range started {
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			}
			if got, err := server.Client().Get(t.Context(), counter).Result(); got != strconv.Itoa(2*rounds) {
				t.Errorf("two processes added %d each, and the counter is %s, %v", rounds, got, err)
			}
		})
	}
}

// What each side sees of the other: a busy lock, and nothing else.
func TestEachSideOfARollingDeploySeesTheOtherAsABusyLock(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client()
	backend, err := redisbackend.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	tel := locktest.NewTelemetry()
	locker := tel.Locker(t, backend, otellock.WithFailClosed(true), otellock.WithTTL(long), otellock.WithAttemptTimeout(wait))
	projects := locktest.NewTarget(t, locker, "projects", "lock:projects:*")
	locks, pool := redislock.New(rdb), goredis.NewPool(rdb)
	mutex := redsync.New(pool).NewMutex(theKey, redsync.WithExpiry(long))

	lease, ok, err := projects.Mutex("42").TryLock(t.Context())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, err := locks.Obtain(t.Context(), theKey, long, nil); err != redislock.ErrNotObtained {
		t.Errorf("redislock is told %v", err)
	}
	var taken *redsync.ErrTaken
	if err := mutex.TryLockContext(t.Context()); !errors.As(err, &taken) {
		t.Errorf("redsync is told %v", err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Errorf("after they were told, the release returns %v", err)
	}

	old, err := locks.Obtain(t.Context(), theKey, long, nil)
	if err != nil {
		t.Fatal(err)
	}
	busy := func() {
		t.Helper()
		if _, ok, err := projects.Mutex("42").TryLock(t.Context()); ok || err != nil {
			t.Errorf("otellock is told %v, %v", ok, err)
		}
	}
	busy()
	if err := old.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if err := mutex.TryLockContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	busy()
	if ok, err := mutex.UnlockContext(t.Context()); !ok {
		t.Error(err)
	}
	if err := locker.Close(t.Context()); err != nil {
		t.Error(err)
	}
	want := map[locktest.Attempt]int64{{"acquire", "acquired"}: 1, {"release", "released"}: 1, {"acquire", "skipped"}: 2}
	if got := tel.Attempts(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("lock.attempts is %v, want %v", got, want)
	}
}
