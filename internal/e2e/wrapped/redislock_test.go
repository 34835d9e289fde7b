package wrapped

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/otellock/otelredislock"
	"github.com/otellock/otellock-go/otellock/otelredsync"
)

// A redislockWorld is a server, a wrapped client on it, and another's bare one.
type redislockWorld struct {
	server *redistest.Server
	rdb    *redis.Client
	locks  *otelredislock.Client
	other  *redislock.Client
	tel    *locktest.Telemetry
}

func newRedislockWorld(t *testing.T, opts ...observe.Option) *redislockWorld {
	t.Helper()
	w := &redislockWorld{server: redistest.Start(t), tel: locktest.NewTelemetry()}
	w.rdb = w.server.Client(once)
	w.locks = otelredislock.New(w.rdb, observed(w.tel, opts...)...)
	w.other = redislock.New(w.rdb)
	return w
}

// once makes a client that asks once.
func once(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 }

func (w *redislockWorld) obtain(t *testing.T, ttl time.Duration) *otelredislock.Lock {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait) // redislock's own limit is the time to live
	defer cancel()
	lock, err := w.locks.Obtain(ctx, secret, ttl, nil)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func (w *redislockWorld) hold(t *testing.T, ttl time.Duration) {
	t.Helper()
	if _, err := w.other.Obtain(t.Context(), secret, ttl, &redislock.Options{Token: "token-of-mine"}); err != nil {
		t.Fatal(err)
	}
}

func TestRedislockTellsWhatBecomesOfALock(t *testing.T) {
	acquired := told{operation: "acquire", outcome: "acquired"}
	for name, test := range map[string]struct {
		play func(*testing.T, *redislockWorld)
		want []told
	}{
		"released": {func(t *testing.T, w *redislockWorld) {
			if err := w.obtain(t, long).Release(t.Context()); err != nil {
				t.Error(err)
			}
		}, []told{acquired, {operation: "release", outcome: "released"}}},
		"refreshed": {func(t *testing.T, w *redislockWorld) {
			lock := w.obtain(t, long)
			if err := lock.Refresh(t.Context(), 2*long, nil); err != nil {
				t.Error(err)
			}
			if err := lock.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}, []told{acquired, {operation: "extend", outcome: "extended"}, {operation: "release", outcome: "released"}}},
		"busy, tried once": {func(t *testing.T, w *redislockWorld) {
			w.hold(t, long)
			for _, opt := range []*redislock.Options{nil, {}, {RetryStrategy: redislock.NoRetry()}} {
				if _, err := w.locks.Obtain(t.Context(), secret, long, opt); err != redislock.ErrNotObtained {
					t.Error(err)
				}
			}
		}, []told{{operation: "acquire", outcome: "skipped"}, {operation: "acquire", outcome: "skipped"}, {operation: "acquire", outcome: "skipped"}}},
		"busy to the end of the strategy": {func(t *testing.T, w *redislockWorld) {
			w.hold(t, long)
			opt := &redislock.Options{RetryStrategy: redislock.LimitRetry(redislock.LinearBackoff(time.Millisecond), 3)}
			if _, err := w.locks.Obtain(t.Context(), secret, long, opt); err != redislock.ErrNotObtained {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "contended", retries: 3}}},
		"busy to redislock's own limit": {func(t *testing.T, w *redislockWorld) {
			w.hold(t, long)
			opt := &redislock.Options{RetryStrategy: redislock.LinearBackoff(time.Hour)}
			if _, err := w.locks.Obtain(t.Context(), secret, time.Second, opt); err != context.DeadlineExceeded {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "contended"}}},
		"busy to the caller's deadline": {func(t *testing.T, w *redislockWorld) {
			w.hold(t, long)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			opt := &redislock.Options{RetryStrategy: redislock.LinearBackoff(time.Hour)}
			if _, err := w.locks.Obtain(ctx, secret, long, opt); err != context.DeadlineExceeded {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "canceled"}}},
		"cancelled before": {func(t *testing.T, w *redislockWorld) {
			if _, err := w.locks.Obtain(canceled(t), secret, long, nil); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "canceled"}}},
		"the backend refuses": {func(t *testing.T, w *redislockWorld) {
			w.server.Kill()
			if _, err := w.locks.Obtain(t.Context(), secret, long, nil); err == nil {
				t.Error("it was obtained")
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "connection_refused"}}},
		"the client was closed": {func(t *testing.T, w *redislockWorld) {
			_ = w.rdb.Close()
			if _, err := w.locks.Obtain(t.Context(), secret, long, nil); err != redis.ErrClosed {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "closed"}}},
		"the pool is empty": {func(t *testing.T, w *redislockWorld) {
			rdb := w.server.Client(once, func(o *redis.Options) { o.PoolSize, o.PoolTimeout = 1, time.Millisecond })
			conn := rdb.Conn()
			defer conn.Close()
			if err := conn.Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			locks := otelredislock.New(rdb, observed(w.tel)...)
			if _, err := locks.Obtain(t.Context(), secret, long, nil); !errors.Is(err, redis.ErrPoolTimeout) {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "pool_exhausted"}}},
		"the key is no lock": {func(t *testing.T, w *redislockWorld) {
			if err := w.rdb.LPush(t.Context(), secret, "1").Err(); err != nil {
				t.Fatal(err)
			}
			var answer redis.Error
			if _, err := w.locks.Obtain(t.Context(), secret, long, nil); !errors.As(err, &answer) {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "WRONGTYPE"}}},
		"released by a cancelled context": {func(t *testing.T, w *redislockWorld) {
			if err := w.obtain(t, long).Release(canceled(t)); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}, []told{acquired, {operation: "release", outcome: "release_error", errorType: "_OTHER"}}},
		"expired": {func(t *testing.T, w *redislockWorld) {
			lock := w.obtain(t, 2*time.Millisecond)
			locktest.Eventually(t, "expired", func() bool { return w.rdb.Exists(t.Context(), secret).Val() == 0 })
			if err := lock.Release(t.Context()); err != redislock.ErrLockNotHeld {
				t.Error(err)
			}
		}, []told{acquired, {operation: "release", outcome: "release_error", errorType: "expired"}}},
		"lost": {func(t *testing.T, w *redislockWorld) {
			lock := w.obtain(t, long)
			w.rdb.FlushAll(t.Context())
			if err := lock.Release(t.Context()); err != redislock.ErrLockNotHeld {
				t.Error(err)
			}
		}, []told{acquired, {operation: "release", outcome: "release_error", errorType: "lost"}}},
		"taken over, which it cannot tell from lost": {func(t *testing.T, w *redislockWorld) {
			lock := w.obtain(t, long)
			w.rdb.FlushAll(t.Context())
			w.hold(t, long)
			if err := lock.Release(t.Context()); err != redislock.ErrLockNotHeld {
				t.Error(err)
			}
		}, []told{acquired, {operation: "release", outcome: "release_error", errorType: "lost"}}},
		"lost before a refresh": {func(t *testing.T, w *redislockWorld) {
			lock := w.obtain(t, long)
			w.rdb.FlushAll(t.Context())
			if err := lock.Refresh(t.Context(), long, nil); err != redislock.ErrNotObtained {
				t.Error(err)
			}
		}, []told{acquired, {operation: "extend", outcome: "extend_error", errorType: "lost"}}},
		"released twice": {func(t *testing.T, w *redislockWorld) {
			lock := w.obtain(t, long)
			if err := lock.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if err := lock.Release(t.Context()); err != redislock.ErrLockNotHeld {
				t.Error(err)
			}
			if err := lock.Refresh(t.Context(), long, nil); err != redislock.ErrNotObtained {
				t.Error(err)
			}
		}, []told{acquired, {operation: "release", outcome: "released"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRedislockWorld(t)
			test.play(t, w)
			checkTold(t, w.tel, test.want...)
			gauge(t, w.tel, "lock.waiting", 0)
		})
	}
}

func TestRedislockMeasuresHowLongALockIsWaitedForAndHeld(t *testing.T) {
	t.Parallel()
	w := newRedislockWorld(t)
	lock := w.obtain(t, long)
	gauge(t, w.tel, "lock.held", 1)
	asked := make(chan struct{})
	strategy := strategyFunc(func() time.Duration {
		select {
		case asked <- struct{}{}:
		default:
		}
		return time.Millisecond
	})
	second := make(chan *otelredislock.Lock)
	go func() {
		lock, err := w.locks.Obtain(context.Background(), secret, long, &redislock.Options{RetryStrategy: strategy})
		if err != nil {
			t.Error(err)
		}
		second <- lock
	}()
	<-asked
	gauge(t, w.tel, "lock.waiting", 1)
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lock = <-second; lock == nil {
		t.FailNow()
	}
	gauge(t, w.tel, "lock.waiting", 0)
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	gauge(t, w.tel, "lock.held", 0)
	for _, metric := range []string{"lock.acquire.duration", "lock.hold.duration", "lock.hold.utilization"} {
		if n := recorded(t, w.tel, metric); n != 2 {
			t.Errorf("%s was recorded %d times, want 2", metric, n)
		}
	}
	spans := w.tel.Ended("acquire" + span)
	if attrs := locktest.PlainAttributes(spans[1].Attributes()); attrs["lock.retries"].(int64) < 1 || attrs["lock.wait.timeout"] != 60.0 || attrs["lock.mode"] != "wait" {
		t.Errorf("the span of the one who waited has %v", attrs)
	}
	attrs := locktest.PlainAttributes(w.tel.Ended("release" + span)[0].Attributes())
	if used := attrs["lock.hold.utilization"].(float64); used <= 0 || used >= 1 {
		t.Errorf("the utilization of a minute is %v", used)
	}
}

type strategyFunc func() time.Duration

func (f strategyFunc) NextBackoff() time.Duration { return f() }

func TestRedislockCountsALeaseFromTheAttemptThatWasGranted(t *testing.T) {
	t.Parallel()
	w := newRedislockWorld(t)
	w.hold(t, long)
	const backoff = 400 * time.Millisecond
	opt := &redislock.Options{RetryStrategy: strategyFunc(func() time.Duration {
		w.rdb.Del(t.Context(), secret)
		return backoff
	})}
	lock, err := w.locks.Obtain(t.Context(), secret, long, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	attrs := locktest.PlainAttributes(w.tel.Ended("release" + span)[0].Attributes())
	held, used := attrs["lock.hold.duration"].(float64), attrs["lock.hold.utilization"].(float64)*long.Seconds()
	if took := w.tel.Ended("acquire" + span)[0]; used-held >= (took.EndTime().Sub(took.StartTime()) - backoff + time.Millisecond).Seconds() {
		t.Errorf("held for %v s, it has used %v s of its time to live", held, used)
	}
}

// A panic below Obtain or Release is the caller's business, as with redislock. What
// was begun is ended.
func TestRedislockPanicsWrappedAsItDoesAndLeavesNothingOpen(t *testing.T) {
	acquired := told{operation: "acquire", outcome: "acquired"}
	waits := func() func() time.Duration { // panics when it is asked the third time
		asked := 0
		return func() time.Duration {
			if asked++; asked == 3 {
				panic("of the strategy")
			}
			return time.Millisecond
		}
	}
	for name, test := range map[string]struct {
		play func(*testing.T, *redislockWorld)
		want []told
	}{
		"a retry strategy": {func(t *testing.T, w *redislockWorld) {
			w.hold(t, long)
			obtain := func(obtain func(*redislock.Options)) any {
				return panicOf(func() { obtain(&redislock.Options{RetryStrategy: strategyFunc(waits())}) })
			}
			wrapped := obtain(func(opt *redislock.Options) { _, _ = w.locks.Obtain(t.Context(), secret, long, opt) })
			bare := obtain(func(opt *redislock.Options) { _, _ = w.other.Obtain(t.Context(), secret, long, opt) })
			if wrapped != bare || bare == nil {
				t.Errorf("it panics with %v, and the peer with %v", wrapped, bare)
			}
		}, []told{{operation: "acquire", outcome: "contended", retries: 2}}},
		"a retry strategy that ends its goroutine": {func(t *testing.T, w *redislockWorld) {
			w.hold(t, long)
			var group sync.WaitGroup
			group.Go(func() {
				opt := &redislock.Options{RetryStrategy: strategyFunc(func() time.Duration { runtime.Goexit(); return 0 })}
				_, _ = w.locks.Obtain(t.Context(), secret, long, opt)
				t.Error("it has returned")
			})
			group.Wait()
		}, []told{{operation: "acquire", outcome: "contended"}}},
		"a client, at an attempt": {func(t *testing.T, w *redislockWorld) {
			locks := otelredislock.New(panickingScripter{w.rdb}, observed(w.tel)...)
			if p := panicOf(func() { _, _ = locks.Obtain(t.Context(), secret, long, nil) }); p != "of the client" {
				t.Errorf("it panics with %v", p)
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "_OTHER"}}},
		"a client, at an attempt after a retry strategy was asked": {func(t *testing.T, w *redislockWorld) {
			w.hold(t, long)
			scripter := &changingScripter{Scripter: w.rdb}
			locks := otelredislock.New(scripter, observed(w.tel)...)
			opt := &redislock.Options{RetryStrategy: strategyFunc(func() time.Duration {
				scripter.Scripter = panickingScripter{w.rdb}
				return time.Millisecond
			})}
			if p := panicOf(func() { _, _ = locks.Obtain(t.Context(), secret, long, opt) }); p != "of the client" {
				t.Errorf("it panics with %v", p)
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "_OTHER", retries: 1}}},
		"a client, at a refresh and a release": {func(t *testing.T, w *redislockWorld) {
			scripter := &changingScripter{Scripter: w.rdb}
			lock, err := otelredislock.New(scripter, observed(w.tel)...).Obtain(t.Context(), secret, long, nil)
			if err != nil {
				t.Fatal(err)
			}
			scripter.Scripter = panickingScripter{w.rdb}
			for _, f := range []func(){
				func() { _ = lock.Refresh(t.Context(), long, nil) },
				func() { _ = lock.Release(t.Context()) },
			} {
				if p := panicOf(f); p != "of the client" {
					t.Errorf("it panics with %v", p)
				}
			}
		}, []told{acquired, {operation: "extend", outcome: "extend_error", errorType: "_OTHER"}, {operation: "release", outcome: "release_error", errorType: "_OTHER"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRedislockWorld(t)
			test.play(t, w)
			checkTold(t, w.tel, test.want...)
			gauge(t, w.tel, "lock.waiting", 0)
			gauge(t, w.tel, "lock.held", 0)
		})
	}
}

// panicOf returns what f panics with, nil where it does not.
func panicOf(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

// A panickingScripter is a client with a hook that panics.
type panickingScripter struct{ redis.Scripter }

func (panickingScripter) EvalSha(context.Context, string, []string, ...any) *redis.Cmd {
	panic("of the client")
}

type changingScripter struct{ redis.Scripter }

func TestALockOfRedislockThatIsForgottenIsCountedAndNotReleased(t *testing.T) {
	t.Parallel()
	w := newRedislockWorld(t)
	func() { w.obtain(t, long) }()
	gauge(t, w.tel, "lock.held", 1)
	locktest.Eventually(t, "abandoned", func() bool { runtime.GC(); return w.tel.Total(t, "lock.held") == 0 })
	checkTold(t, w.tel, told{operation: "acquire", outcome: "acquired"}, told{operation: "cleanup", outcome: "abandoned"})
	if w.rdb.Exists(t.Context(), secret).Val() != 1 {
		t.Error("its key is gone")
	}
}

func TestOptionsOfObserveReachTheWrappedRedislock(t *testing.T) {
	t.Parallel()
	w := newRedislockWorld(t, observe.WithBackendName("valkey"), observe.WithFailOpen(true), observe.WithServerAddress("redis.internal", 6379))
	w.server.Kill()
	if _, err := w.locks.Obtain(t.Context(), "lock:jobs:secret", long, nil); err == nil {
		t.Fatal("it was obtained")
	}
	locktest.Eventually(t, "a warning", func() bool { return len(w.tel.Warnings()) > 0 })
	warning := w.tel.Warnings()[0]
	for key, want := range map[string]any{
		"lock.target": "jobs", "lock.key_pattern": "lock:jobs:*", "lock.backend.name": "valkey",
		"lock.failure_policy": "open", "server.address": "redis.internal", "lock.ttl": 60.0, "lock.mode": "try",
	} {
		if warning[key] != want {
			t.Errorf("the warning has %s %v, want %v", key, warning[key], want)
		}
	}
	if caller, _ := warning["code.function.name"].(string); !strings.HasSuffix(caller, t.Name()) {
		t.Errorf("the warning says that %s locked", caller)
	}
	checkNoKey(t, w.tel)
}

func TestAnOptionThatIsWrongIsSeenAtOnce(t *testing.T) {
	for name, create := range map[string]func(...observe.Option){
		"redislock": func(opts ...observe.Option) { otelredislock.New(nil, opts...) },
		"redsync":   func(opts ...observe.Option) { otelredsync.New().With(opts...) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s took a target that is declared twice", name)
				}
			}()
			create(observe.WithTarget("a", "a:*"), observe.WithTarget("a", "a:*"))
		}()
	}
}

// An outage of a thousand locks is one warning, and all are counted.
func TestTheThrottleHoldsForAWrappedLock(t *testing.T) {
	t.Parallel()
	tel := locktest.NewTelemetry()
	throttled, err := throttle.NewProcessor(sdklog.NewSimpleProcessor(tel.Logs))
	if err != nil {
		t.Fatal(err)
	}
	tel.Loggers = sdklog.NewLoggerProvider(sdklog.WithProcessor(throttled))
	server := redistest.Start(t)
	rdb := server.Client(once)
	locks := otelredislock.New(rdb, observed(tel, observe.WithThrottle(throttled))...)
	server.Kill()
	const failures = 100
	for range failures {
		if _, err := locks.Obtain(t.Context(), secret, long, nil); err == nil {
			t.Fatal("it was obtained")
		}
	}
	if err := throttled.Shutdown(context.Background()); err != nil { // says the summary
		t.Fatal(err)
	}
	var suppressed atomic.Int64
	for _, r := range tel.Logs.All() {
		n, _ := locktest.RecordAttributes(r)["lock.report.suppressed_count"].(int64)
		suppressed.Add(n)
	}
	if warnings := tel.Warnings(); len(warnings) != 1 || suppressed.Load() != failures-1 {
		t.Errorf("%d failures are %d warnings, and %d suppressed", failures, len(warnings), suppressed.Load())
	}
	if n := tel.Total(t, "lock.attempts"); n != failures {
		t.Errorf("%d of them were counted", n)
	}
}
