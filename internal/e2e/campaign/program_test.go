package campaign

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A worker is one goroutine of a process that uses locks at random.
type worker struct {
	*process
	rand *rand.Rand
	name string
}

var (
	errWork   = errors.New("the work failed")
	panicking = "the work panicked"
)

// work makes calls until it is told to stop.
func (w *worker) work(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		w.step(ids[w.rand.IntN(len(ids))])
		pause(w.between(0, 15*time.Millisecond))
	}
}

func (w *worker) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rand.Int64N(int64(most-least)+1))
}

func (w *worker) chance(percent int) bool { return w.rand.IntN(100) < percent }

func (w *worker) step(id string) {
	ctx, cancel := w.context()
	defer cancel()
	c := &call{worker: w, id: id, failClosed: w.chance(50), asked: time.Now()}
	opts := []otellock.LockOption{otellock.WithFailClosed(c.failClosed)}
	if c.renewed = w.chance(30) && w.r.ttl >= 3*w.attempt; c.renewed {
		opts = append(opts, otellock.WithAutoExtend(w.r.ttl+w.between(time.Millisecond, time.Second)))
	}
	if c.fenced = w.chance(30); c.fenced {
		opts = append(opts, otellock.WithFencing())
	}
	m := w.target.Mutex(id).With(opts...)
	switch n := w.rand.IntN(100); {
	case n < 1 && w.mayClose:
		w.close()
	case n < 3:
		w.keep()
	case n < 40:
		c.name = "Do"
		c.run(func(fn func(context.Context) error) (bool, error) {
			err := m.Do(ctx, fn)
			return c.ran > 0, err
		})
	case n < 70:
		c.name, c.try = "TryDo", true
		c.run(func(fn func(context.Context) error) (bool, error) { return m.TryDo(ctx, fn) })
	case n < 85:
		c.name = "Lock"
		lease, err := m.Lock(ctx)
		c.lease(lease, err)
	default:
		c.name, c.try = "TryLock", true
		lease, ok, err := m.TryLock(ctx)
		if ok != (lease != nil) {
			w.r.violated("%s: TryLock returned a lease %v and ok %v", w.name, lease, ok)
		}
		c.lease(lease, err)
	}
}

// gets tries for a lock that nobody holds.
func (w *worker) gets(id string) bool {
	c := &call{worker: w, id: id, name: "TryDo", try: true, failClosed: true, brief: true, asked: time.Now()}
	m := w.target.Mutex(id).With(otellock.WithFailClosed(true), otellock.WithTTL(longTTL), otellock.WithAttemptTimeout(longTTL/4))
	c.run(func(fn func(context.Context) error) (bool, error) { return m.TryDo(context.Background(), fn) })
	return c.ran > 0
}

// keep takes a lease that nobody releases before Close.
func (w *worker) keep() {
	ctx, cancel := w.context()
	defer cancel()
	c := &call{worker: w, id: w.process.name, name: "keep", try: true, failClosed: true, asked: time.Now()}
	lease, _, err := w.target.Mutex(c.id).With(otellock.WithFailClosed(true)).TryLock(ctx)
	c.r.note("%s %s: %v, %v", w.name, c.name, lease, err)
	if lease == nil {
		c.refused(err)
		return
	}
	c.tally.add("acquire acquired")
	c.tally.add(closed)
	w.kept.Store(lease, nil) // or it is garbage, and abandoned
}

// context is what a caller may come with.
func (w *worker) context() (context.Context, context.CancelFunc) {
	ctx := context.Background()
	switch {
	case w.r.hurried:
		return context.WithTimeout(ctx, w.between(100*time.Microsecond, 6*time.Millisecond))
	case w.chance(15):
		return context.WithTimeout(ctx, w.between(time.Millisecond, time.Second))
	case w.chance(10):
		ctx, cancel := context.WithCancel(ctx)
		timer := time.AfterFunc(w.between(0, 200*time.Millisecond), cancel)
		return ctx, func() { timer.Stop(); cancel() }
	}
	return context.WithCancel(ctx)
}

// A call is one use of a lock.
type call struct {
	*worker
	name       string
	id         string
	try        bool
	failClosed bool
	brief      bool // the work does nothing
	renewed    bool
	fenced     bool
	asked      time.Time

	ran      int
	result   error // what the work returned
	panicked bool
	holder   *holder
	lost     bool // an extend has said so
}

// run checks a Do or a TryDo.
func (c *call) run(do func(func(context.Context) error) (bool, error)) {
	said, err := false, error(nil)
	recovered := func() (p any) {
		defer func() { p = recover() }()
		said, err = do(c.work)
		return nil
	}()
	c.r.note("%s %s %s: ran %d, %v", c.worker.name, c.name, c.id, c.ran, err)
	switch {
	case c.panicked != (recovered == panicking), recovered != nil && !c.panicked:
		c.violated("recovered %v", recovered)
	case c.panicked:
		said = true
	}
	if c.ran > 1 || said != (c.ran == 1) {
		c.violated("fn ran %d times, ran is %v", c.ran, said)
	}
	if c.ran == 0 {
		c.refused(err)
		return
	}
	c.granted()
	if h := c.holder; h.lease.Deadline() != (time.Time{}) {
		c.released(h)
	}
	switch {
	case !c.panicked && !c.failClosed && err != c.result:
		c.violated("returned %v, want fn's own %v", err, c.result)
	case !c.panicked && c.result != nil && !errors.Is(err, c.result):
		c.violated("returned %v without fn's %v", err, c.result)
	}
}

// work is what runs under Do.
func (c *call) work(ctx context.Context) error {
	c.ran++
	lease := otellock.LeaseFromContext(ctx)
	c.hold(lease, false)
	if c.chance(10) {
		c.panicked = true
		panic(panicking)
	}
	if c.chance(30) {
		c.result = errWork
	}
	return c.result
}

// lease checks a Lock or a TryLock, and releases what it gave.
func (c *call) lease(lease *otellock.Lease, err error) {
	c.r.note("%s %s %s: %v, %v", c.worker.name, c.name, c.id, lease, err)
	if lease == nil {
		c.refused(err)
		return
	}
	c.ran = 1
	c.hold(lease, true)
	c.granted()
	if lease.Deadline().IsZero() {
		return
	}
	err = lease.Release(context.Background())
	c.r.note("%s Release %s: %v", c.worker.name, c.id, err)
	if errors.Is(err, otellock.ErrClosed) {
		c.tally.add(closed)
		return
	}
	c.released(c.holder)
}

// hold works under the lease, watched.
func (c *call) hold(lease *otellock.Lease, manual bool) {
	h := &holder{process: c.process, id: c.id, asked: c.asked, lease: lease, manual: manual}
	var ok bool
	if h.fence, ok = lease.Fence(); ok != (c.fenced && !lease.Deadline().IsZero()) {
		c.violated("the fence is %d, %t", h.fence, ok)
	}
	c.holder = h
	c.check(c.r.holders.enter(h))
	if !c.brief {
		c.use(h)
	}
	c.check(c.r.holders.leave(h))
}

// use works under the lease.
func (c *call) use(h *holder) {
	pause(c.between(0, 20*time.Millisecond))
	if c.chance(10) && c.r.ttl < longTTL {
		pause(c.r.ttl + c.between(0, 50*time.Millisecond)) // too long
	}
	for c.chance(25) {
		ttl := c.r.ttl
		if c.chance(50) {
			ttl = c.r.shorter
		}
		c.extend(h, ttl)
		pause(c.between(0, 20*time.Millisecond))
		if ttl == c.r.shorter && c.chance(30) {
			pause(ttl) // too long, whether the extend was answered or not
		}
	}
}

func (c *call) extend(h *holder, ttl time.Duration) {
	ctx, cancel := c.context()
	defer cancel()
	deadline := h.lease.Deadline()
	err := h.lease.Extend(ctx, ttl)
	c.r.note("%s Extend %s by %v: %v", c.worker.name, c.id, ttl, err)
	var failed *otellock.Error
	switch {
	case err == nil:
		c.tally.add("extend extended")
	case !errors.As(err, &failed):
		c.violated("Extend: %v is not an *Error", err)
	case failed.Type == "canceled", failed.Type == "unprotected", failed.Type == "released", c.lost:
	case failed.Op == "lease": // by the clock; counted if the extend was under way then
		c.lost = true
		c.tally.add(overtaken)
		c.tally.add(mayBeLost)
	default:
		c.tally.add("extend extend_error")
		if !errors.Is(err, otellock.ErrBackend) {
			c.lost = true
			if c.r.holders.mayBeLost(h, deadline) {
				c.tally.add(mayBeLost)
			} else {
				c.violated("Extend: %v, %v before the deadline of a lease that the server did not forget", err, time.Until(deadline))
			}
		}
	}
	c.check(c.r.holders.check(h))
}

// granted tallies an acquire after which the work ran.
func (c *call) granted() {
	protected := !c.holder.lease.Deadline().IsZero()
	switch {
	case protected:
		c.tally.add("acquire acquired")
	case c.failClosed:
		c.violated("the work ran unprotected")
	default:
		c.tally.add("acquire backend_error")
	}
}

// refused checks why the work did not run, and tallies it.
func (c *call) refused(err error) {
	var failed *otellock.Error
	switch {
	case err == nil && c.try:
		c.tally.add("acquire skipped")
	case !errors.As(err, &failed):
		c.violated("nothing ran, and the error is %v", err)
	case errors.Is(err, otellock.ErrClosed) && c.isClosed():
	case failed.Op != "acquire":
		c.violated("nothing ran, and the error is of %s: %v", failed.Op, err)
	case errors.Is(err, otellock.ErrContended) && !c.try:
		c.tally.add("acquire contended")
	case errors.Is(err, otellock.ErrBackend) && c.failClosed:
		c.tally.add("acquire backend_error")
	case failed.Type == "canceled" && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		c.tally.add("acquire canceled")
	case errors.Is(err, context.DeadlineExceeded):
		c.tally.add("acquire backend_error")
	default:
		c.violated("nothing ran, and the error is %v", err)
	}
}

// released tallies a release that has been asked for.
func (c *call) released(h *holder) {
	c.tally.add(released)
	found := foundLost(h.lease)
	if c.renewed {
		c.tally.add(renewed)
		c.tally.add(mayBeLost) // a renewal may have found it, beside the release
	}
	switch {
	case found == "extend":
		c.tally.add(knownLoss)
		c.tally.add(mayBeLost)
	case found == "lease":
		c.tally.add(mayBeLost)
		if early := time.Until(h.lease.Deadline()); early > c.attempt {
			c.violated("lost by the clock %v before its deadline", early)
		}
	case c.r.holders.mayBeLost(h, h.lease.Deadline()):
		c.tally.add(mayBeLost)
	}
}

func (c *call) check(err error) {
	if err != nil {
		c.violated("%v", err)
	}
}

func (c *call) violated(format string, args ...any) {
	c.r.violated("%s %s %s: %s", c.worker.name, c.name, c.id, fmt.Sprintf(format, args...))
}
