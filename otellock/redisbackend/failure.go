package redisbackend

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/otellock/otellock-go/semconv"
	"github.com/redis/go-redis/v9"
)

// A failure is an error of the client or the server. Its text is a constant:
// the raw text can contain keys and tokens. The Locker finds its class in what
// it wraps.
type failure struct{ cause error }

func (*failure) Error() string   { return "redisbackend: the command failed" }
func (f *failure) Unwrap() error { return f.cause }

// A classed failure is one whose class only this package knows: a code of the
// server, or a state of go-redis's client.
type classed struct {
	failure
	class string // a value of the attribute error.type
}

func (c *classed) Error() string     { return "redisbackend: " + c.class }
func (c *classed) ErrorType() string { return c.class }

var (
	poolExhausted = semconv.ErrorTypePoolExhausted.Value.AsString()
	noReplicas    = semconv.ErrorTypeNoReplicas.Value.AsString()
	clientClosed  = semconv.ErrorTypeClosed.Value.AsString()
	other         = semconv.ErrorTypeOther.Value.AsString()
)

// failed hides the raw error of a command on the key, and classes it where the
// Locker could not.
func (b *Backend) failed(ctx context.Context, key string, err error) error {
	var answer redis.Error
	switch {
	case errors.As(err, &answer):
		return &classed{failure{err}, code(answer.Error())}
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted), b.waited(ctx, key, err):
		return &classed{failure{err}, poolExhausted}
	case errors.Is(err, redis.ErrClosed):
		return &classed{failure{err}, clientClosed}
	}
	return &failure{err}
}

// waited reports whether the context ended while the command waited for a
// connection of a full pool, so that nothing was sent. ErrPoolTimeout says so
// where the client's PoolTimeout is the shorter one.
//
// go-redis returns the error of the context itself only before it has a
// connection: while it waits for its turn in the pool, or for a dial. What
// fails later is an error of the connection, a *net.OpError. A pool that has
// all its connections does not dial, so that the command waited for its turn.
// In one that has not, a dial hangs, this command's or one ahead of it: then it
// is the server that does not answer.
func (b *Backend) waited(ctx context.Context, key string, err error) bool {
	var network *net.OpError
	if ended := ctx.Err(); ended == nil || !errors.Is(err, ended) || errors.As(err, &network) {
		return false
	}
	node, single := b.rdb.(*redis.Client)
	if !single {
		cluster, ok := b.rdb.(*redis.ClusterClient)
		if !ok {
			return false
		}
		var err error
		if node, err = cluster.MasterForKey(ctx, key); err != nil {
			return false // it does not know the slots yet
		}
	}
	return int(node.PoolStats().TotalConns) >= node.Options().PoolSize
}

// code returns the first word of a server's answer where the attribute has it
// as a value. Such words are upper case, which tells them from our own classes.
// Redis before 7 leaves a second '-' in an error that a script passes on.
func code(answer string) string {
	word, _, _ := strings.Cut(strings.TrimPrefix(answer, "-"), " ")
	if word == strings.ToUpper(word) && semconv.IsErrorType(word) {
		return word
	}
	return other
}
