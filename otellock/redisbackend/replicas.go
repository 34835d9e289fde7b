package redisbackend

import (
	"context"
	"errors"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/redis/go-redis/v9"
)

// An Option configures a [Backend].
type Option func(*Backend)

// WithMinReplicas makes a grant count only after n replicas have acknowledged it,
// by WAIT: a lease is not granted twice when the master fails before it has passed
// the first grant on and one of those n takes over. It costs a command and a round
// trip to the replicas for each grant. Where fewer acknowledge in half of
// the attempt timeout, the attempt fails with error.type NOREPLICAS, and the Locker
// removes the key. The default, 0, waits for none.
//
// Extending and releasing wait for no replica. Redis gives no guarantee that the
// replica which takes over is one that has acknowledged.
func WithMinReplicas(n int) Option {
	return func(b *Backend) { b.replicas = n }
}

var errFewReplicas = errors.New("too few replicas have acknowledged the grant")

// replicated acquires and waits for the replicas on one connection, because WAIT
// tells of the writes of its own connection only.
func (b *Backend) replicated(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	conn, err := b.connection(ctx, c.Key)
	if err != nil {
		return otellock.Grant{}, b.failed(ctx, c.Key, err)
	}
	defer func() { _ = conn.Close() }()
	grant, err := b.acquire(ctx, conn, c)
	if cluster, ok := b.rdb.(*redis.ClusterClient); ok && err != nil && redis.HasErrorPrefix(err, "MOVED") {
		cluster.ReloadState(ctx)
	}
	if err != nil || !grant.Acquired {
		return grant, err
	}
	patience := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		patience = time.Until(deadline) / 2 // Redis looks at its timeouts ten times a second
	}
	wait := redis.NewIntCmd(ctx, "wait", b.replicas, max(milliseconds(patience), 1)) // 0 is for ever
	if err := b.send(ctx, conn, c.Key, onceInt{wait}); err != nil {
		return otellock.Grant{}, err
	}
	if wait.Val() < int64(b.replicas) {
		return otellock.Grant{}, &classed{failure{errFewReplicas}, noReplicas}
	}
	return grant, nil
}

// connection returns a connection to the master that has the key.
func (b *Backend) connection(ctx context.Context, key string) (*redis.Conn, error) {
	if cluster, ok := b.rdb.(*redis.ClusterClient); ok {
		node, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			return nil, err
		}
		return node.Conn(), nil
	}
	return b.rdb.(*redis.Client).Conn(), nil // New takes nothing else
}
