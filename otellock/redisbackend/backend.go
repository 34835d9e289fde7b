// Package redisbackend keeps leases in Redis, or in a server that speaks its
// protocol and runs Lua (Valkey, Dragonfly), through go-redis: a single server,
// a master found through Sentinel, or a Cluster.
//
// A lease is a string key that holds its owner's token and expires by itself.
// Every operation is one SET, with a GET after it if the key was taken, or one
// script on one key, so that it is atomic and works in a Cluster. No command is
// repeated: the client's own retries are switched off for it, also when the client
// is shared and retries everything else.
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
	"errors"
	"net"
	"slices"
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

	// One for each connection, nil for a Cluster: acquires wait here for their
	// turn, and not in the pool, where a release would have to wait behind them.
	turns chan struct{}
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
		b.turns = make(chan struct{}, c.Options().PoolSize)
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

// Acquire implements [otellock.Backend]. The first attempt is a plain SET, which
// costs the server half of what the script does. A later one has to recognise
// its own token, which takes the script.
func (b *Backend) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	if b.turns != nil {
		if err := b.turn(ctx); err != nil {
			return otellock.Grant{}, err
		}
		defer func() { <-b.turns }()
	}
	if c.Again {
		reply, err := b.run(ctx, &acquire, c, milliseconds(c.TTL))
		return otellock.Grant{Acquired: reply == held}, err
	}
	set := redis.NewBoolCmd(ctx, "set", c.Key, c.Token, "nx", "px", milliseconds(c.TTL))
	if err := b.send(ctx, c.Key, onceBool{set}); err != nil {
		return otellock.Grant{}, err
	}
	if set.Val() {
		return otellock.Grant{Acquired: true}, nil
	}
	return b.refused(ctx, c)
}

// turn waits for a turn, for a quarter of the time that ctx leaves at most: a
// command that is sent needs the rest to be answered. The Locker asks again.
func (b *Backend) turn(ctx context.Context) error {
	select {
	case b.turns <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(time.Second)
	if deadline, ok := ctx.Deadline(); ok {
		patience.Reset(time.Until(deadline) / 4)
	}
	defer patience.Stop()
	select {
	case b.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &classed{failure{ctx.Err()}, poolExhausted}
	case <-patience.C:
		return &classed{failure{redis.ErrPoolTimeout}, poolExhausted}
	}
}

// refused looks at the key that SET NX did not get: it says nothing about a key
// of another type, which no waiting frees. An answer other than an error is no
// news, and neither is none at all: SET has said that the key is there.
//
// This is a GET and not the script, because it may arrive late, after the key
// was freed: the script would take the key for an attempt that is over.
func (b *Backend) refused(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	get := redis.NewStringCmd(ctx, "get", c.Key)
	err := b.send(ctx, c.Key, onceString{get})
	var answer redis.Error
	if errors.As(err, &answer) && !errors.Is(err, redis.Nil) {
		return otellock.Grant{}, err
	}
	return otellock.Grant{}, nil
}

// Extend implements [otellock.Backend].
func (b *Backend) Extend(ctx context.Context, c otellock.Claim) error {
	return owned(b.run(ctx, &extend, c, milliseconds(c.TTL)))
}

// Release implements [otellock.Backend].
func (b *Backend) Release(ctx context.Context, c otellock.Claim) error {
	return owned(b.run(ctx, &release, c))
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
func (b *Backend) run(ctx context.Context, s *script, c otellock.Claim, more ...any) (int64, error) {
	args := append(make([]any, 0, 6), "evalsha", s.sha1, 1, c.Key, c.Token)
	args = append(args, more...)
	cmd := redis.NewIntCmd(ctx, args...)
	err := b.send(ctx, c.Key, onceInt{cmd})
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		args = slices.Clone(args)
		args[0], args[1] = "eval", s.source
		cmd = redis.NewIntCmd(ctx, args...)
		err = b.send(ctx, c.Key, onceInt{cmd})
	}
	return cmd.Val(), err
}

// send processes a command that must be one of the once types.
func (b *Backend) send(ctx context.Context, key string, cmd redis.Cmder) error {
	if err := ctx.Err(); err != nil {
		return &failure{err}
	}
	// Set so that a cluster client need not ask the server for it: it would do
	// so with 5 seconds of its own, whatever the deadline of ctx.
	cmd.SetStepCount(1)
	if err := b.rdb.Process(ctx, cmd); err != nil {
		return b.failed(ctx, key, err)
	}
	return nil
}

// A once command is not repeated by the client. A client that repeats an acquire
// or a release whose reply was lost reads its own success as failure.
// Redirections of a Cluster (MOVED, ASK) are followed all the same: the node
// that sent one has executed nothing. There is a type for each reply because a
// pointer alone needs no memory as a redis.Cmder.
type (
	onceBool   struct{ *redis.BoolCmd }
	onceInt    struct{ *redis.IntCmd }
	onceString struct{ *redis.StringCmd }
)

func (onceBool) NoRetry() bool   { return true }
func (onceInt) NoRetry() bool    { return true }
func (onceString) NoRetry() bool { return true }
