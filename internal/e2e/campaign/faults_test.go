package campaign

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// A fault breaks the wires of some processes, or the server for all.
type fault struct {
	name  string
	begin func(r *run, hit []*process) (end func())
	// server says that the fault is the server's: one at a time.
	server bool
	// forgets says that the server loses leases that it had granted.
	forgets bool
	// hangs makes the fault last longer than a lease.
	hangs bool
	// hurried gives every call a deadline of a few milliseconds, and breaks nothing.
	hurried bool
}

var faults = []fault{
	{name: "black hole", begin: wire(requests, "timeout", nil)},
	{name: "every reply lost", begin: wire(replies, "timeout", nil)},
	{name: "some requests lost", begin: wire(requests, "flaky", map[string]any{"lost": 0.4, "cut": 0.3})},
	{name: "some replies lost", begin: wire(replies, "flaky", map[string]any{"lost": 0.4, "cut": 0.3})},
	{name: "requests late", begin: wire(requests, "flaky", map[string]any{"most": 300})},
	{name: "some requests very late", begin: someOf(requests, "flaky", map[string]any{"least": 200, "most": 800})},
	{name: "replies late", begin: wire(replies, "flaky", map[string]any{"most": 300})},
	{name: "requests cut off", begin: wire(requests, "flaky", map[string]any{"bytes": 700})},
	{name: "replies cut off", begin: wire(replies, "flaky", map[string]any{"bytes": 130})},
	{name: "reset", begin: wire(requests, "reset_peer", map[string]any{"timeout": 20})},
	{name: "refused", begin: refused},
	{name: "connections killed", server: true, begin: repeated(func(r *run) { r.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") })},
	{name: "kill -9, empty restart", server: true, begin: killed, forgets: true},
	{name: "kill -9, restart with data", server: true, begin: killed},
	{name: "hang", server: true, begin: hung},
	{name: "hang beyond the lease", server: true, begin: hung, hangs: true},
	{name: "flush", server: true, begin: repeated(func(r *run) { r.command("FLUSHALL") }), forgets: true},
	{name: "scripts forgotten", server: true, begin: repeated(func(r *run) { r.command("SCRIPT", "FLUSH") })},
	{name: "pause", server: true, begin: paused},
	{name: "writes paused beyond the lease", server: true, begin: switched("CLIENT PAUSE 60000 WRITE", "CLIENT UNPAUSE"), hangs: true},
	{name: "out of memory", server: true, begin: switched("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0")},
	{name: "read-only", server: true, begin: switched("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE")},
	{name: "no password", server: true, begin: passworded},
	{name: "wrong type", server: true, begin: wrongType, forgets: true},
	{name: "pool exhausted", begin: poolExhausted},
	{name: "short deadlines", begin: nothing, hurried: true},
	{name: "no fault", begin: nothing},
}

func nothing(*run, []*process) (end func()) { return func() {} }

// wire poisons one direction of the wires.
func wire(stream, kind string, attributes map[string]any) func(*run, []*process) func() {
	return poisoned(stream, kind, 1, attributes)
}

// someOf poisons one direction of some connections.
func someOf(stream, kind string, attributes map[string]any) func(*run, []*process) func() {
	return poisoned(stream, kind, 0.4, attributes)
}

func poisoned(stream, kind string, share float64, attributes map[string]any) func(*run, []*process) func() {
	return func(r *run, hit []*process) func() {
		names := make([]string, len(hit))
		for i, p := range hit {
			names[i] = poison(r.t, p.proxy, kind, stream, share, attributes)
		}
		return func() {
			for i, p := range hit {
				if err := p.proxy.Toxics.RemoveToxic(context.Background(), names[i]); err != nil {
					r.t.Fatalf("take %s away: %v", kind, err)
				}
			}
		}
	}
}

func refused(r *run, hit []*process) func() {
	for _, p := range hit {
		p.proxy.Stop()
	}
	return func() {
		for _, p := range hit {
			r.eventually("the port of "+p.name+" is free again", func() bool { return p.proxy.Start() == nil })
		}
	}
}

func killed(r *run, _ []*process) func() {
	r.server.Kill()
	return r.server.Restart
}

func hung(r *run, _ []*process) func() {
	r.server.Suspend()
	return r.server.Resume
}

// switched sends a command at the begin and another one at the end.
func switched(on, off string) func(*run, []*process) func() {
	return func(r *run, _ []*process) func() {
		r.command(words(on)...)
		return func() { r.command(words(off)...) }
	}
}

func words(command string) (args []any) {
	for _, word := range strings.Fields(command) {
		args = append(args, word)
	}
	return args
}

// repeated breaks the server three times in the course of the fault.
func repeated(strike func(*run)) func(*run, []*process) func() {
	return func(r *run, _ []*process) func() {
		strike(r)
		pause(r.between(0, 200*time.Millisecond))
		strike(r)
		return func() { strike(r) }
	}
}

// paused makes the server put everything off, the command to end that too.
func paused(r *run, _ []*process) func() {
	r.command("CLIENT", "PAUSE", r.between(200*time.Millisecond, time.Second).Milliseconds(), "ALL")
	return func() {
		r.eventually("the server goes on", func() bool { return r.side.Ping(context.Background()).Err() == nil })
	}
}

func passworded(r *run, _ []*process) func() {
	r.command("CONFIG", "SET", "requirepass", "secret")
	r.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	return func() { r.command("CONFIG", "SET", "requirepass", "") }
}

// wrongType puts a hash in the place of every lock.
func wrongType(r *run, _ []*process) func() {
	for _, id := range ids {
		r.command("EVAL", "redis.call('DEL', KEYS[1]) return redis.call('HSET', KEYS[1], 'field', 'value')", 1, key(id))
	}
	return func() {
		for _, id := range ids {
			r.command("DEL", key(id))
		}
	}
}

// poolExhausted takes every connection that it can get.
func poolExhausted(r *run, hit []*process) func() {
	var taken []*redis.Conn
	for _, p := range hit {
		for range p.rdb.Options().PoolSize {
			conn := p.rdb.Conn()
			taken = append(taken, conn)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = conn.Ping(ctx).Err() // one that a call has is not to be had
			cancel()
		}
	}
	return func() {
		for _, conn := range taken {
			_ = conn.Close()
		}
	}
}
