package wrapped

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/internal/locktest/pipeline"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/otellock/otelredsync"
)

// A redsyncWorld is one or more servers, a wrapped Redsync on them, and a bare one.
type redsyncWorld struct {
	servers []*redistest.Server
	clients []*redis.Client
	locks   *otelredsync.Redsync
	other   *redsync.Redsync
	tel     *locktest.Telemetry
}

func newRedsyncWorld(t *testing.T, servers int, opts ...observe.Option) *redsyncWorld {
	t.Helper()
	w := &redsyncWorld{tel: locktest.NewTelemetry()}
	var pools []redsyncredis.Pool
	for range servers {
		server := redistest.Start(t)
		rdb := server.Client(once)
		w.servers, w.clients, pools = append(w.servers, server), append(w.clients, rdb), append(pools, goredis.NewPool(rdb))
	}
	w.locks = otelredsync.New(pools...).With(observed(w.tel, opts...)...)
	w.other = redsync.New(pools...)
	return w
}

// lock locks a mutex of the key for a minute.
func (w *redsyncWorld) lock(t *testing.T, opts ...redsync.Option) *otelredsync.Mutex {
	t.Helper()
	m := w.locks.NewMutex(secret, append([]redsync.Option{redsync.WithExpiry(long)}, opts...)...)
	if err := m.LockContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// hold takes the key for somebody else, on the first n servers.
func (w *redsyncWorld) hold(t *testing.T, n int) {
	t.Helper()
	for _, rdb := range w.clients[:n] {
		if err := rdb.Set(t.Context(), secret, "token-of-mine", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *redsyncWorld) kill(n int) {
	for _, s := range w.servers[:n] {
		s.Kill()
	}
}

func (w *redsyncWorld) flush(t *testing.T, n int) {
	for _, rdb := range w.clients[:n] {
		rdb.FlushAll(t.Context())
	}
}

func (w *redsyncWorld) unlock(t *testing.T, m *otelredsync.Mutex, want bool) {
	t.Helper()
	if ok, err := m.UnlockContext(t.Context()); ok != want || (err == nil) != want {
		t.Errorf("Unlock returned %v, %v", ok, err)
	}
}

func TestRedsyncTellsWhatBecomesOfALock(t *testing.T) {
	acquired, released := told{operation: "acquire", outcome: "acquired"}, told{operation: "release", outcome: "released"}
	failed := func(operation, errorType string) told {
		return told{operation: operation, outcome: operation + "_error", errorType: errorType}
	}
	quick := []redsync.Option{redsync.WithExpiry(long), redsync.WithTries(3), redsync.WithRetryDelay(time.Millisecond)}
	for name, test := range map[string]struct {
		servers int
		play    func(*testing.T, *redsyncWorld)
		want    []told
	}{
		"unlocked": {1, func(t *testing.T, w *redsyncWorld) { w.unlock(t, w.lock(t), true) }, []told{acquired, released}},
		"unlocked, of three": {3, func(t *testing.T, w *redsyncWorld) {
			w.kill(1)
			w.unlock(t, w.lock(t), true)
		}, []told{acquired, released}},
		"unlocked, fail-fast": {3, func(t *testing.T, w *redsyncWorld) {
			w.unlock(t, w.lock(t, redsync.WithFailFast(true)), true)
		}, []told{acquired, released}},
		"extended": {1, func(t *testing.T, w *redsyncWorld) {
			m := w.lock(t)
			if ok, err := m.ExtendContext(t.Context()); !ok || err != nil {
				t.Error(ok, err)
			}
			w.unlock(t, m, true)
		}, []told{acquired, {operation: "extend", outcome: "extended"}, released}},
		"without a context": {1, func(t *testing.T, w *redsyncWorld) {
			m := w.locks.NewMutex(secret, quick...)
			var none context.Context // redsync takes it
			if err := m.LockContext(none); err != nil {
				t.Error(err)
			}
			if ok, err := m.Extend(); !ok || err != nil {
				t.Error(ok, err)
			}
			if ok, err := m.Unlock(); !ok || err != nil {
				t.Error(ok, err)
			}
		}, []told{acquired, {operation: "extend", outcome: "extended"}, released}},
		"busy, tried once": {1, func(t *testing.T, w *redsyncWorld) {
			w.hold(t, 1)
			var taken *redsync.ErrTaken
			if err := w.locks.NewMutex(secret, quick...).TryLockContext(t.Context()); !errors.As(err, &taken) {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "skipped"}}},
		"busy to the last try": {1, func(t *testing.T, w *redsyncWorld) {
			w.hold(t, 1)
			var taken *redsync.ErrTaken
			if err := w.locks.NewMutex(secret, quick...).LockContext(t.Context()); !errors.As(err, &taken) {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "contended", retries: 2}}},
		"busy on a quorum, one node down": {3, func(t *testing.T, w *redsyncWorld) {
			w.kill(1)
			for _, rdb := range w.clients[1:] {
				rdb.Set(t.Context(), secret, "token-of-mine", 0)
			}
			if err := w.locks.NewMutex(secret, quick...).LockContext(t.Context()); err == nil {
				t.Error("it was locked")
			}
		}, []told{{operation: "acquire", outcome: "contended", retries: 2}}},
		"split between two": {2, func(t *testing.T, w *redsyncWorld) {
			w.hold(t, 1)
			var node *redsync.ErrNodeTaken
			if err := w.locks.NewMutex(secret, quick...).LockContext(t.Context()); !errors.As(err, &node) {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "contended", retries: 2}}},
		"a quorum is down": {3, func(t *testing.T, w *redsyncWorld) {
			w.kill(2)
			var node *redsync.RedisError
			if err := w.locks.NewMutex(secret, quick...).LockContext(t.Context()); !errors.As(err, &node) {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "connection_refused", retries: 2}}},
		"the server takes no writes": {1, func(t *testing.T, w *redsyncWorld) {
			w.clients[0].ConfigSet(t.Context(), "min-replicas-to-write", "1")
			if err := w.locks.NewMutex(secret, quick...).TryLockContext(t.Context()); err == nil {
				t.Error("it was locked")
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "NOREPLICAS"}}},
		"cancelled while it waits": {1, func(t *testing.T, w *redsyncWorld) {
			w.hold(t, 1)
			ctx, cancel := context.WithCancel(t.Context())
			m := w.locks.NewMutex(secret, redsync.WithExpiry(long), redsync.WithRetryDelayFunc(func(int) time.Duration { cancel(); return time.Hour }))
			if err := m.LockContext(ctx); err != redsync.ErrFailed {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "canceled"}}},
		"cancelled before": {1, func(t *testing.T, w *redsyncWorld) {
			if err := w.locks.NewMutex(secret, quick...).TryLockContext(canceled(t)); err == nil {
				t.Error("it was locked")
			}
		}, []told{{operation: "acquire", outcome: "canceled"}}},
		"lost": {1, func(t *testing.T, w *redsyncWorld) {
			m := w.lock(t)
			w.flush(t, 1)
			w.unlock(t, m, false)
		}, []told{acquired, failed("release", "lost")}},
		"lost on a quorum": {3, func(t *testing.T, w *redsyncWorld) {
			m := w.lock(t)
			w.flush(t, 2)
			w.unlock(t, m, false)
		}, []told{acquired, failed("release", "lost")}},
		"taken over, which it cannot tell from lost": {1, func(t *testing.T, w *redsyncWorld) {
			m := w.lock(t)
			w.hold(t, 1)
			w.unlock(t, m, false)
		}, []told{acquired, failed("release", "lost")}},
		"lost on one, and another is down": {3, func(t *testing.T, w *redsyncWorld) {
			m := w.lock(t)
			w.clients[2].FlushAll(t.Context())
			w.kill(1)
			w.unlock(t, m, false)
		}, []told{acquired, failed("release", "connection_refused")}},
		"lost before an extend": {1, func(t *testing.T, w *redsyncWorld) {
			m := w.lock(t)
			w.flush(t, 1)
			if ok, err := m.ExtendContext(t.Context()); ok || err == nil {
				t.Error(ok, err)
			}
		}, []told{acquired, failed("extend", "lost")}},
		"expired": {1, func(t *testing.T, w *redsyncWorld) {
			m := w.locks.NewMutex(secret, redsync.WithExpiry(2*time.Second), redsync.WithTimeoutFactor(1))
			if err := m.TryLockContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			locktest.Eventually(t, "expired", func() bool { return w.clients[0].Exists(t.Context(), secret).Val() == 0 })
			w.unlock(t, m, false)
		}, []told{acquired, failed("release", "expired")}},
		"unlocked twice": {1, func(t *testing.T, w *redsyncWorld) {
			m := w.lock(t)
			w.unlock(t, m, true)
			w.unlock(t, m, false)
			if ok, _ := m.ExtendContext(t.Context()); ok {
				t.Error("it was extended")
			}
		}, []told{acquired, released}},
		"locked again without an unlock": {1, func(t *testing.T, w *redsyncWorld) {
			m := w.lock(t)
			w.flush(t, 1)
			if err := m.LockContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.unlock(t, m, true)
		}, []told{acquired, acquired, {operation: "cleanup", outcome: "abandoned"}, released}},
		"a value from elsewhere is redsync's alone": {1, func(t *testing.T, w *redsyncWorld) {
			m := w.lock(t)
			w.unlock(t, w.locks.NewMutex(secret, redsync.WithValue(m.Value())), true)
			runtime.KeepAlive(m)
		}, []told{acquired}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRedsyncWorld(t, test.servers)
			test.play(t, w)
			checkTold(t, w.tel, test.want...)
			gauge(t, w.tel, "lock.waiting", 0)
		})
	}
}

func TestRedsyncMeasuresHowLongALockIsWaitedForAndHeld(t *testing.T) {
	t.Parallel()
	w := newRedsyncWorld(t, 1)
	first := w.lock(t)
	gauge(t, w.tel, "lock.held", 1)
	locked := make(chan error)
	second := w.locks.NewMutex(secret, redsync.WithExpiry(long), redsync.WithTries(1_000_000), redsync.WithRetryDelay(time.Millisecond))
	go func() { locked <- second.LockContext(context.Background()) }()
	gauge(t, w.tel, "lock.waiting", 1)
	w.unlock(t, first, true)
	if err := <-locked; err != nil {
		t.Fatal(err)
	}
	gauge(t, w.tel, "lock.waiting", 0)
	w.unlock(t, second, true)
	gauge(t, w.tel, "lock.held", 0)
	for _, metric := range []string{"lock.acquire.duration", "lock.hold.duration", "lock.hold.utilization"} {
		if n := recorded(t, w.tel, metric); n != 2 {
			t.Errorf("%s was recorded %d times, want 2", metric, n)
		}
	}
	if attrs := locktest.PlainAttributes(w.tel.Ended("acquire" + span)[1].Attributes()); attrs["lock.retries"].(int64) < 1 || attrs["lock.mode"] != "wait" {
		t.Errorf("the span of the one who waited has %v", attrs)
	}
	attrs := locktest.PlainAttributes(w.tel.Ended("release" + span)[0].Attributes())
	if used := attrs["lock.hold.utilization"].(float64); used <= 0 || used >= 1 {
		t.Errorf("the utilization of a minute is %v", used)
	}
}

func TestRedsyncPanicsWrappedAsItDoesAndLeavesNothingOpen(t *testing.T) {
	delay := redsync.WithRetryDelayFunc(func(tries int) time.Duration {
		if tries == 2 {
			panic("of the option")
		}
		return time.Millisecond
	})
	for name, test := range map[string]struct {
		option redsync.Option
		before func(*testing.T, *redsyncWorld)
		want   told
	}{
		"a delay, where the lock is busy": {delay, func(t *testing.T, w *redsyncWorld) { w.hold(t, 1) },
			told{operation: "acquire", outcome: "contended", retries: 1}},
		"a delay, where the server is gone": {delay, func(t *testing.T, w *redsyncWorld) { w.kill(1) },
			told{operation: "acquire", outcome: "backend_error", errorType: "_OTHER", retries: 1}},
		"a value": {redsync.WithGenValueFunc(func() (string, error) { panic("of the option") }), func(*testing.T, *redsyncWorld) {},
			told{operation: "acquire", outcome: "backend_error", errorType: "_OTHER"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRedsyncWorld(t, 1)
			test.before(t, w)
			wrapped := panicOf(func() { _ = w.locks.NewMutex(secret, redsync.WithExpiry(long), test.option).LockContext(t.Context()) })
			bare := panicOf(func() { _ = w.other.NewMutex(secret, redsync.WithExpiry(long), test.option).LockContext(t.Context()) })
			if wrapped != bare || bare == nil {
				t.Errorf("it panics with %v, and the peer with %v", wrapped, bare)
			}
			checkTold(t, w.tel, test.want)
			gauge(t, w.tel, "lock.waiting", 0)
		})
	}
}

func TestAMutexOfRedsyncThatIsForgottenIsCountedAndNotReleased(t *testing.T) {
	t.Parallel()
	w := newRedsyncWorld(t, 1)
	func() { w.lock(t) }()
	gauge(t, w.tel, "lock.held", 1)
	locktest.Eventually(t, "abandoned", func() bool { runtime.GC(); return w.tel.Total(t, "lock.held") == 0 })
	checkTold(t, w.tel, told{operation: "acquire", outcome: "acquired"}, told{operation: "cleanup", outcome: "abandoned"})
	if w.clients[0].Exists(t.Context(), secret).Val() != 1 {
		t.Error("its key is gone")
	}
}

// The same calls on a mutex of the peer and of the wrapper, on three servers, must
// return the same, and send the same.
func TestRedsyncDoesTheSameWrapped(t *testing.T) {
	for name, p := range pipeline.All {
		t.Run(name, func(t *testing.T) {
			w := newRedsyncWorld(t, 3)
			wrapped := otelredsync.New(w.pools()...).With(p.Options()...)
			for name, play := range redsyncPlays {
				t.Run(name, func(t *testing.T) {
					run := func(newMutex func(string, ...redsync.Option) redsyncMutex) (said []string, sent [][]string) {
						var monitors []*monitor
						for i, s := range w.servers {
							renew(t, s, w.clients[i])
							monitors = append(monitors, watchCommands(t, s))
						}
						say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
						play(t, w, newMutex, say)
						for _, m := range monitors {
							sent = append(sent, m.stop(t))
						}
						return said, sent
					}
					wantSaid, wantSent := run(func(name string, opts ...redsync.Option) redsyncMutex { return w.other.NewMutex(name, opts...) })
					said, sent := run(func(name string, opts ...redsync.Option) redsyncMutex { return wrapped.NewMutex(name, opts...) })
					if got, want := strings.Join(said, "\n"), strings.Join(wantSaid, "\n"); got != want {
						t.Errorf("wrapped, it says\n%s\nwant\n%s", got, want)
					}
					for i := range sent {
						if got, want := strings.Join(sent[i], "\n"), strings.Join(wantSent[i], "\n"); got != want {
							t.Errorf("wrapped, it sends to server %d\n%s\nwant\n%s", i, got, want)
						}
					}
					if len(wantSaid) == 0 {
						t.Error("nothing was said")
					}
				})
			}
		})
	}
}

// renew makes the server as if it had just been started.
func renew(t *testing.T, s *redistest.Server, rdb *redis.Client) {
	t.Helper()
	if rdb.Ping(t.Context()).Err() != nil {
		s.Restart()
		locktest.Eventually(t, "restarted", func() bool { return rdb.Ping(t.Context()).Err() == nil })
	}
	if err := errors.Join(rdb.FlushAll(t.Context()).Err(), rdb.ScriptFlush(t.Context()).Err()); err != nil {
		t.Fatal(err)
	}
}

func (w *redsyncWorld) pools() (pools []redsyncredis.Pool) {
	for _, rdb := range w.clients {
		pools = append(pools, goredis.NewPool(rdb))
	}
	return pools
}

// A redsyncMutex is redsync's Mutex or ours.
type redsyncMutex interface {
	Name() string
	Value() string
	Until() time.Time
	TryLock() error
	TryLockContext(context.Context) error
	Lock() error
	LockContext(context.Context) error
	Unlock() (bool, error)
	UnlockContext(context.Context) (bool, error)
	Extend() (bool, error)
	ExtendContext(context.Context) (bool, error)
	Valid() (bool, error)
	ValidContext(context.Context) (bool, error)
}

var redsyncPlays = map[string]func(*testing.T, *redsyncWorld, func(string, ...redsync.Option) redsyncMutex, func(string, ...any)){
	"lock, extend, unlock": func(t *testing.T, w *redsyncWorld, newMutex func(string, ...redsync.Option) redsyncMutex, say func(string, ...any)) {
		m := newMutex("m", fixed("v", redsync.WithExpiry(long))...)
		say("%q %q %v", m.Name(), m.Value(), m.Until().IsZero())
		say("lock: %v", m.Lock())
		say("%q, for a minute: %v", m.Value(), time.Until(m.Until()) > long/2 && time.Until(m.Until()) < long)
		say2(say, "valid")(m.Valid())
		say2(say, "extend")(m.Extend())
		say2(say, "unlock")(m.Unlock())
		say2(say, "unlock again")(m.Unlock())
		say2(say, "extend after it")(m.Extend())
		say2(say, "valid after it")(m.Valid())
		say("lock again: %v", m.LockContext(t.Context()))
		say2(say, "unlock it")(m.UnlockContext(t.Context()))
	},
	"no context": func(t *testing.T, w *redsyncWorld, newMutex func(string, ...redsync.Option) redsyncMutex, say func(string, ...any)) {
		m := newMutex("m", fixed("v")...)
		var none context.Context
		say("lock: %v", m.LockContext(none))
		say2(say, "extend")(m.ExtendContext(none))
		say2(say, "valid")(m.ValidContext(none))
		say2(say, "unlock")(m.UnlockContext(none))
		say2(say, "unlock again")(m.UnlockContext(none))
		say("try: %v", m.TryLockContext(none))
	},
	"busy": func(t *testing.T, w *redsyncWorld, newMutex func(string, ...redsync.Option) redsyncMutex, say func(string, ...any)) {
		first := newMutex("m", fixed("first")...)
		say("first: %v", first.TryLock())
		for _, opt := range []redsync.Option{redsync.WithShufflePools(false), redsync.WithShufflePools(true)} {
			second := newMutex("m", fixed("second", opt)...)
			patient := newMutex("m", fixed("second", opt, redsync.WithRetryDelay(time.Hour))...)
			for _, err := range []error{second.TryLock(), second.Lock(), second.TryLockContext(canceled(t)), patient.LockContext(canceled(t))} {
				sayError(say, "second", err)
			}
		}
		say2(say, "unlock")(first.Unlock())
	},
	"another's": func(t *testing.T, w *redsyncWorld, newMutex func(string, ...redsync.Option) redsyncMutex, say func(string, ...any)) {
		m := newMutex("m", fixed("v")...)
		say("lock: %v", m.Lock())
		for _, rdb := range w.clients {
			rdb.Set(t.Context(), "m", "other", 0)
		}
		say2(say, "extend")(m.Extend())
		say2(say, "valid")(m.Valid())
		say2(say, "unlock")(m.Unlock())
	},
	"gone": func(t *testing.T, w *redsyncWorld, newMutex func(string, ...redsync.Option) redsyncMutex, say func(string, ...any)) {
		m, other := newMutex("m", fixed("v")...), newMutex("n", fixed("v", redsync.WithSetNXOnExtend())...)
		say("lock: %v, %v", m.Lock(), other.Lock())
		w.flush(t, 3)
		say2(say, "extend")(m.Extend())
		say2(say, "extend, set anew")(other.Extend())
		say2(say, "unlock")(m.Unlock())
	},
	"a node is down": func(t *testing.T, w *redsyncWorld, newMutex func(string, ...redsync.Option) redsyncMutex, say func(string, ...any)) {
		w.kill(1)
		m := newMutex("m", fixed("v")...)
		say("lock: %v", m.Lock())
		say2(say, "extend")(m.Extend())
		say2(say, "unlock")(m.Unlock())
	},
	"a quorum is down": func(t *testing.T, w *redsyncWorld, newMutex func(string, ...redsync.Option) redsyncMutex, say func(string, ...any)) {
		m := newMutex("m", fixed("v")...)
		say("lock: %v", m.Lock())
		w.kill(2)
		for _, call := range []func() (bool, error){m.Extend, m.Valid, m.Unlock} {
			ok, err := call()
			say("%v", ok)
			sayError(say, "down", err)
		}
		sayError(say, "lock", newMutex("n", fixed("v")...).Lock())
	},
	"options": func(t *testing.T, w *redsyncWorld, newMutex func(string, ...redsync.Option) redsyncMutex, say func(string, ...any)) {
		var delays []int
		m := newMutex("m", fixed("v", redsync.WithRetryDelayFunc(func(tries int) time.Duration { delays = append(delays, tries); return time.Millisecond }))...)
		w.hold3(t, "m")
		sayError(say, "lock", m.Lock())
		say("delays %v", delays)
		bad := newMutex("n", redsync.WithGenValueFunc(func() (string, error) { return "", errors.New("no value") }))
		sayError(say, "no value", bad.Lock())
		sayError(say, "no tries", newMutex("o", fixed("v", redsync.WithTries(0))...).Lock())
		sayError(say, "too late", newMutex("p", fixed("v", redsync.WithDriftFactor(1.5))...).Lock())
		given := newMutex("q", redsync.WithValue("v"))
		say("value %q", given.Value())
		say2(say, "unlock")(given.Unlock())
	},
}

func (w *redsyncWorld) hold3(t *testing.T, key string) {
	for _, rdb := range w.clients {
		rdb.Set(t.Context(), key, "other", 0)
	}
}

// fixed makes a mutex whose commands are the same each time.
func fixed(value string, more ...redsync.Option) []redsync.Option {
	return append([]redsync.Option{
		redsync.WithGenValueFunc(func() (string, error) { return value, nil }),
		redsync.WithTries(2), redsync.WithRetryDelay(time.Millisecond), redsync.WithExpiry(long),
	}, more...)
}

func say2(say func(string, ...any), what string) func(bool, error) {
	return func(ok bool, err error) {
		say("%s: %v", what, ok)
		sayError(say, what, err)
	}
}

// sayError says everything that a caller can find in an error of redsync. The nodes
// answer in any order.
func sayError(say func(string, ...any), what string, err error) {
	var taken *redsync.ErrTaken
	var node *redsync.ErrNodeTaken
	var failed *redsync.RedisError
	say("%s: %T, failed %v, extend %v, expired %v, taken %v, node %v, redis %v", what, err, err == redsync.ErrFailed, err == redsync.ErrExtendFailed,
		errors.Is(err, redsync.ErrLockAlreadyExpired), errors.As(err, &taken), errors.As(err, &node), errors.As(err, &failed))
	if taken != nil {
		say("%d nodes", len(taken.Nodes))
	}
}
