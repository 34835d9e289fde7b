package redisbackend_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
)

// A member is one process as far as the lock is concerned: a client, a backend and
// a locker of its own.
type member struct {
	locker *otellock.Locker
	target *otellock.Target
}

func newMember(t *testing.T, rdb redis.UniversalClient, opts ...otellock.Option) member {
	t.Helper()
	opts = append([]otellock.Option{otellock.WithFailClosed(true), otellock.WithTTL(time.Minute), otellock.WithWait(time.Minute),
		otellock.WithAttemptTimeout(10 * time.Second), otellock.WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	locker, err := otellock.New(newBackend(t, rdb), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = locker.Close(context.Background()) })
	target, err := locker.Target("things", "lock:things:*")
	if err != nil {
		t.Fatal(err)
	}
	return member{locker, target}
}

// waits lets the member wait for the lock, and returns once the server has it in
// the list of the key.
func (m member) waits(t *testing.T, admin *redis.Client, id string) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	before := admin.LLen(t.Context(), waitersOf(id)).Val()
	go func() {
		done <- m.target.Mutex(id).Do(context.Background(), func(context.Context) error { return nil })
	}()
	poll(t, "it is in the list", func() bool { return admin.LLen(t.Context(), waitersOf(id)).Val() > before })
	return done
}

func waitersOf(id string) string { return "otellock:waiters{lock:things:" + id + "}" }

// inboxes are the channels that somebody reads on the server.
func inboxes(t *testing.T, admin *redis.Client) []string {
	t.Helper()
	channels, err := admin.PubSubChannels(t.Context(), "otellock:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	return channels
}

// holds takes the lock and returns its release.
func (m member) holds(t *testing.T, id string) (release func()) {
	t.Helper()
	lease, err := m.target.Mutex(id).Lock(t.Context())
	if err != nil || !lease.Protected() {
		t.Fatalf("Lock: %v, %v", lease, err)
	}
	return func() {
		if err := lease.Release(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestAReleaseWakesTheProcessThatWaitsLongestAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(t *testing.T) (rdb func() redis.UniversalClient, master *redis.Client){
		"a server": func(t *testing.T) (func() redis.UniversalClient, *redis.Client) {
			server := redistest.Start(t)
			return func() redis.UniversalClient { return client(t, server.Addr) }, server.Client()
		},
		"a cluster": func(t *testing.T) (func() redis.UniversalClient, *redis.Client) {
			cluster := redistest.StartCluster(t)
			master, err := cluster.Client().MasterForKey(t.Context(), "lock:things:7")
			if err != nil {
				t.Fatal(err)
			}
			return func() redis.UniversalClient { return cluster.Client() }, master
		},
		"a master behind Sentinel": func(t *testing.T) (func() redis.UniversalClient, *redis.Client) {
			sentinel := redistest.StartSentinel(t)
			return func() redis.UniversalClient { return sentinel.Client() }, sentinel.Client()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb, admin := connect(t)
			release := newMember(t, rdb()).holds(t, "7")
			var waiting []<-chan error
			for range 8 {
				waiting = append(waiting, newMember(t, rdb()).waits(t, admin, "7"))
			}
			if n := len(inboxes(t, admin)); n != len(waiting) {
				t.Errorf("%d inboxes for %d processes that wait", n, len(waiting))
			}
			release()
			for i, done := range waiting {
				if err := <-done; err != nil {
					t.Errorf("waiter %d: %v", i, err)
				}
			}
			poll(t, "no inbox is read", func() bool { return len(inboxes(t, admin)) == 0 })
			if keys := admin.Keys(t.Context(), "*").Val(); len(keys) != 0 {
				t.Errorf("left in the server: %v", keys)
			}
		})
	}
}

// Each hand-over is a release and an acquire, and as much again to wait for it,
// however many wait. Polls of a slow machine come on top, two a second for each
// process, of one command each.
func TestTheCommandsOfAHandOverDoNotGrowWithTheProcesses(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	for _, processes := range []int{2, 32} {
		id := string(rune('a' + processes))
		release := newMember(t, client(t, server.Addr)).holds(t, id)
		var waiting []<-chan error
		for range processes {
			waiting = append(waiting, newMember(t, client(t, server.Addr)).waits(t, admin, id))
		}
		before, start := commandsOf(t, admin), time.Now()
		release()
		for _, done := range waiting {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		polls := 2 * int(time.Since(start)/time.Second+1) * processes
		if n := commandsOf(t, admin) - before; n > 3*processes+polls {
			t.Errorf("%d scripts for %d hand-overs", n, processes)
		}
	}
}

// deaf is a waiter that asks by itself.
type deaf struct{ string }

func (deaf) Wake(bool)  {}
func (deaf) WakeAlone() {}

func TestAWaiterThatAsksAgainSendsOneCommand(t *testing.T) {
	server := redistest.Start(t)
	rdb := client(t, server.Addr)
	b := newBackend(t, rdb)
	if g, err := b.Acquire(patient(t), claim); err != nil || !g.Acquired {
		t.Fatalf("Acquire: %v, %v", g, err)
	}
	waiting := again(claim)
	waiting.Token, waiting.Waiter = "rival", deaf{"rival"}
	t.Cleanup(func() { b.Forget(waiting.Key, waiting.Waiter) })
	poll(t, "its inbox is read", func() bool {
		g, err := b.Acquire(patient(t), waiting)
		return err == nil && g.Queued
	})
	h := &hook{}
	rdb.AddHook(h)
	asks := func() otellock.Grant {
		t.Helper()
		h.names = nil
		g, err := b.Acquire(patient(t), waiting)
		if got := strings.Join(h.names, " "); err != nil || got != "evalsha" {
			t.Errorf("%s, %v; want one evalsha", got, err)
		}
		return g
	}
	if g := asks(); !g.Queued || g.Held.Token != claim.Token {
		t.Errorf("while the key is held: %v, want a place, and who holds it", g)
	}
	if err := b.Release(patient(t), claim); err != nil {
		t.Fatal(err)
	}
	if g := asks(); !g.Acquired {
		t.Errorf("once it is free: %v, want granted", g)
	}
}

// commandsOf is how many scripts the server has executed for clients.
func commandsOf(t *testing.T, admin *redis.Client) (n int) {
	t.Helper()
	info, err := admin.InfoMap(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cmdstat_evalsha", "cmdstat_eval"} {
		calls, _, _ := strings.Cut(strings.TrimPrefix(info["Commandstats"][name], "calls="), ",")
		if calls == "" {
			continue
		}
		count, err := strconv.Atoi(calls)
		if err != nil {
			t.Fatal(err)
		}
		n += count
	}
	return n
}

// A process that is killed leaves an inbox that nobody reads: a release passes it
// over at once.
func TestWaitersThatAreKilledAreSkippedAndLeaveNothing(t *testing.T) {
	const variable = "OTELLOCK_TEST_WAITS_AT"
	if addr := os.Getenv(variable); addr != "" {
		_ = newMember(t, client(t, addr)).target.Mutex("7").Do(t.Context(), func(context.Context) error { return nil })
		return
	}
	server := redistest.Start(t)
	admin := server.Client()
	release := newMember(t, client(t, server.Addr)).holds(t, "7")
	for i := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run", t.Name())
		cmd.Env = append(os.Environ(), variable+"="+server.Addr)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		poll(t, "the process waits", func() bool { return admin.LLen(t.Context(), waitersOf("7")).Val() == int64(i+1) })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	done := newMember(t, client(t, server.Addr)).waits(t, admin, "7")
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	poll(t, "nothing is left", func() bool {
		return len(inboxes(t, admin)) == 0 && admin.DBSize(t.Context()).Val() == 0
	})
}

func TestAWaiterThatGivesUpLeavesTheListAndPassesTheWakeUpOn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client()
	holder := newMember(t, client(t, server.Addr))
	release := holder.holds(t, "7")
	ctx, cancel := context.WithCancel(t.Context())
	gone := newMember(t, client(t, server.Addr))
	done := make(chan error, 1)
	go func() { done <- gone.target.Mutex("7").Do(ctx, func(context.Context) error { return nil }) }()
	poll(t, "it is in the list", func() bool { return admin.LLen(t.Context(), waitersOf("7")).Val() == 1 })
	next := newMember(t, client(t, server.Addr)).waits(t, admin, "7")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the waiter that gave up: %v", err)
	}
	poll(t, "it is not in the list", func() bool { return admin.LLen(t.Context(), waitersOf("7")).Val() == 1 })
	release()
	if err := <-next; err != nil {
		t.Error(err)
	}
}

// What the server forbids is polled for, and said once. A list that could not expire
// does not stay.
func TestWhereTheServerForbidsWakeUpsWaitersPollAndThatIsSaidOnce(t *testing.T) {
	const own = "lock:*"
	needed := documentedRules(t)[wakeUps]
	for name, rules := range map[string][]any{
		"the list":      {"~" + own, "&*", "+@all"},
		"its commands":  {"~*", "&*", "+@all", "-lpos", "-rpush"},
		"its expiry":    {"~*", "&*", "+@all", "-pexpire"},
		"subscribing":   {"~*", "&*", "+@all", "-subscribe"},
		"publishing":    {"~*", "&*", "+@all", "-publish"},
		"every channel": {"~*", "resetchannels", "+@all"},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			admin := server.Client()
			run(t, admin, append([]any{"ACL", "SETUSER", "app", "on", ">secret"}, rules...)...)
			var said bytes.Buffer
			var mu sync.Mutex
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(lockedWriter{&mu, &said}, nil)))
			defer slog.SetDefault(before)

			o := redisbackend.Options(server.Addr)
			o.Username, o.Password = "app", "secret"
			o.PoolTimeout, o.DialTimeout = time.Minute, time.Minute
			rdb := redis.NewClient(o)
			t.Cleanup(func() { _ = rdb.Close() })
			backend := newBackend(t, rdb)
			for range 2 { // the same backend: it is said once
				for range 3 {
					l, err := otellock.New(backend, otellock.WithFailClosed(true), otellock.WithWait(time.Minute), otellock.WithAttemptTimeout(10*time.Second), otellock.WithTTL(time.Minute))
					if err != nil {
						t.Fatal(err)
					}
					m := l.UndeclaredMutex("lock:things:7")
					lease, err := m.Lock(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					done := make(chan error, 1)
					go func() { done <- m.Do(context.Background(), func(context.Context) error { return nil }) }()
					poll(t, "it is said", func() bool {
						mu.Lock()
						defer mu.Unlock()
						return strings.Contains(said.String(), "needs the rules "+needed+`"`)
					})
					if err := lease.Release(context.Background()); err != nil {
						t.Errorf("Release: %v", err)
					}
					if err := <-done; err != nil {
						t.Errorf("the waiter: %v", err)
					}
					if err := l.Close(context.Background()); err != nil {
						t.Error(err)
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if n := strings.Count(said.String(), "\n"); n != 1 {
				t.Errorf("said %d lines:\n%s", n, said.String())
			}
			if keys := admin.Keys(t.Context(), "*").Val(); len(keys) != 0 {
				t.Errorf("left in the server: %v", keys)
			}
		})
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

// A key that vanishes wakes nobody: as a lost wake-up, it costs one poll.
func TestALostWakeUpCostsOnePollAndNotTheTTL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client()
	newMember(t, client(t, server.Addr)).holds(t, "7")
	done := newMember(t, client(t, server.Addr)).waits(t, admin, "7")
	run(t, admin, "DEL", "lock:things:7")
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second): // half of the time to live; a poll is due in half a second
		t.Error("the waiter does not notice that the key is free")
	}
}

// The inbox of a server that has restarted is opened anew, and wakes again.
func TestWakeUpsComeBackAfterTheServerHasRestarted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client()
	holder, waiter := newMember(t, client(t, server.Addr)), newMember(t, client(t, server.Addr))
	_ = holder.holds(t, "before")
	_ = waiter.waits(t, admin, "before")
	server.Kill()
	server.Restart()
	poll(t, "the server is back", func() bool { return admin.Ping(t.Context()).Err() == nil })
	release := holder.holds(t, "after")
	done := waiter.waits(t, admin, "after")
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What wakes others comes after the key is removed: where it fails, the release has
// not.
func TestAReleaseSucceedsWhereTheServerForbidsWakeUpsFromThenOn(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"-lpos", "-rpush", "-pexpire", "-lpop"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			admin := server.Client()
			run(t, admin, "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all")
			o := redisbackend.Options(server.Addr)
			o.Username, o.Password = "app", "secret"
			o.PoolTimeout, o.DialTimeout = time.Minute, time.Minute
			rdb := redis.NewClient(o)
			t.Cleanup(func() { _ = rdb.Close() })
			m := newMember(t, rdb)
			release := m.holds(t, "7")
			done := m.waits(t, admin, "7")
			if command == "-rpush" { // it is called for a new place only
				run(t, admin, "DEL", waitersOf("7"))
			}
			run(t, admin, "ACL", "SETUSER", "app", command)
			release()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// A newcomer may take the lock before the one that was called asks.
func TestAWaiterThatIsCalledAndBeatenIsTheNextToBeCalled(t *testing.T) {
	server := redistest.Start(t)
	admin, rival := server.Client(), newBackend(t, client(t, server.Addr))
	list := func() []string {
		return admin.LRange(t.Context(), "otellock:waiters{"+claim.Key+"}", 0, -1).Val()
	}
	take := func() {
		t.Helper()
		if g, err := rival.Acquire(patient(t), claim); err != nil || !g.Acquired {
			t.Fatalf("Acquire: %v, %v", g, err)
		}
	}
	take()
	var waiting [2]func() otellock.Grant
	var woken [2]*wokenWaiter
	for i := range waiting {
		b, w := newBackend(t, client(t, server.Addr)), &wokenWaiter{}
		c := again(claim)
		c.Token, c.Waiter = "waiter", w
		t.Cleanup(func() { b.Forget(c.Key, w) })
		woken[i], waiting[i] = w, func() otellock.Grant {
			g, err := b.Acquire(patient(t), c)
			if err != nil {
				t.Error(err)
			}
			return g
		}
		poll(t, "it is in the list", func() bool { return waiting[i]().Queued })
	}
	before, wakes := list(), woken[0].wakes.Load()
	if err := rival.Release(patient(t), claim); err != nil {
		t.Fatal(err)
	}
	poll(t, "the first is called", func() bool { return woken[0].wakes.Load() > wakes })
	take()
	if g := waiting[0](); !g.Queued {
		t.Errorf("the one that was beaten: %v, want a place in the list", g)
	}
	if got := list(); !slices.Equal(got, before) || len(got) != 2 {
		t.Errorf("the list is %v, want %v", got, before)
	}
}

// A wokenWaiter counts its wake-ups.
type wokenWaiter struct{ wakes atomic.Int64 }

func (w *wokenWaiter) Wake(bool)  { w.wakes.Add(1) }
func (w *wokenWaiter) WakeAlone() { w.wakes.Add(1) }

// The inbox of a process has one place in the list of a key. What takes it out after
// the last waiter may arrive when the next one has just been told that it is in there.
func TestAWaiterWhoseProcessHasJustLeftTheListAsksAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin, rdb := server.Client(), client(t, server.Addr)
	var holdBack atomic.Bool
	reached, goOn := make(chan struct{}), make(chan struct{})
	rdb.AddHook(&hook{before: func(cmd redis.Cmder) {
		if cmd.Name() == "evalsha" && holdBack.CompareAndSwap(true, false) {
			close(reached)
			<-goOn
		}
	}})
	b := newBackend(t, rdb)
	run(t, admin, "SET", claim.Key, "another")
	queued := func(w otellock.Waiter) bool {
		c := again(claim)
		c.Waiter = w
		g, err := b.Acquire(patient(t), c)
		return err == nil && g.Queued
	}
	first, second := &wokenWaiter{}, &wokenWaiter{}
	poll(t, "the first is in the list", func() bool { return queued(first) })

	holdBack.Store(true)
	b.Forget(claim.Key, first)
	<-reached // the list is about to be told
	if !queued(second) {
		t.Fatal("the second is not in the list")
	}
	second.wakes.Store(0)
	close(goOn)
	poll(t, "the second is told to ask again", func() bool { return second.wakes.Load() > 0 })
	if !queued(second) || admin.LLen(t.Context(), "otellock:waiters{"+claim.Key+"}").Val() != 1 {
		t.Error("the second has no place")
	}
}
