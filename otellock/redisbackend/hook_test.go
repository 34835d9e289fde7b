package redisbackend_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock/redisbackend"
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

// A badHandler is a log handler of the application that panics or hangs.
type badHandler struct {
	slog.Handler
	called chan struct{}
	goOn   chan struct{} // nil: it panics
}

func (h badHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h badHandler) Handle(context.Context, slog.Record) error {
	close(h.called)
	if h.goOn == nil {
		panic("a bug of the handler")
	}
	<-h.goOn
	return nil
}

func TestALogHandlerThatPanicsOrHangsHurtsNoWaiter(t *testing.T) {
	for name, hangs := range map[string]bool{"panics": false, "hangs": true} {
		for _, command := range []string{"-subscribe", "-rpush"} { // in a goroutine of the backend, in a call
			t.Run(name+", "+command, func(t *testing.T) {
				server := redistest.Start(t)
				admin := server.Client()
				run(t, admin, "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", command)
				handler := badHandler{called: make(chan struct{})}
				if hangs {
					handler.goOn = make(chan struct{})
					defer close(handler.goOn)
				}
				before := slog.Default()
				slog.SetDefault(slog.New(handler))
				defer slog.SetDefault(before)

				o := redisbackend.Options(server.Addr)
				o.Username, o.Password, o.PoolTimeout, o.DialTimeout = "app", "secret", time.Minute, time.Minute
				rdb := redis.NewClient(o)
				t.Cleanup(func() { _ = rdb.Close() })
				m := newMember(t, rdb)
				release := m.holds(t, "7")
				done := make(chan error, 1)
				go func() {
					done <- m.target.Mutex("7").Do(context.Background(), func(context.Context) error { return nil })
				}()
				<-handler.called
				release()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		}
	}
}
