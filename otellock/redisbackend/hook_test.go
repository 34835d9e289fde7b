package redisbackend_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/redis/go-redis/v9"
)

// A panicsAt is a hook of the application that panics at a command while it is armed.
type panicsAt struct {
	command  string
	armed    atomic.Bool
	panicked atomic.Bool
}

func (*panicsAt) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *panicsAt) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == h.command && h.armed.Load() {
			h.panicked.Store(true)
			panic("a bug of the hook")
		}
		return next(ctx, cmd)
	}
}

func (*panicsAt) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// The Locker recovers what panics in a call of its own. The backend has goroutines, too.
func TestAHookThatPanicsEndsNoGoroutineOfTheBackend(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"while the inbox is opened":      "publish",
		"after the last waiter has left": "evalsha",
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			rdb, w := client(t, server.Addr), &wokenWaiter{}
			h := &panicsAt{command: command}
			rdb.AddHook(h)
			b := newBackend(t, rdb)
			run(t, server.Client(), "SET", claim.Key, "another")
			queued := func() bool {
				c := again(claim)
				c.Waiter = w
				g, err := b.Acquire(patient(t), c)
				return err == nil && g.Queued
			}
			if command == "publish" {
				h.armed.Store(true)
				queued()
			} else {
				poll(t, "it waits", queued)
				h.armed.Store(true)
				b.Forget(claim.Key, w)
			}
			poll(t, "the hook panics", h.panicked.Load)
			h.armed.Store(false)
			poll(t, "it waits, and is woken by messages", queued)
		})
	}
}
