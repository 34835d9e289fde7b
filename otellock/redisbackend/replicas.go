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

// WithMinReplicas makes a grant count only after n replicas have acknowledged it, for
// which Redis has WAIT. Without it a lease can be granted twice around a failover: by
// the master, which fails before it has replicated the grant, and by the replica that
// takes over. It costs a command and a round trip to the replicas for each grant.
// Where fewer acknowledge in half of the attempt timeout, the attempt fails with
// error.type NOREPLICAS, and the Locker removes the key. The default, 0, waits for
// none.
//
// Extending and releasing wait for no replica. Redis gives no guarantee that the
// replica which takes over is one that has acknowledged.
func WithMinReplicas(n int) Option {
	return func(b *Backend) { b.replicas = n }
}

var errFewReplicas = errors.New("too few replicas have acknowledged the grant")

// replicated acquires and waits for the replicas on one connection, because WAIT
// tells of the writes of its own connection only. A redirection of a Cluster is
// followed once: the server that sent it has executed nothing.
func (b *Backend) replicated(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	cluster, ok := b.rdb.(*redis.ClusterClient)
	if !ok {
		return b.acknowledged(ctx, b.rdb.(*redis.Client).Conn(), false, c) // New takes nothing else
	}
	node, err := cluster.MasterForKey(ctx, c.Key)
	if err != nil {
		return otellock.Grant{}, b.failed(ctx, c.Key, err)
	}
	grant, err := b.acknowledged(ctx, node.Conn(), false, c)
	if node, ask := redirected(ctx, cluster, err); node != nil {
		return b.acknowledged(ctx, node.Conn(), ask, c)
	}
	return grant, err
}

// acknowledged acquires on a connection, waits for the replicas, and closes it.
func (b *Backend) acknowledged(ctx context.Context, conn *redis.Conn, ask bool, c otellock.Claim) (otellock.Grant, error) {
	defer func() { _ = conn.Close() }()
	var to processor = conn
	if ask {
		to = asking{conn}
	}
	grant, err := b.acquire(ctx, to, c)
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

// redirected returns the master that a server of a Cluster names instead of itself,
// and whether the slot is still moving there. It returns nil for every other error, and
// if the client does not know that master, which has no slot yet.
func redirected(ctx context.Context, cluster *redis.ClusterClient, err error) (named *redis.Client, ask bool) {
	addr, moved := redis.IsMovedError(err)
	if !moved {
		if addr, ask = redis.IsAskError(err); !ask {
			return nil, false
		}
	}
	// ForEachMaster loads the slots anew. One call at most finds the address.
	_ = cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		if node.Options().Addr == addr {
			named = node
		}
		return nil
	})
	return named, ask
}

// asking is a connection to a server that a slot is moving to.
type asking struct{ *redis.Conn }

// Process tells the server that the command on such a slot is meant for it.
func (a asking) Process(ctx context.Context, cmd redis.Cmder) error {
	if err := a.Conn.Process(ctx, onceAny{redis.NewCmd(ctx, "asking")}); err != nil {
		return err
	}
	return a.Conn.Process(ctx, cmd)
}
