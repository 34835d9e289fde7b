package redisbackend_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
)

const wakeUps, ofCluster = "waiters that are woken", "a Cluster"

// documentedRules are those in otellock/README.md, each line with its title.
func documentedRules(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## What Redis must allow\n")
	_, block, _ := strings.Cut(section, "```text\n")
	block, _, _ = strings.Cut(block, "```")
	rules, title := map[string]string{}, ""
	for line := range strings.Lines(block) {
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			title = strings.TrimSpace(rest)
		} else {
			rules[title] = strings.TrimSpace(line)
		}
	}
	if len(rules) != 5 || rules[wakeUps] == "" || rules[ofCluster] == "" {
		t.Fatalf("README.md has the rules %q", rules)
	}
	return rules
}

// A user is one of Redis' access control on some servers.
type user struct {
	name   string
	key    string // that it locks; it is on the first server
	admins []*redis.Client
	client func(*testing.T) redis.UniversalClient
}

// restrict gives the user these rules, and none other.
func (u *user) restrict(t *testing.T, rules []string) {
	t.Helper()
	args := []any{"ACL", "SETUSER", u.name, "reset", "on", ">secret", "resetchannels"}
	for _, rule := range rules {
		args = append(args, rule)
	}
	for _, admin := range u.admins {
		run(t, admin, args...)
		run(t, admin, "ACL", "LOG", "RESET")
	}
}

// refused returns what the servers did not let the user do.
func (u *user) refused(t *testing.T) (what []string) {
	t.Helper()
	for _, admin := range u.admins {
		entries, err := admin.ACLLog(t.Context(), 1000).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			what = append(what, e.Reason+" "+e.Object)
		}
	}
	return what
}

// process returns the user's lock in a process of its own.
func (u *user) process(t *testing.T, opts ...otellock.LockOption) otellock.Mutex {
	t.Helper()
	l, err := otellock.New(newBackend(t, u.client(t)), otellock.WithFailClosed(true), otellock.WithTTL(time.Minute),
		otellock.WithWait(time.Minute), otellock.WithAttemptTimeout(10*time.Second), otellock.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(t.Context()) }) // has ended: what cannot be released stays
	return l.UndeclaredMutex(u.key).With(opts...)
}

// locks does all that a lock can, until a server refuses something, and returns what
// that was.
func (u *user) locks(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	admin := u.admins[0]
	until := func(what string, holds func() bool) {
		t.Helper()
		poll(t, what, func() bool { return holds() || len(u.refused(t)) > 0 })
	}
	inList := func(n int64) func() bool {
		return func() bool { return admin.LLen(ctx, "otellock:waiters{"+u.key+"}").Val() == n }
	}
	waits := func(ctx context.Context, m otellock.Mutex) <-chan error {
		done := make(chan error, 1)
		go func() { done <- m.Do(ctx, func(context.Context) error { return nil }) }()
		return done
	}
	ended := func(done <-chan error) (err error) {
		until("the waiter ends", func() bool {
			select {
			case err = <-done:
				return true
			default:
				return false
			}
		})
		return err
	}
	holder, other := u.process(t), u.process(t)
	var lease *otellock.Lease
	lock := func() (err error) { lease, err = holder.Lock(ctx); return err }
	var waiting [2]<-chan error
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"lock", lock},
		{"extend", func() error { return lease.Extend(ctx, time.Minute) }},
		{"extend by a script that the server does not know", func() error {
			run(t, admin, "SCRIPT", "FLUSH")
			return lease.Extend(ctx, time.Minute)
		}},
		{"wait", func() error {
			waiting[0] = waits(ctx, other)
			until("it is in the list", inList(1))
			return nil
		}},
		{"give up", func() error {
			ctx, cancel := context.WithCancel(ctx)
			gone := waits(ctx, u.process(t))
			until("it is in the list", inList(2))
			cancel()
			<-gone
			until("it is out of the list", inList(1))
			return nil
		}},
		{"release, while the same process waits", func() error {
			waiting[1] = waits(ctx, holder)
			until("it is in the list", inList(2))
			return errors.Join(lease.Release(ctx), ended(waiting[0]), ended(waiting[1]))
		}},
		{"be woken, and find the lock taken", func() error {
			b, rival, w := newBackend(t, u.client(t)), newBackend(t, u.client(t)), &wokenWaiter{}
			taken := otellock.Claim{Key: u.key, Token: "t", TTL: time.Minute}
			c := otellock.Claim{Key: u.key, Token: "beaten", TTL: time.Minute, Again: true, Waiter: w}
			_, err := rival.Acquire(patient(t), taken)
			until("it is in the list", func() bool {
				g, _ := b.Acquire(patient(t), c)
				return g.Queued
			})
			woken := w.wakes.Load()
			err = errors.Join(err, rival.Release(patient(t), taken))
			until("it is woken", func() bool { return w.wakes.Load() > woken })
			_, err2 := rival.Acquire(patient(t), taken)
			_, err3 := b.Acquire(patient(t), c)
			b.Forget(u.key, w)
			return errors.Join(err, err2, err3, rival.Release(patient(t), taken))
		}},
		{"fence", func() error {
			lease, err := u.process(t, otellock.WithFencing()).Lock(ctx)
			return errors.Join(err, lease.Release(ctx))
		}},
		{"replicas", func() error {
			b, err := redisbackend.New(u.client(t), redisbackend.WithMinReplicas(1))
			if err != nil {
				return err
			}
			c := otellock.Claim{Key: u.key, Token: "t", TTL: time.Minute, Again: true}
			until("it is told that there is none", func() bool {
				_, err := b.Acquire(expiring(t, late), c)
				var typed interface{ ErrorType() string }
				return errors.As(err, &typed) && typed.ErrorType() == "NOREPLICAS"
			})
			return b.Release(ctx, c)
		}},
		{"wait until the connection for wake-ups is tried", func() error {
			if err := lock(); err != nil {
				return err
			}
			waiting[0] = waits(ctx, other)
			until("a ping", func() bool {
				for _, line := range strings.Split(admin.ClientList(ctx).Val(), "\n") {
					if strings.Contains(line, " user="+u.name+" ") && strings.Contains(line, " cmd=ping ") {
						return true
					}
				}
				return false
			})
			return errors.Join(lease.Release(ctx), ended(waiting[0]))
		}},
		{"keep", func() error {
			return holder.With(otellock.WithMinHold(time.Minute)).Do(ctx, func(context.Context) error { return nil })
		}},
	} {
		err := step.do()
		if refused := u.refused(t); len(refused) > 0 {
			return refused
		}
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
	}
	return nil
}

// rulesOf returns the rules of all lines, without the one that is left out.
func rulesOf(documented map[string]string, without string) (rules []string) {
	for _, line := range documented {
		for _, rule := range strings.Fields(line) {
			if rule != without && !slices.Contains(rules, rule) {
				rules = append(rules, rule)
			}
		}
	}
	return rules
}

// With the rules nothing is refused, and without any of them something is.
func TestTheDocumentedRulesAreWhatALockNeeds(t *testing.T) {
	documented := documentedRules(t)
	server := redistest.Start(t)
	u := &user{name: "locks", key: "lock:things:7", admins: []*redis.Client{server.Client()}}
	u.client = func(t *testing.T) redis.UniversalClient {
		o := redisbackend.Options(server.Addr)
		o.Username, o.Password, o.PoolTimeout, o.DialTimeout = u.name, "secret", time.Minute, time.Minute
		rdb := redis.NewClient(o)
		t.Cleanup(func() { _ = rdb.Close() })
		return rdb
	}
	u.restrict(t, rulesOf(documented, ""))
	if refused := u.locks(t); len(refused) > 0 {
		t.Errorf("refused: %q", refused)
	}
	delete(documented, ofCluster)
	for _, rule := range rulesOf(documented, "") {
		t.Run("without "+rule, func(t *testing.T) {
			run(t, u.admins[0], "FLUSHALL")
			u.restrict(t, rulesOf(documented, rule))
			if refused := u.locks(t); len(refused) == 0 {
				t.Error("nothing was refused: the rule is not needed")
			}
		})
	}
}

func TestTheDocumentedRulesAreWhatALockNeedsOnACluster(t *testing.T) {
	documented := documentedRules(t)
	c := redistest.StartCluster(t)
	u := &user{name: "locks"}
	for _, s := range c.Servers {
		u.admins = append(u.admins, s.Client())
	}
	u.client = func(t *testing.T) redis.UniversalClient {
		return c.Client(func(o *redis.ClusterOptions) {
			o.Username, o.Password, o.PoolTimeout, o.DialTimeout = u.name, "secret", time.Minute, time.Minute
			o.OnConnect, o.DisableIdentity = redisbackend.Options("").OnConnect, true
		})
	}
	first, second := u.admins[0], u.admins[1]
	var slot int
	u.key, slot = keyOf(t, first)
	documented["every lock"] = strings.Replace(documented["every lock"], "~lock:*", "~k*", 1)
	u.restrict(t, rulesOf(documented, ""))
	if refused := u.locks(t); len(refused) > 0 {
		t.Errorf("refused: %q", refused)
	}
	run(t, first, "DEL", u.key)
	run(t, second, "CLUSTER", "SETSLOT", slot, "IMPORTING", first.Do(t.Context(), "CLUSTER", "MYID").Val())
	run(t, first, "CLUSTER", "SETSLOT", slot, "MIGRATING", second.Do(t.Context(), "CLUSTER", "MYID").Val())
	for _, rule := range append(strings.Fields(documented[ofCluster]), "") { // without any, and without none
		t.Run("without "+rule, func(t *testing.T) {
			u.restrict(t, rulesOf(documented, rule))
			g, err := newBackend(t, u.client(t)).Acquire(patient(t), otellock.Claim{Key: u.key, Token: "t", TTL: time.Millisecond})
			if refused := u.refused(t); (len(refused) > 0) != (rule != "") || g.Acquired != (rule == "") {
				t.Errorf("refused: %q, acquired %t, %v", refused, g.Acquired, err)
			}
		})
	}
}

// One script asks for the key and for the list, so that a refusal of the one looks as
// that of the other.
func TestAUserWhoMayNotTouchTheKeyMayBeWoken(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	run(t, admin, "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all")
	run(t, admin, "SET", claim.Key, "another")
	o := redisbackend.Options(server.Addr)
	o.Username, o.Password, o.PoolTimeout, o.DialTimeout = "app", "secret", time.Minute, time.Minute
	rdb := redis.NewClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	b, w, c := newBackend(t, rdb), &wokenWaiter{}, again(claim)
	c.Waiter = w
	t.Cleanup(func() { b.Forget(c.Key, w) })
	_, _ = b.Acquire(patient(t), c)
	poll(t, "the inbox is read", func() bool { return w.wakes.Load() > 0 })
	run(t, admin, "ACL", "SETUSER", "app", "resetkeys", "~otellock:*")
	_, err := b.Acquire(patient(t), c)
	checkClass(t, "Acquire", err, "NOPERM")
	run(t, admin, "ACL", "SETUSER", "app", "~*")
	if g, err := b.Acquire(patient(t), c); err != nil || !g.Queued {
		t.Errorf("Acquire by a user who may again: %+v, %v, want a place in the list", g, err)
	}
}
