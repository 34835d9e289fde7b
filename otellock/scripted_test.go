package otellock_test

import (
	"context"
	"sync"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// A scriptedBackend is a memory backend whose next calls go wrong as told.
type scriptedBackend struct {
	*memorybackend.Backend
	mu                       sync.Mutex
	acquire, release, extend []fault
	calls                    []string
	watch                    func(otellock.Claim) // of every acquire and release
}

// A fault stands in the place of a call; call is what the backend would do.
type fault func(ctx context.Context, call func() error) error

func newScripted() *scriptedBackend { return &scriptedBackend{Backend: memorybackend.New()} }

func (b *scriptedBackend) Acquire(ctx context.Context, c otellock.Claim) (grant otellock.Grant, err error) {
	b.see(c)
	err = b.next("acquire", &b.acquire)(ctx, func() (err error) {
		grant, err = b.Backend.Acquire(context.WithoutCancel(ctx), c)
		return err
	})
	if err != nil {
		grant = otellock.Grant{}
	}
	return grant, err
}

func (b *scriptedBackend) Extend(ctx context.Context, c otellock.Claim) error {
	return b.next("extend", &b.extend)(ctx, func() error { return b.Backend.Extend(context.WithoutCancel(ctx), c) })
}

func (b *scriptedBackend) Release(ctx context.Context, c otellock.Claim) error {
	b.see(c)
	return b.next("release", &b.release)(ctx, func() error { return b.Backend.Release(context.WithoutCancel(ctx), c) })
}

func (b *scriptedBackend) see(c otellock.Claim) {
	if b.watch != nil {
		b.watch(c)
	}
}

func (b *scriptedBackend) next(name string, queue *[]fault) fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, name)
	if len(*queue) == 0 {
		return works
	}
	f := (*queue)[0]
	*queue = (*queue)[1:]
	return f
}

func works(_ context.Context, call func() error) error { return call() }

// answers is the backend's refusal, without doing anything.
func answers(err error) fault {
	return func(context.Context, func() error) error { return err }
}

// hangs until the attempt's deadline, without doing anything.
func hangs(ctx context.Context, _ func() error) error {
	<-ctx.Done()
	return ctx.Err()
}

// losesReply does what it was asked, and says nothing until the deadline.
func losesReply(ctx context.Context, call func() error) error {
	_ = call()
	<-ctx.Done()
	return ctx.Err()
}

// after takes its time, of the virtual clock, whatever the deadline is.
func after(d time.Duration, then fault) fault {
	return func(ctx context.Context, call func() error) error {
		time.Sleep(d)
		return then(ctx, call)
	}
}

// classed is an error of a backend that names its class.
type classed string

func (c classed) Error() string     { return "a server's own text" }
func (c classed) ErrorType() string { return string(c) }

const errRefused = classed("connection_refused") // needs no cleanup: nothing was sent
