package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

const (
	attemptTimeout = 250 * time.Millisecond // the default
	slack          = time.Second            // for a busy machine, added to every bound on time
	longTTL        = time.Minute            // nothing in a test may wait for it
	poolSize       = 4
	password       = "right"
	anothersToken  = "another holder's token"
)

// timeoutFor returns the attempt timeout of a test that expects this error.type: the
// default where the timeout is what is tested, and elsewhere one that a busy machine
// does not run into.
func timeoutFor(errorType string) time.Duration {
	if errorType == "timeout" || errorType == "expired" {
		return attemptTimeout
	}
	return 12 * attemptTimeout
}

// A wire is a Locker whose Redis client talks to a real server through a proxy
// that can misbehave.
type wire struct {
	t      testing.TB
	server *redistest.Server
	side   *redis.Client // around the proxy, to look at the server and to break it
	proxy  *toxiproxy.Proxy
	rdb    *redis.Client
	locker *otellock.Locker
	target *otellock.Target
	mutex  otellock.Mutex // of a key that no other wire uses
	id     string
	key    string
	seen   *telemetry
	sentry *envelopetest.Server // what it takes is valid by Sentry's schema, or the test fails
	issues *sentrylog.Processor
}

var lastID atomic.Int64

// use makes this id's lock the wire's.
func (w *wire) use(id string) {
	w.mutex, w.id, w.key = w.target.Mutex(id), id, "lock:projects:"+id
}

// startServer runs a server that allows DEBUG and wants a password, which a
// test can change.
func startServer(t testing.TB, args ...string) *redistest.Server {
	t.Helper()
	server := redistest.Start(t, append([]string{"--enable-debug-command", "yes", "--requirepass", password,
		"--masterauth", password, "--repl-diskless-sync-delay", "0"}, args...)...)
	serves(t, server)
	return server
}

// An origin is where a test gets its server from: one that it may break, or one
// that it shares with others and leaves alone.
type origin func(testing.TB) *redistest.Server

func own(t testing.TB) *redistest.Server { t.Helper(); return startServer(t) }

// durable is its own server, which keeps its keys over a restart.
func durable(t testing.TB) *redistest.Server {
	t.Helper()
	return startServer(t, "--appendonly", "yes", "--appendfsync", "always")
}

func sharedServer(t testing.TB) origin {
	t.Helper()
	server := startServer(t)
	return func(testing.TB) *redistest.Server { return server }
}

// serves waits until the server does more than to refuse who has no password.
func serves(t testing.TB, server *redistest.Server) {
	t.Helper()
	client := sideClient(server)
	eventually(t, "the server serves", func() bool { return client.Ping(t.Context()).Err() == nil })
}

// newWire connects a client through a new proxy, so that its pool holds a
// connection that works and the server knows the scripts, as in a process that
// has been running for a while.
func newWire(t testing.TB, server *redistest.Server, opts ...otellock.Option) *wire {
	t.Helper()
	ofLocker, ofTarget := []otellock.Option{otellock.WithTTL(longTTL)}, []otellock.LockOption(nil)
	for _, opt := range opts {
		if o, ok := opt.(otellock.LockOption); ok {
			ofTarget = append(ofTarget, o)
		} else {
			ofLocker = append(ofLocker, opt)
		}
	}
	w := &wire{t: t, server: server, seen: newTelemetry(), side: sideClient(server)}
	w.proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), t.Name(), "127.0.0.1:0", server.Addr)
	if err := w.proxy.Start(); err != nil {
		t.Fatalf("start the proxy: %v", err)
	}
	t.Cleanup(w.proxy.Stop)

	options := redisbackend.Options(w.proxy.Listen)
	options.Password, options.PoolSize = password, poolSize
	w.rdb = redis.NewClient(options)
	t.Cleanup(func() { _ = w.rdb.Close() })
	backend, err := redisbackend.New(w.rdb)
	if err != nil {
		t.Fatal(err)
	}
	warm(t, backend)

	w.sentry = envelopetest.NewServer(t)
	if w.issues, err = sentrylog.New(w.sentry.DSN()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.issues.Shutdown(context.Background()) })
	w.seen.Loggers = sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(w.seen.Logs)), sdklog.WithProcessor(w.issues))
	w.locker, err = otellock.New(backend, w.seen.Options(ofLocker...)...)
	if err != nil {
		t.Fatal(err)
	}
	if w.target, err = w.locker.Target("projects", "lock:projects:*", ofTarget...); err != nil {
		t.Fatal(err)
	}
	w.use(strconv.FormatInt(lastID.Add(1), 10))
	return w
}

func sideClient(server *redistest.Server) *redis.Client {
	return server.Client(func(o *redis.Options) { o.Password, o.MaxRetries = password, -1 })
}

// warm sends every script once, with more patience than a lock has.
func warm(t testing.TB, b otellock.Backend) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := otellock.Claim{Key: "warm:" + t.Name(), Token: "warm", TTL: longTTL}
	grant, err := b.Acquire(ctx, c)
	if err == nil && !grant.Acquired {
		err = errors.New("held by somebody else")
	}
	c.Again = true
	_, again := b.Acquire(ctx, c)
	if err := errors.Join(err, again, b.Extend(ctx, c), b.Release(ctx, c)); err != nil {
		t.Fatalf("the wire does not work before it is broken: %v", err)
	}
}

// drain waits until every warning is handed over and every cleanup is made.
func (w *wire) drain() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.locker.Close(ctx); err != nil {
		w.t.Errorf("Close: %v", err)
	}
}

// drainInFault closes the Locker while the backend is out of order: what is to be
// cleaned up is given up, the reports are waited for.
func (w *wire) drainInFault() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
	_ = w.locker.Close(ctx)
	cancel()
	w.drain()
}

// keyIsGone polls the server itself.
func (w *wire) keyIsGone() {
	w.t.Helper()
	eventually(w.t, "the key is gone from the server", func() bool {
		n, err := w.side.Exists(w.t.Context(), w.key).Result()
		return err == nil && n == 0
	})
}

// do sends a command around the proxy.
func (w *wire) do(args ...any) {
	w.t.Helper()
	if err := w.side.Do(w.t.Context(), args...).Err(); err != nil {
		w.t.Fatalf("%v: %v", args, err)
	}
}

// toxic adds a toxic to the proxy, which acts on open connections too.
func (w *wire) toxic(name, stream string, attributes any) toxics.Toxic {
	w.t.Helper()
	description, err := json.Marshal(map[string]any{"name": name, "type": name, "stream": stream, "attributes": attributes})
	if err != nil {
		w.t.Fatal(err)
	}
	wrapper, err := w.proxy.Toxics.AddToxicJson(bytes.NewReader(description))
	if err != nil {
		w.t.Fatalf("add the toxic %s: %v", name, err)
	}
	return wrapper.Toxic
}

// heal takes every toxic away.
func (w *wire) heal() { w.proxy.Toxics.ResetToxics(context.Background()) }

// noticed waits until the client has given up its open connections, which the
// proxy closes a little later than it was told to, and fails to open a new one.
func (w *wire) noticed(fault func(error) bool) {
	w.t.Helper()
	eventually(w.t, "the client has noticed", func() bool {
		err := w.rdb.Ping(w.t.Context()).Err()
		return err != nil && fault(err)
	})
}

// The faults. Each breaks the wire or the server for good, unless it says
// otherwise, and returns once it is broken.

func blackHole(w *wire) { w.toxic("timeout", "upstream", map[string]int{"timeout": 0}) }

func reset(w *wire) { w.toxic("reset_peer", "upstream", map[string]int{"timeout": 0}) }

func refused(w *wire) {
	w.t.Helper()
	w.proxy.Stop()
	w.noticed(func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) })
}

func latencyAboveBudget(w *wire) {
	w.toxic("latency", "downstream", map[string]int{"latency": int((4 * attemptTimeout).Milliseconds())})
}

// everyReplyLost lets commands through, and no reply.
func everyReplyLost(w *wire) { w.toxic("timeout", "downstream", map[string]int{"timeout": 0}) }

// oneReplyLost swallows the next reply that says yes.
func oneReplyLost(w *wire) { w.lose(yes, false) }

// oneReplyCutOff closes the connection in the place of the next reply that says yes.
func oneReplyCutOff(w *wire) { w.lose(yes, true) }

// lose makes the proxy lose the next reply of this text; it is lost when the
// returned counter is 1.
func (w *wire) lose(reply string, cut bool) (lost *atomic.Int32) {
	w.t.Helper()
	return &w.toxic("lose_reply", "downstream", map[string]any{"reply": reply, "cut": cut}).(*loseReply).lost
}

// poolExhausted takes every connection of the client's pool.
func poolExhausted(w *wire) {
	w.t.Helper()
	for range poolSize {
		conn := w.rdb.Conn()
		if err := conn.Ping(w.t.Context()).Err(); err != nil {
			w.t.Fatalf("take a connection: %v", err)
		}
		w.t.Cleanup(func() { _ = conn.Close() })
	}
}

// loading makes the server read its data again, which takes it some seconds.
func loading(w *wire) {
	w.t.Helper()
	w.do("CONFIG", "SET", "rdbcompression", "no", "key-load-delay", 1000, "loading-process-events-interval-bytes", 1024)
	w.do("DEBUG", "POPULATE", 4000, "filler", 1024)
	loader, done := sideClient(w.server), make(chan struct{})
	go func() {
		defer close(done)
		loader.Do(context.Background(), "DEBUG", "RELOAD") // fails: the server is killed in the middle of it
	}()
	w.t.Cleanup(func() {
		w.server.Kill()
		<-done
	})
	eventually(w.t, "the server is loading", func() bool {
		err := w.side.Ping(w.t.Context()).Err()
		return err != nil && strings.HasPrefix(err.Error(), "LOADING")
	})
}

// demoted makes the server a replica of its own replica, as a failover does.
func demoted(w *wire) {
	w.t.Helper()
	successor := startServer(w.t)
	promoted := sideClient(successor)
	replicate := func(of *redis.Client, master *redistest.Server) {
		if err := of.Do(w.t.Context(), "REPLICAOF", master.Host(), master.Port()).Err(); err != nil {
			w.t.Fatalf("REPLICAOF: %v", err)
		}
		eventually(w.t, "the replica follows", func() bool {
			info, err := of.Info(w.t.Context(), "replication").Result()
			return err == nil && strings.Contains(info, "master_link_status:up")
		})
	}
	replicate(promoted, w.server)
	if err := promoted.Do(w.t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		w.t.Fatalf("REPLICAOF NO ONE: %v", err)
	}
	replicate(w.side, successor)
}

func wrongPassword(w *wire) {
	w.t.Helper()
	w.do("CONFIG", "SET", "requirepass", "changed")
	w.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	w.noticed(func(err error) bool { return strings.HasPrefix(err.Error(), "WRONGPASS") })
}

func outOfMemory(w *wire) { w.do("CONFIG", "SET", "maxmemory", 1) }

func killed(w *wire) { w.server.Kill() }

func killedAndRestarted(w *wire) {
	w.t.Helper()
	w.server.Restart()
	serves(w.t, w.server)
}

func flushed(w *wire) { w.do("FLUSHALL") }

// stolen puts another holder's token in the key, whoever held it before.
func stolen(w *wire) { w.do("SET", w.key, anothersToken, "PX", longTTL.Milliseconds()) }

// expired waits until the server has forgotten the key by itself. The holder's
// clock, which counts from the start of its request, is never later than that.
func expired(w *wire) { w.keyIsGone() }

// Replies of the scripts: yes to what was granted, extended or removed, and
// the beginning of the list that says whose token holds the key. A first attempt to acquire, which
// is a plain SET, has a yes of its own.
const (
	yes     = ":1\r\n"
	yesSet  = "+OK\r\n"
	foreign = "*2\r\n"
)

// loseReply is a toxic that loses one reply of the server, the first one of this
// text on any connection, and lets everything else through.
type loseReply struct {
	Reply string `json:"reply"`
	Cut   bool   `json:"cut"` // close the connection in the reply's place

	lost atomic.Int32
}

func init() { toxics.Register("lose_reply", new(loseReply)) }

func (l *loseReply) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			switch {
			case chunk == nil:
				stub.Close()
				return
			case !l.is(string(chunk.Data)) || !l.lost.CompareAndSwap(0, 1):
				stub.Output <- chunk
			case l.Cut:
				stub.Close()
				return
			}
		}
	}
}

func (l *loseReply) is(reply string) bool {
	return reply == l.Reply || l.Reply == yes && reply == yesSet || l.Reply == foreign && strings.HasPrefix(reply, foreign)
}

// address is the proxy's, as server.address and server.port tell it.
func (w *wire) address() (string, int64) {
	host, digits, _ := net.SplitHostPort(w.proxy.Listen)
	port, _ := strconv.ParseInt(digits, 10, 64)
	return host, port
}
