package redisbackend

import (
	"context"
	"slices"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/redis/go-redis/v9"
)

// A reply is what a script says.
type reply struct {
	code    int64
	foreign bool // another token holds the key
	held    otellock.Held
}

func readReply(cmd *redis.Cmd) (r reply) {
	switch v := cmd.Val().(type) {
	case int64:
		r.code = v
	case []any:
		r.foreign = true
		if len(v) == 2 {
			token, _ := v[0].(string)
			left, _ := v[1].(int64) // -1 for a key that does not expire
			r.held = otellock.Held{Token: token, Left: time.Duration(max(left, 0)) * time.Millisecond}
		}
	}
	return r
}

// run executes a script by its digest, and by its source where the server does
// not know it. NOSCRIPT says that nothing was executed, so the second command
// is no repetition.
func (b *Backend) run(ctx context.Context, to processor, s *script, c otellock.Claim, keys []string, more ...any) (reply, error) {
	args := append(make([]any, 0, 8), "evalsha", s.sha1, len(keys))
	for _, key := range keys {
		args = append(args, key)
	}
	args = append(append(args, c.Token), more...)
	cmd := redis.NewCmd(ctx, args...)
	err := b.send(ctx, to, keys[0], onceAny{cmd})
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		args = slices.Clone(args)
		args[0], args[1] = "eval", s.source
		cmd = redis.NewCmd(ctx, args...)
		err = b.send(ctx, to, keys[0], onceAny{cmd})
	}
	if err != nil {
		return reply{}, err
	}
	return readReply(cmd), nil
}

// A processor sends a command: the client, or one connection of it.
type processor interface {
	Process(ctx context.Context, cmd redis.Cmder) error
}

// send processes a command that must be one of the once types.
func (b *Backend) send(ctx context.Context, to processor, key string, cmd redis.Cmder) error {
	if err := ctx.Err(); err != nil {
		return &failure{err}
	}
	// Set so that a cluster client need not ask the server for it: it would do
	// so with 5 seconds of its own, whatever the deadline of ctx.
	cmd.SetStepCount(1)
	if err := to.Process(ctx, cmd); err != nil {
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
	onceBool struct{ *redis.BoolCmd }
	onceInt  struct{ *redis.IntCmd }
	onceAny  struct{ *redis.Cmd }
)

func (onceBool) NoRetry() bool { return true }
func (onceInt) NoRetry() bool  { return true }
func (onceAny) NoRetry() bool  { return true }
