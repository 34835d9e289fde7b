package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// An operation is one way to use the lock.
type operation struct {
	name   string
	share  int
	inside bool // only under a lease, which it uses
	try    bool // busy is no error
	run    func(a *actor, ctx context.Context, s step, name string)
}

var operations []operation

// init: an operation may do others inside of it.
func init() {
	operations = []operation{
		{name: "Do", share: 4, run: func(a *actor, ctx context.Context, s step, name string) {
			a.acquires(ctx, s, name, func(ctx context.Context, m otellock.Mutex, u *use) error {
				return m.Do(ctx, func(ctx context.Context) error {
					return a.work(ctx, s, name, u, otellock.LeaseFromContext(ctx))
				})
			})
		}},
		{name: "TryDo", share: 3, try: true, run: func(a *actor, ctx context.Context, s step, name string) {
			a.acquires(ctx, s, name, func(ctx context.Context, m otellock.Mutex, u *use) error {
				ran, err := m.TryDo(ctx, func(ctx context.Context) error {
					return a.work(ctx, s, name, u, otellock.LeaseFromContext(ctx))
				})
				u.saysRan = ran
				return err
			})
		}},
		{name: "Lock", share: 3, run: func(a *actor, ctx context.Context, s step, name string) {
			a.acquires(ctx, s, name, func(ctx context.Context, m otellock.Mutex, u *use) error {
				lease, err := m.Lock(ctx)
				return a.holds(ctx, s, name, u, lease, err)
			})
		}},
		{name: "TryLock", share: 2, try: true, run: func(a *actor, ctx context.Context, s step, name string) {
			a.acquires(ctx, s, name, func(ctx context.Context, m otellock.Mutex, u *use) error {
				lease, ok, err := m.TryLock(ctx)
				u.saysRan = ok
				return a.holds(ctx, s, name, u, lease, err)
			})
		}},
		{name: "Extend", share: 4, inside: true, run: func(a *actor, ctx context.Context, s step, name string) {
			a.extends(ctx, s, name)
		}},
		{name: "Extend beside", share: 1, inside: true, run: func(a *actor, ctx context.Context, s step, name string) {
			beside := &actor{world: a.world, process: a.process, name: name, lease: a.lease, use: a.use}
			a.beside.Go(func() { beside.extends(ctx, s, name) })
		}},
	}
}

// chooseOperation is a random one that is possible at this depth.
func chooseOperation(r *rand.Rand, depth int) int {
	for {
		i := r.IntN(len(operations))
		o := operations[i]
		if r.IntN(4) < o.share && (depth > 0 || !o.inside) {
			return i
		}
	}
}

var errWork = errors.New("the work's own error")

// acquires begins an operation that acquires, and notes how it ended.
func (a *actor) acquires(ctx context.Context, s step, name string, do func(context.Context, otellock.Mutex, *use) error) {
	ctx, stop := a.callers(ctx, s, name)
	defer stop()
	u := &use{step: s, operation: operations[s.Kind], name: name, key: keyName(s.Key), process: a.process, caller: ctx, nested: holdsAlready(ctx, s.Key)}
	deadline, ok := ctx.Deadline()
	if ok {
		u.deadline = deadline.Sub(a.start)
	}
	m := a.process.mutex(s)
	a.note(func() { a.truth.begins(u) })
	var err error
	func() {
		defer func() { u.panicked = recover() }()
		err = do(ctx, m, u)
	}()
	ended := ctx.Err() != nil || ok && !time.Now().Before(deadline) // its timer may be late
	a.note(func() { a.truth.returned(u, err, ended) })
	a.beside.Wait()
}

// work is what runs under the lock, or unprotected.
func (a *actor) work(ctx context.Context, s step, name string, u *use, lease *otellock.Lease) error {
	ctx = under(ctx, s.Key, lease)
	outer, outerUse := a.lease, a.use
	a.lease, a.use = lease, u
	defer func() { a.lease, a.use = outer, outerUse }()
	protected := lease.Protected()
	a.note(func() { a.truth.runs(u, lease, protected) })
	for i, inner := range s.Inside {
		a.step(ctx, inner, name, i)
	}
	a.sleep(s.Hold)
	a.note(func() { a.truth.releasing(u) })
	if s.Panics {
		panic(errWork)
	}
	if s.Fails {
		return errWork
	}
	return nil
}

// holds is the work between Lock and Release.
func (a *actor) holds(ctx context.Context, s step, name string, u *use, lease *otellock.Lease, err error) error {
	if lease == nil {
		return err
	}
	s.Panics = false
	u.manual = true
	_ = a.work(ctx, s, name, u, lease)
	if s.Keep {
		a.note(func() { a.truth.keeps(u) })
		return err
	}
	u.released = lease.Release(ctx)
	return err
}

// extends uses the innermost lease.
func (a *actor) extends(ctx context.Context, s step, name string) {
	lease, u := a.lease, a.use
	ctx, stop := a.callers(ctx, s, name)
	defer stop()
	x := &extension{name: name, ttl: s.TTL}
	a.note(func() { a.truth.extends(u, x) })
	err := lease.Extend(ctx, s.TTL)
	a.note(func() { a.truth.extended(u, x, err) })
}
