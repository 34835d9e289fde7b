package locktest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// A ScriptedBackend is a memory backend whose next calls go wrong as told.
type ScriptedBackend struct {
	*memorybackend.Backend
	Mu                             sync.Mutex
	OnAcquire, OnRelease, OnExtend []Fault
	Calls                          []string
	Watch                          func(otellock.Claim) // of every acquire and release
}

// A Fault stands in the place of a call; call is what the backend would do.
type Fault func(ctx context.Context, call func() error) error

// NewScripted returns a backend that works until it is told otherwise.
func NewScripted() *ScriptedBackend { return &ScriptedBackend{Backend: memorybackend.New()} }

func (b *ScriptedBackend) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	b.see(c)
	var granted atomic.Pointer[otellock.Grant] // a fault may call after it has returned
	err := b.next("acquire", &b.OnAcquire)(ctx, func() error {
		grant, err := b.Backend.Acquire(context.WithoutCancel(ctx), c)
		granted.Store(&grant)
		return err
	})
	if grant := granted.Load(); err == nil && grant != nil {
		return *grant, nil
	}
	return otellock.Grant{}, err
}

func (b *ScriptedBackend) Extend(ctx context.Context, c otellock.Claim) error {
	return b.next("extend", &b.OnExtend)(ctx, func() error { return b.Backend.Extend(context.WithoutCancel(ctx), c) })
}

func (b *ScriptedBackend) Release(ctx context.Context, c otellock.Claim) error {
	b.see(c)
	return b.next("release", &b.OnRelease)(ctx, func() error { return b.Backend.Release(context.WithoutCancel(ctx), c) })
}

// Script changes what goes wrong next. A cleanup may run in the background.
func (b *ScriptedBackend) Script(change func()) {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	change()
}

func (b *ScriptedBackend) see(c otellock.Claim) {
	if b.Watch != nil {
		b.Watch(c)
	}
}

func (b *ScriptedBackend) next(name string, queue *[]Fault) Fault {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	b.Calls = append(b.Calls, name)
	if len(*queue) == 0 {
		return Works
	}
	f := (*queue)[0]
	*queue = (*queue)[1:]
	return f
}

// Works does what it was asked.
func Works(_ context.Context, call func() error) error { return call() }

// Answers refuses with the error, without doing anything.
func Answers(err error) Fault {
	return func(context.Context, func() error) error { return err }
}

// Hangs says nothing until the attempt's deadline, without doing anything.
func Hangs(ctx context.Context, _ func() error) error {
	<-ctx.Done()
	return ctx.Err()
}

// LosesReply does what it was asked, and says nothing until the deadline.
func LosesReply(ctx context.Context, call func() error) error {
	_ = call()
	<-ctx.Done()
	return ctx.Err()
}

// After takes its time, of the virtual clock, whatever the deadline is.
func After(d time.Duration, then Fault) Fault {
	return func(ctx context.Context, call func() error) error {
		time.Sleep(d)
		return then(ctx, call)
	}
}

// A Classed is an error of a backend that names its class.
type Classed string

func (c Classed) Error() string     { return "a server's own text" }
func (c Classed) ErrorType() string { return string(c) }

// ErrRefused needs no cleanup: nothing was sent.
const ErrRefused = Classed("connection_refused")
