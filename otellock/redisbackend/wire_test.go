package redisbackend_test

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// noMaintenance switches go-redis's maintenance notifications off.
var noMaintenance = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

func TestCommandsOfEachOperation(t *testing.T) {
	server := redistest.Start(t)
	rdb, admin := client(t, server.Addr), server.Client()
	b := newBackend(t, rdb)
	warm(t, b)
	h := &hook{}
	rdb.AddHook(h)
	acquire := func(c otellock.Claim, granted bool) func() {
		return func() {
			t.Helper()
			if g, err := b.Acquire(patient(t), c); err != nil || g.Acquired != granted {
				t.Errorf("Acquire: %v, %v, want granted: %v", g, err, granted)
			}
		}
	}
	rival := claim
	rival.Token = "rival"
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"acquire of a free key", acquire(claim, true), "set"},
		{"acquire of a held key", acquire(rival, false), "set evalsha"},
		{"a later attempt at a held key", acquire(again(rival), false), "evalsha"},
		{"a later attempt at a key that is the token's own", acquire(again(claim), true), "evalsha"},
		{"extend", func() { _ = b.Extend(patient(t), claim) }, "evalsha"},
		{"release", func() { _ = b.Release(patient(t), claim) }, "evalsha"},
		{"a later attempt at a free key", acquire(again(claim), true), "evalsha"},
		{"release of another's key", func() { _ = b.Release(patient(t), rival) }, "evalsha"},
	} {
		h.names = nil
		step.do()
		if got := strings.Join(h.names, " "); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	if v := admin.Get(t.Context(), claim.Key).Val(); v != claim.Token {
		t.Errorf("the server holds %q, want %q", v, claim.Token)
	}
}

func TestAFirstAttemptThatIsToldBusyLooksAtTheKey(t *testing.T) {
	for _, test := range []struct {
		name      string
		held      []any
		meanwhile func(*testing.T, *redistest.Server) // between SET and the look, unless nil
		class     string
	}{
		{name: "another's token", held: []any{"SET", claim.Key, "another"}},
		{name: "an empty value", held: []any{"SET", claim.Key, ""}},
		{name: "a hash", held: []any{"HSET", claim.Key, "f", "v"}, class: "WRONGTYPE"},
		{name: "a list", held: []any{"RPUSH", claim.Key, "v"}, class: "WRONGTYPE"},
		{
			name: "freed meanwhile", held: []any{"SET", claim.Key, "another"},
			meanwhile: func(t *testing.T, s *redistest.Server) { run(t, s.Client(), "DEL", claim.Key) },
		},
		{name: "no answer in time", held: []any{"SET", claim.Key, "another"}, meanwhile: hangs},
		{
			name: "no answer ever", held: []any{"SET", claim.Key, "another"},
			meanwhile: func(_ *testing.T, s *redistest.Server) { s.Kill() },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := redistest.Start(t)
			run(t, server.Client(), test.held...)
			rdb := client(t, server.Addr)
			looked := false
			rdb.AddHook(&hook{before: func(cmd redis.Cmder) {
				if cmd.Name() != "evalsha" || looked {
					return
				}
				looked = true
				if test.meanwhile != nil {
					test.meanwhile(t, server)
				}
			}})
			g, err := newBackend(t, rdb).Acquire(expiring(t, late), claim)
			if test.class != "" {
				checkClass(t, "Acquire", err, test.class)
			} else if err != nil {
				t.Errorf("Acquire: %v", err)
			}
			if g.Acquired || !looked {
				t.Errorf("granted: %v, looked at the key: %v, want false, true", g.Acquired, looked)
			}
		})
	}
}

func TestAServerThatForgotTheScriptsIsTaughtAgain(t *testing.T) {
	server := redistest.Start(t)
	b := newBackend(t, server.Client())
	warm(t, b)
	run(t, server.Client(), "SCRIPT", "FLUSH")
	warm(t, b)
	server.Restart()
	poll(t, "the client finds the server again", func() bool {
		_, err := b.Acquire(t.Context(), claim)
		return err == nil
	})
	warm(t, b)
}

func TestAClientWithOptionsNeverAsksForAScriptThatTheServerDoesNotKnow(t *testing.T) {
	server := redistest.Start(t)
	rdb := client(t, server.Addr)
	h := &hook{}
	rdb.AddHook(h)
	b := newBackend(t, rdb)
	warm(t, b)
	server.Restart()
	poll(t, "the client finds the server again", func() bool { return rdb.Ping(t.Context()).Err() == nil })
	warm(t, b)
	if got, want := strings.Join(h.names, " "), strings.Repeat("set evalsha evalsha evalsha ", 2); got+" " != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	if len(h.errs) > 0 {
		t.Errorf("commands failed: %v", h.errs)
	}
}

func TestAUserWhoMayNotLoadScriptsCanLock(t *testing.T) {
	server := redistest.Start(t)
	run(t, server.Client(), "ACL", "SETUSER", "locker", "on", ">pw", "~*", "+@all", "-script")
	o := redisbackend.Options(server.Addr)
	o.Username, o.Password = "locker", "pw"
	rdb := redis.NewClient(o)
	defer rdb.Close()
	warm(t, newBackend(t, rdb))
}

// hung returns the address of a server that accepts connections and says nothing.
func hung(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// keepsDeadline checks that every call fails, as a timeout, and by its deadline.
func keepsDeadline(t *testing.T, b otellock.Backend) {
	t.Helper()
	start := time.Now()
	for operation, err := range operations(b) {
		checkClass(t, operation, err, "timeout")
	}
	if took, bound := time.Since(start), 4*attempt+late; took > bound {
		t.Errorf("four calls took %v, want at most %v", took, bound)
	}
}

func TestDeadlinesHoldWhereTheClientHasToAskFirst(t *testing.T) {
	t.Parallel()
	t.Run("a cluster client that does not know the slots", func(t *testing.T) {
		rdb := redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: []string{hung(t), hung(t)}, ContextTimeoutEnabled: true, MaintNotificationsConfig: noMaintenance,
		})
		defer rdb.Close()
		keepsDeadline(t, newBackend(t, rdb))
	})
	t.Run("a cluster client that does not know the commands", func(t *testing.T) {
		c := redistest.StartCluster(t)
		rdb := c.Client()
		err := rdb.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error { return node.Ping(ctx).Err() })
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Servers {
			run(t, s.Client(), "CLIENT", "PAUSE", 30000, "ALL")
		}
		keepsDeadline(t, newBackend(t, rdb))
	})
	t.Run("a failover client that does not know the master", func(t *testing.T) {
		rdb := redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: "m", SentinelAddrs: []string{hung(t), hung(t)}, ContextTimeoutEnabled: true,
			ReadTimeout: time.Second, // Close waits for it
		})
		defer rdb.Close()
		keepsDeadline(t, newBackend(t, rdb))
	})
	t.Run("a client with the default five dial attempts", func(t *testing.T) {
		rdb := redis.NewClient(&redis.Options{Addr: nobody, ContextTimeoutEnabled: true, MaintNotificationsConfig: noMaintenance})
		defer rdb.Close()
		start := time.Now()
		for operation, err := range operations(newBackend(t, rdb)) {
			if err == nil {
				t.Errorf("%s: no error", operation)
			}
		}
		if took, bound := time.Since(start), 4*attempt+late; took > bound {
			t.Errorf("four calls took %v, want at most %v", took, bound)
		}
	})
}

func TestHooksOfTheClientSeeTheCommands(t *testing.T) {
	rdb := redistest.Start(t).Client()
	h := &hook{}
	rdb.AddHook(h)
	warm(t, newBackend(t, rdb))
	if got := strings.Join(h.names, " "); got != "set evalsha eval evalsha eval evalsha eval" {
		t.Errorf("the hook saw %q, want SET, and each script by its digest, then in full", got)
	}
}

type hook struct {
	names  []string
	errs   []error           // of these commands
	before func(redis.Cmder) // unless nil
}

func (*hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ours := slices.Contains([]string{"set", "eval", "evalsha", "wait"}, cmd.Name()) // not those that set up a connection
		if ours {
			h.names = append(h.names, cmd.Name())
			if h.before != nil {
				h.before(cmd)
			}
		}
		err := next(ctx, cmd)
		if ours && err != nil {
			h.errs = append(h.errs, err)
		}
		_ = cmd.String() // what tracing hooks do with it
		return err
	}
}

func (*hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestATimeToLiveIsRoundedUpToMilliseconds(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	b := newBackend(t, client(t, server.Addr))
	for _, test := range []struct{ ttl, least time.Duration }{
		{time.Millisecond, time.Millisecond},
		{time.Millisecond + 1, 2 * time.Millisecond},
		{90*time.Second + time.Microsecond, 90*time.Second + time.Millisecond},
	} {
		c := otellock.Claim{Key: "k" + test.ttl.String(), Token: "t", TTL: test.ttl}
		monitor := sent(t, admin, server, func() {
			if _, err := b.Acquire(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Acquire(t.Context(), again(c)); err != nil {
				t.Fatal(err)
			}
			_ = b.Extend(t.Context(), c)
		})
		want := ` "` + strconv.FormatInt(test.least.Milliseconds(), 10) + `"`
		if strings.Count(monitor, `"nx" "px"`+want) < 1 || strings.Count(monitor, `"`+c.Token+`"`+want) < 2 {
			t.Errorf("a time to live of %v was not sent as %s ms by Acquire and Extend:\n%s", test.ttl, want, monitor)
		}
	}
}

// sent returns what MONITOR shows of the commands that f causes.
func sent(t *testing.T, admin *redis.Client, server *redistest.Server, f func()) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var seen strings.Builder
	read := func(until string) {
		buffer := make([]byte, 4096)
		for !strings.Contains(seen.String(), until) {
			n, err := conn.Read(buffer)
			if err != nil {
				t.Fatalf("MONITOR: %v after %q", err, seen.String())
			}
			seen.Write(buffer[:n])
		}
	}
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	read("+OK")
	f()
	run(t, admin, "ECHO", "end of the monitored commands")
	read("end of the monitored commands")
	return seen.String()
}
