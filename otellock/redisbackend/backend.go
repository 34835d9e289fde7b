// Package redisbackend keeps leases in Redis, or in a server that speaks its
// protocol and runs Lua (Valkey, Dragonfly), through go-redis: a single server,
// a master found through Sentinel, or a Cluster.
//
// A lease is a string key that holds its owner's token and expires by itself.
// Every operation is one script on one key, so that it is atomic and works in a
// Cluster. A command is sent once: the client's own retries are switched off for
// it, also when the client is shared and retries everything else.
//
// Deadlines hold at every moment. A cancellation is seen before a command is
// sent and while the client waits for a connection, not while it waits for the
// reply: go-redis goes by deadlines there.
//
// In a replicated set-up a failover can lose the last writes, and so a lease:
// its holder learns of it by [otellock.ErrLost] or [otellock.ErrStolen].
package redisbackend

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/redis/go-redis/v9"
)

// A Backend implements [otellock.Backend]. It never closes its client.
//
// The text of every error other than [otellock.ErrLost] and [otellock.ErrStolen]
// is made of constants; the error wraps what go-redis returned. A code of the
// server, pool_exhausted (nothing was sent) and closed are values of error.type
// that a method ErrorType() string returns; the Locker classes the rest.
type Backend struct {
	rdb  redis.UniversalClient
	host string
	port int
}

var _ otellock.Backend = (*Backend)(nil)

// New returns a Backend on a *[redis.Client], from [redis.NewFailoverClient]
// too, or a *[redis.ClusterClient]. The client may be shared with other uses.
//
// It is an error to pass anything that cannot keep the promises of
// [otellock.Backend]: a nil client, a [redis.Ring], which moves keys when it
// loses a shard and so grants a lock twice, an [redis.AutoPipeliner], a wrapper,
// or a client whose options let a command outlive its context. [Options] has
// settings that fit. Nothing is sent.
func New(rdb redis.UniversalClient) (*Backend, error) {
	if err := admit(rdb); err != nil {
		return nil, err
	}
	b := &Backend{rdb: rdb}
	if c, ok := rdb.(*redis.Client); ok {
		b.host, b.port = endpoint(c.Options())
	}
	return b, nil
}

// Name returns "redis", the default of the attribute lock.backend.name.
func (*Backend) Name() string { return "redis" }

// ServerAddress returns the one endpoint that the client is set to, the path
// and port 0 for a Unix socket. It returns "" and 0 for a Cluster and for a
// master behind Sentinel, where the endpoint changes from call to call.
func (b *Backend) ServerAddress() (host string, port int) { return b.host, b.port }

// failoverAddr is what go-redis keeps as the address of a client that asks
// Sentinel for it.
const failoverAddr = "FailoverClient"

func endpoint(opts *redis.Options) (string, int) {
	switch {
	case opts.Addr == failoverAddr:
		return "", 0
	case opts.Network == "unix":
		return opts.Addr, 0
	}
	host, digits, err := net.SplitHostPort(opts.Addr)
	if err != nil {
		return "", 0
	}
	port, err := strconv.Atoi(digits)
	if err != nil {
		return "", 0
	}
	return host, port
}

// Acquire implements [otellock.Backend].
func (b *Backend) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	reply, err := b.run(ctx, acquire, c.Key, c.Token, milliseconds(c.TTL))
	return otellock.Grant{Acquired: reply == held}, err
}

// Extend implements [otellock.Backend].
func (b *Backend) Extend(ctx context.Context, c otellock.Claim) error {
	return owned(b.run(ctx, extend, c.Key, c.Token, milliseconds(c.TTL)))
}

// Release implements [otellock.Backend].
func (b *Backend) Release(ctx context.Context, c otellock.Claim) error {
	return owned(b.run(ctx, release, c.Key, c.Token))
}

// owned turns the reply of a script that acts for the owner only into an error.
func owned(reply int64, err error) error {
	switch {
	case err != nil:
		return err
	case reply == absent:
		return otellock.ErrLost
	case reply == foreign:
		return otellock.ErrStolen
	}
	return nil
}

// milliseconds rounds up: the key must not expire before the holder thinks so.
func milliseconds(ttl time.Duration) int64 {
	return int64((ttl + time.Millisecond - 1) / time.Millisecond)
}

// run executes a script by its digest, and by its source where the server does
// not know it. NOSCRIPT says that nothing was executed, so the second command
// is no repetition.
func (b *Backend) run(ctx context.Context, s script, key string, args ...any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, &failure{err}
	}
	reply, err := b.send(ctx, "evalsha", s.sha1, key, args)
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, err = b.send(ctx, "eval", s.source, key, args)
	}
	if err != nil {
		return 0, b.failed(ctx, key, err)
	}
	return reply, nil
}

func (b *Backend) send(ctx context.Context, verb, what, key string, args []any) (int64, error) {
	cmd := redis.NewCmd(ctx, append([]any{verb, what, 1, key}, args...)...)
	// Set so that a cluster client need not ask the server for it: it would do
	// so with 5 seconds of its own, whatever the deadline of ctx.
	cmd.SetStepCount(1)
	if err := b.rdb.Process(ctx, once{cmd}); err != nil {
		return 0, err
	}
	return cmd.Int64()
}

// once is a command that the client must not repeat. A client that repeats an
// acquire or a release whose reply was lost reads its own success as failure.
// Redirections of a Cluster (MOVED, ASK) are followed all the same: the node
// that sent one has executed nothing.
type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }
