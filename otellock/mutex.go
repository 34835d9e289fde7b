package otellock

import (
	"context"
	"errors"
)

// A Mutex is the lock of one key. It is a small value without state of its own:
// copy it, share it, make it anew for every request. The zero Mutex, and one
// that was made of bad ids, options or keys, gives an error from every method,
// and nothing runs.
type Mutex struct {
	config *mutexConfig
	key    string
	err    *Error
}

// With returns the same lock with other options, the level of one call.
func (m Mutex) With(opts ...LockOption) Mutex {
	if m.config == nil || len(opts) == 0 {
		return m
	}
	c, err := m.config.with(opts)
	if err != nil {
		if m.err == nil {
			m.err = invalid("acquire", m.config.observed.Name(), err.Error())
		}
		return m
	}
	m.config = c
	return m
}

// String returns the bounded name and pattern of the lock's target, without the key.
func (m Mutex) String() string {
	if m.config == nil {
		return "<zero Mutex>"
	}
	return m.config.observed.String()
}

// GoString returns String. fmt calls neither on an unexported field of another struct:
// do not print one that holds a Mutex.
func (m Mutex) GoString() string { return m.String() }

// Do runs fn under the lock, waiting for it if it is busy, and releases it when
// fn has ended, also by a panic or [runtime.Goexit]. fn never runs twice.
//
// It returns fn's error as it is; [ErrContended], without running fn, if the
// lock stayed busy for the whole wait; the context's error, without running fn,
// if the context ended first. If the backend fails, fn runs unprotected and its
// error is returned; with [WithFailClosed] fn does not run and the error is
// [ErrBackend]. With it also, what failed at the release (a lost lease, or
// ErrBackend) is joined to fn's error, and fn did run: the Op of the [Error]
// tells acquire from release.
//
// The context given to fn carries the lease, see [LeaseFromContext], and is
// otherwise the caller's. With [WithCancelOnLoss], the default where the lock fails
// closed, it also ends when the lease is lost: [context.Cause] says why, and if fn
// returns another error the loss is joined to it.
func (m Mutex) Do(ctx context.Context, fn func(context.Context) error) error {
	_, err := m.run(ctx, false, fn)
	return err
}

// TryDo is [Mutex.Do] with one attempt: if the lock is busy, fn does not run,
// ran is false, and that is not an error. Only ran proves whether fn ran: it may
// be true beside an error, which may be fn's.
func (m Mutex) TryDo(ctx context.Context, fn func(context.Context) error) (ran bool, err error) {
	return m.run(ctx, true, fn)
}

// Do is [Mutex.Do] for a function with a result. The result is fn's wherever fn
// ran, and the zero value elsewhere.
func Do[T any](ctx context.Context, m Mutex, fn func(context.Context) (T, error)) (T, error) {
	var result T
	if fn == nil {
		return result, m.Do(ctx, nil)
	}
	err := m.Do(ctx, func(ctx context.Context) (err error) {
		result, err = fn(ctx)
		return err
	})
	return result, err
}

// Lock takes the lock, waiting for it if it is busy; its errors are those of
// [Mutex.Do]. The caller must release the lease. If the backend fails, the lease
// is unprotected and the error nil, except with [WithFailClosed].
//
// Prefer [Mutex.Do]: it cannot forget the release, sees a lock that the same
// context holds already, and is what [Locker.Close] waits for.
func (m Mutex) Lock(ctx context.Context) (*Lease, error) {
	lease, _, err := m.lease(ctx, false)
	return lease, err
}

// TryLock is [Mutex.Lock] with one attempt: if the lock is busy, it returns nil,
// false, nil.
func (m Mutex) TryLock(ctx context.Context) (lease *Lease, ok bool, err error) {
	return m.lease(ctx, true)
}

// enter begins a call, or says why there can be none.
func (m Mutex) enter(ctx context.Context) error {
	if m.err == nil && m.config != nil && m.config.locker.enter() {
		return nil
	}
	var err Error
	switch {
	case m.err != nil:
		err = *m.err
	case m.config == nil:
		err = *invalid("acquire", "", "the Mutex is zero; make one with Target.Mutex")
	default:
		err = Error{Op: "acquire", Target: m.config.observed.Name(), Type: "closed", kind: ErrClosed}
	}
	err.under = LeaseFromContext(ctx)
	return &err
}

func (m Mutex) run(ctx context.Context, try bool, fn func(context.Context) error) (ran bool, err error) {
	if fn == nil && m.config != nil && m.err == nil {
		m.err = invalid("acquire", m.config.observed.Name(), "the function is nil")
	}
	if err := m.enter(ctx); err != nil {
		return false, err
	}
	defer m.config.locker.calls.End()

	l := &lease{config: m.config, key: m.key, try: try}
	if ok, err := l.acquire(ctx); !ok {
		return false, l.refusal(err)
	}
	return true, l.run(ctx, fn)
}

// run runs fn under the lease and releases it, whichever way fn ends.
func (l *lease) run(ctx context.Context, fn func(context.Context) error) (err error) {
	work := l.begin(ctx)
	defer func() {
		if found := l.release(ctx); found != nil && l.returns(found, err, work) {
			err = errors.Join(err, found)
		}
	}()
	return fn(work)
}

// returns reports whether Do returns what the release has found beside fn's error.
// A lock that fails closed does, unless it is the loss that fn returns already; one
// that fails open does if the loss has ended fn's context, and fn failed.
func (l *lease) returns(found, fns error, work context.Context) bool {
	lost := l.loss()
	if lost != nil && errors.Is(fns, lost) {
		return false
	}
	return l.config.failClosed || lost != nil && fns != nil && context.Cause(work) == error(lost)
}

// begin returns the context of the work under the lease, and watches the lease if
// it has to be.
func (l *lease) begin(ctx context.Context) *leaseContext {
	work := &leaseContext{l.startWatch(ctx), Lease{state: l}}
	work.lease.work = work
	return work
}

func (m Mutex) lease(ctx context.Context, try bool) (*Lease, bool, error) {
	if err := m.enter(ctx); err != nil {
		return nil, false, err
	}
	locker := m.config.locker
	defer locker.calls.End()

	l := &lease{config: m.config, key: m.key, try: try}
	if ok, err := l.acquire(ctx); !ok {
		return nil, false, l.refusal(err)
	}
	return locker.give(ctx, l), true, nil
}

// refusal returns what the caller gets where the lock was not taken: a busy lock
// is no error of a try.
func (l *lease) refusal(err error) error {
	if err != ErrContended {
		return err
	}
	if l.try {
		return nil
	}
	contended := l.newError("acquire", "contended", ErrContended, nil)
	contended.holder = l.holder
	return contended
}

// A leaseContext is a context.WithValue of the lease that fn runs under.
type leaseContext struct {
	context.Context
	lease Lease
}

type leaseKey struct{}

func (c *leaseContext) Value(key any) any {
	if key == (leaseKey{}) {
		return &c.lease
	}
	return c.Context.Value(key)
}

// String hides the key and the token from a program that prints the context.
func (c *leaseContext) String() string { return "otellock: context of a lease" }

// GoString returns String.
func (c *leaseContext) GoString() string { return c.String() }

// LeaseFromContext returns the lease that fn runs under: the innermost Do's or
// TryDo's. It is nil outside of them, which all methods of a Lease allow.
func LeaseFromContext(ctx context.Context) *Lease {
	lease, _ := ctx.Value(leaseKey{}).(*Lease)
	return lease
}

// heldBy reports whether the context runs under a lease of this Locker and key
// that has not ended: to wait for it would be to wait for oneself.
func heldBy(outer *Lease, l *Locker, key string) bool {
	for ; outer != nil; outer = outer.state.outer {
		s := outer.state
		if s.key == key && s.config.locker == l && s.holds() {
			return true
		}
	}
	return false
}
