// Package redisbackend keeps leases in Redis, or in a server that speaks its
// protocol and runs Lua (Valkey, Dragonfly), through go-redis: a single server,
// a master found through Sentinel, or a Cluster.
//
// A lease is a string key that holds its owner's token and expires by itself.
// Every operation is one SET, with a script after it if the key was taken, or one
// script, so that it is atomic. What a script needs beside the key, the last fence and
// the list of who waits, is in the key's slot of a Cluster. No command is
// repeated: the client's own retries are switched off for it, also when the client
// is shared and retries everything else.
//
// Deadlines hold at every moment. A cancellation is seen before a command is
// sent and while the client waits for a connection, not while it waits for the
// reply: go-redis goes by deadlines there.
//
// In a replicated set-up a failover can lose the last writes, and so a lease:
// its holder learns of it by [otellock.ErrLost] or [otellock.ErrStolen].
//
// The README of package otellock lists what a Redis user has to be allowed.
package redisbackend

import (
	"context"
	"errors"
	"fmt"
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

	replicas int // that must acknowledge a grant

	waiters waiters

	// One for each connection, nil for a Cluster: acquires wait here for their
	// turn, and not in the pool, where a release would have to wait behind them.
	turns chan struct{}
}

var _ otellock.Notifier = (*Backend)(nil)

// New returns a Backend on a *[redis.Client], from [redis.NewFailoverClient]
// too, or a *[redis.ClusterClient]. The client may be shared with other uses.
//
// It is an error to pass anything that cannot keep the promises of
// [otellock.Backend]: a nil client, a [redis.Ring], which moves keys when it
// loses a shard and so grants a lock twice, an [redis.AutoPipeliner], a wrapper,
// or a client whose options let a command outlive its context. [Options] has
// settings that fit. Nothing is sent.
func New(rdb redis.UniversalClient, opts ...Option) (*Backend, error) {
	if err := admit(rdb); err != nil {
		return nil, err
	}
	b := &Backend{rdb: rdb}
	b.waiters.init(b)
	for _, opt := range opts {
		if opt != nil {
			opt(b)
		}
	}
	if b.replicas < 0 {
		return nil, fmt.Errorf("redisbackend: WithMinReplicas(%d): the number must not be negative; 0 waits for none", b.replicas)
	}
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

// Capabilities implements the optional method of [otellock.Backend]: fences, and
// keys that are kept.
func (*Backend) Capabilities() otellock.Capabilities {
	return otellock.Capabilities{Fence: true, Keep: true}
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
	if b.replicas > 0 {
		return b.replicated(ctx, c)
	}
	return b.acquire(ctx, b.rdb, c)
}

// acquire asks once, on a connection or on any. Whoever waits gets into the list of
// the key, by the same command if it has asked before.
func (b *Backend) acquire(ctx context.Context, to processor, c otellock.Claim) (otellock.Grant, error) {
	if c.Waiter != nil && c.Again && !c.Fence {
		if name, end := b.waiters.listen(c.Key, c.Waiter); name != "" {
			return b.acquireOrEnlist(ctx, to, c, name, end)
		}
	}
	grant, err := b.take(ctx, to, c)
	switch {
	case err != nil || c.Waiter == nil:
	case grant.Acquired:
		b.waiters.granted(c.Key)
	default:
		return b.enlist(ctx, to, c, grant)
	}
	return grant, err
}

func (b *Backend) take(ctx context.Context, to processor, c otellock.Claim) (otellock.Grant, error) {
	switch {
	case c.Fence:
		r, err := b.run(ctx, to, &fenced, c, []string{c.Key, sibling("fence", c.Key)}, milliseconds(c.TTL))
		return otellock.Grant{Acquired: r.code > 0, Fence: uint64(r.code), Held: r.held}, err
	case c.Again:
		r, err := b.run(ctx, to, &acquire, c, []string{c.Key}, milliseconds(c.TTL))
		return otellock.Grant{Acquired: r.code == held, Held: r.held}, err
	}
	set := redis.NewBoolCmd(ctx, "set", c.Key, c.Token, "nx", "px", milliseconds(c.TTL))
	if err := b.send(ctx, to, c.Key, onceBool{set}); err != nil {
		return otellock.Grant{}, err
	}
	if set.Val() || c.Waiter != nil {
		return otellock.Grant{Acquired: set.Val()}, nil
	}
	return b.refused(ctx, to, c)
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

// refused looks at the key that SET NX did not get: who has it, or that it is of
// another type, which no waiting frees. No answer is no news: SET has said that
// the key is there.
func (b *Backend) refused(ctx context.Context, to processor, c otellock.Claim) (otellock.Grant, error) {
	r, err := b.run(ctx, to, &look, otellock.Claim{}, []string{c.Key})
	var answer redis.Error
	if errors.As(err, &answer) {
		return otellock.Grant{}, err
	}
	return otellock.Grant{Held: r.held}, nil
}

// Extend implements [otellock.Backend].
func (b *Backend) Extend(ctx context.Context, c otellock.Claim) error {
	return owned(b.run(ctx, b.rdb, &extend, c, []string{c.Key}, milliseconds(c.TTL)))
}

// Release implements [otellock.Backend], and wakes whoever waits longest.
func (b *Backend) Release(ctx context.Context, c otellock.Claim) error {
	if c.Keep > 0 {
		return owned(b.run(ctx, b.rdb, &keep, c, []string{c.Key}, "kept "+c.Token, milliseconds(c.Keep)))
	}
	r, err := reply{}, errMute
	if !b.waiters.isMute() {
		name := ""
		if c.Waiter != nil {
			name, _ = b.waiters.listen(c.Key, c.Waiter)
			b.waiters.sent(c.Key, name)
		}
		r, err = b.run(ctx, b.rdb, &releaseAndWake, c, withList(c.Key), name, last)
	}
	if err != nil && noList(err) {
		forbidden := err
		r, err = b.run(ctx, b.rdb, &release, c, []string{c.Key})
		if err == nil && forbids(forbidden) {
			b.waiters.forbidden(forbidden)
		}
	}
	if err == nil {
		switch r.code {
		case wokeSelf:
			b.waiters.call(c.Key, false)
		case wokeNobody:
			if c.Waiter != nil {
				c.Waiter.WakeAlone()
			}
		}
	}
	return owned(r, err)
}

// owned turns the reply of a script that acts for the owner only into an error.
func owned(r reply, err error) error {
	switch {
	case err != nil:
		return err
	case r.foreign:
		return &otellock.StolenError{Held: r.held}
	case r.code == absent:
		return otellock.ErrLost
	}
	return nil
}

// milliseconds rounds up: the key must not expire before the holder thinks so.
func milliseconds(ttl time.Duration) int64 {
	return int64((ttl + time.Millisecond - 1) / time.Millisecond)
}
