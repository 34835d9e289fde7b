package otellock

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A Lease is a lock that is held, or was meant to be: see [Lease.Protected]. It
// is safe for concurrent use, and a nil Lease allows every method.
//
// A lease is not a fence. Its time to live may run out, or the backend may
// forget it, while the holder works on; the holder learns it at the end, by
// [Lease.Extend], by looking at [Lease.Deadline], or by [Lease.Context]. What is
// written at the wrong time is refused by a store that compares [Lease.Fence].
type Lease struct {
	state   *lease
	work    *leaseContext
	cleanup runtime.Cleanup // counts a Lease of Lock that became garbage
}

// Protected reports whether the lease is held, as far as this process knows. It
// is false where the lock failed open or is disabled, where the lease was found
// lost, and after the release. A deadline that has passed makes it false only with
// [WithAutoExtend] or [WithCancelOnLoss]: otherwise the server decides.
func (l *Lease) Protected() bool { return l != nil && l.state != nil && l.state.holds() }

// Deadline returns when the lease runs out unless it is extended: the start of the
// request that was granted, plus the time to live, on the local clock. It is
// advisory; the server decides. It is zero for a lease that never was protected.
func (l *Lease) Deadline() time.Time {
	if l == nil || l.state == nil || !l.state.protected {
		return time.Time{}
	}
	return l.state.deadline()
}

// Remaining returns how long the lease lasts unless it is extended: the time until
// [Lease.Deadline]. It is zero for a lease that is not [Lease.Protected], and never
// negative.
func (l *Lease) Remaining() time.Duration {
	if !l.Protected() {
		return 0
	}
	return max(0, time.Until(l.state.deadline()))
}

// Context returns the context that the lock was called with, for work under the
// lease: fn's context in Do and TryDo. It carries the lease, see [LeaseFromContext],
// and keeps it from becoming garbage.
//
// With [WithCancelOnLoss] it ends when the lease is lost or released, or its Locker
// closed. [context.Cause] is then the loss ([ErrExpired], [ErrLost], [ErrStolen]),
// [context.Canceled] or [ErrClosed].
func (l *Lease) Context() context.Context {
	if l == nil || l.work == nil {
		return context.Background()
	}
	return l.work
}

// Fence returns the fencing token of a lease that was acquired with [WithFencing],
// and false for every other and for one that is unprotected. It stays the same
// when the lease is extended or lost. See WithFencing for what to do with it.
func (l *Lease) Fence() (token uint64, ok bool) {
	if l == nil || l.state == nil || !l.state.protected || !l.state.config.fencing {
		return 0, false
	}
	return l.state.fence, true
}

// Release ends the lease. ctx carries the trace only: its cancellation and its
// deadline do not cut the release, which takes at most one attempt timeout. The
// error says that the lease was lost ([ErrExpired], [ErrLost], [ErrStolen]) or
// that the backend failed ([ErrBackend]: the key is removed as soon as the backend
// answers, or when its time to live has passed). Every call returns the result of
// the first; [ErrClosed] if [Locker.Close] released the lease before. An
// unprotected lease has nothing to release.
func (l *Lease) Release(ctx context.Context) error {
	if l == nil || l.state == nil {
		return nil
	}
	calls := &l.state.config.locker.calls
	calls.Begin() // so that Close waits for its report
	defer calls.End()
	err := l.state.release(ctx)
	l.cleanup.Stop()
	runtime.KeepAlive(l)
	return err
}

// String returns the bounded name of the lease's target, without key and token.
func (l *Lease) String() string {
	if l == nil || l.state == nil {
		return "<nil>"
	}
	return fmt.Sprintf("lease of %s, protected: %t", l.state.config.observed.Name(), l.Protected())
}

// GoString returns String.
func (l *Lease) GoString() string { return l.String() }

// lease is the state of one lease, from the first attempt at its key to its end.
// It never refers to the Lease that is given out, so that a forgotten one is
// garbage.
type lease struct {
	config *mutexConfig
	key    string
	token  string
	outer  *Lease // that the caller's context runs under

	observed  *observe.Lease // of a protected lease
	start     time.Time      // of the request that was granted: the lease counts from here
	granted   time.Time      // when its answer came: the shortest hold counts from here
	fence     uint64         // with WithFencing
	met       string         // the latest value that kept this one waiting
	holder    *Holder        // who that was; nil if unknown
	length    atomic.Int64   // of the lease, from start, in nanoseconds
	gone      atomic.Bool    // ended, or known to be lost
	disabled  bool           // when it was acquired: nothing is held
	try       bool           // by TryDo or TryLock
	given     bool           // out by Lock or TryLock
	protected bool           // the backend granted it
	pending   bool           // an attempt to acquire the token may still land

	mu        sync.Mutex     // never held over a call of the backend
	releasing bool           // or released: no extend begins any more
	overtaken bool           // the release did not wait for the extend
	longest   time.Duration  // time to live that an extend has asked for
	ending    bool           // somebody ends the lease, or has
	ended     bool           // and its result is set
	waiters   chan struct{}  // made by the first who waits for the end, and closed then
	extending chan struct{}  // closed when the extend that is under way has ended
	shortest  time.Duration  // time to live of any attempt that may still land
	lost      *Error         // what Extend, a renewal or the watch found
	outlived  bool           // lost by the local clock: the key may still be there
	reports   sync.WaitGroup // of a loss: under way
	watch     *watch         // nil where nothing is renewed and a loss does not end the work

	result error // of the end
}

// holds reports whether the lease is there, as far as this process knows.
func (l *lease) holds() bool { return l.protected && !l.gone.Load() }

func (l *lease) deadline() time.Time { return l.start.Add(time.Duration(l.length.Load())) }

// release ends the lease as its holder does. Later calls return the result of
// the first.
func (l *lease) release(ctx context.Context) error {
	if !l.protected {
		return nil
	}
	var op observe.Operation
	first := l.end(func() {
		l.stopWork(nil)
		ctx, op = l.observed.Release(ctx)
		err, left := l.giveBack(ctx, &op)
		if err != nil {
			l.result = err
		}
		if left {
			l.config.locker.cleanup.add(ctx, l, false)
		}
	})
	if first {
		l.reports.Wait() // the loss has ended the work, and must be said once
		op.End(l.result)
	}
	return l.result
}

// releaseByClose ends the lease as Close does.
func (l *lease) releaseByClose(ctx context.Context) {
	l.end(func() {
		closed := l.newError("release", "closed", ErrClosed, nil)
		l.result = closed
		l.stopWork(closed)
		var uncounted observe.Operation
		err, left := l.giveBack(ctx, &uncounted)
		l.observed.Drop(ctx)
		switch {
		case left:
			l.config.locker.cleanup.add(ctx, l, true)
		case err == nil:
			l.config.observed.Cleanup(ctx, nil)
		default:
			l.config.observed.Cleanup(ctx, err)
		}
	})
}

// abandon ends a lease that nobody can release any more. The backend is not
// touched, nor by a cleanup: the collector may run while the critical section still
// does.
func (l *lease) abandon() {
	if l.beginEnd() {
		defer l.finishEnd()
		l.pending = false
		l.observed.Abandon(context.Background())
	}
}

// end calls f if it is the first to end the lease, and returns when the lease has
// ended. It waits on a channel and not in a sync.Once, because f calls the backend.
func (l *lease) end(f func()) (first bool) {
	if !l.beginEnd() {
		l.awaitEnd()
		return false
	}
	defer l.finishEnd()
	f()
	return true
}

// beginEnd reports whether the caller is the first to end the lease. It has to call
// finishEnd then.
func (l *lease) beginEnd() (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = !l.ending
	l.ending = true
	return first
}

// finishEnd lets go of those who wait for the end.
func (l *lease) finishEnd() {
	l.forget()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.waiters != nil {
		close(l.waiters)
	}
}

// awaitEnd returns when the lease has ended, and its result is set.
func (l *lease) awaitEnd() {
	l.mu.Lock()
	if l.waiters == nil && !l.ended {
		l.waiters = make(chan struct{})
	}
	waiters := l.waiters
	l.mu.Unlock()
	if waiters != nil {
		<-waiters
	}
}

// forget drops what the process keeps of a lease that has ended.
func (l *lease) forget() {
	l.gone.Store(true)
	locker := l.config.locker
	if l.pending { // an attempt to acquire may still land
		locker.cleanup.add(context.Background(), l, false)
	}
	if l.given {
		locker.mu.Lock()
		delete(locker.given, l)
		locker.mu.Unlock()
	}
}

// giveBack removes the key, or keeps it busy for its shortest hold, unless the
// backend has said that the lease is lost. It takes one attempt timeout at most, of
// which half may be spent on waiting for an Extend. One that is not answered by then
// is overtaken, and finds the key gone. left says that the key may still be there.
func (l *lease) giveBack(ctx context.Context, op *observe.Operation) (failed *Error, left bool) {
	start, timeout := time.Now(), l.config.attemptTimeout
	l.mu.Lock()
	l.releasing = true
	extending := l.extending
	l.mu.Unlock()
	if extending != nil {
		half := time.NewTimer(timeout / 2)
		select {
		case <-extending:
		case <-half.C:
			l.mu.Lock()
			l.overtaken = l.extending != nil
			l.mu.Unlock()
		}
		half.Stop()
		timeout -= time.Since(start)
	}
	l.mu.Lock()
	lost, outlived := l.lost, l.outlived
	l.mu.Unlock()
	if lost == nil || outlived {
		failed, _ = l.request(ctx, "release", 0, timeout, op)
		left = failed != nil && failed.kind == ErrBackend
	}
	if lost != nil {
		failed = l.newError("release", lost.Type, lost.kind, lost.cause)
		failed.holder = lost.holder
	}
	return failed, left
}

// keep returns for how long a release has to keep the key busy.
func (l *lease) keep(now time.Time) time.Duration {
	if l.config.minHold == 0 || l.granted.IsZero() {
		return 0
	}
	return max(0, l.granted.Add(l.config.minHold).Sub(now))
}

// request makes attempts to release or to extend within the timeout, whatever becomes
// of the caller: one more if the first was never answered, and others while there
// is no free connection. pending says that an attempt was never answered.
//
// A repeated release may find what the first one did. If that was sent before the
// lease's deadline, a key that is absent or another's means success, unless the
// other's lease is older than that; if it was sent later, the lease had expired.
func (l *lease) request(ctx context.Context, op string, ttl, timeout time.Duration, observed *observe.Operation) (failed *Error, pending bool) {
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	end, limit := now.Add(timeout), timeout/2
	var first time.Time // when the first attempt was sent that was not answered
	for {
		sent, c := now, Claim{Key: l.key, Token: l.token, TTL: ttl}
		if op == "release" {
			c.Keep = l.keep(now)
		}
		if c.Keep > 0 {
			observed.Keep()
		}
		_, err := l.config.locker.call(ctx, op, c, limit)
		now = time.Now()
		if err == nil {
			return nil, pending
		}
		class := observe.ErrorType(err)
		if kind := losses[class]; kind != nil {
			repeated := pending && op == "release"
			switch {
			case repeated && first.Before(l.deadline()):
				if !isTheft(err, first, now) {
					return nil, pending
				}
			case repeated, class == typeLost && !now.Before(l.deadline()):
				class, kind = typeExpired, ErrExpired
			}
			failed = l.newError(op, class, kind, nil)
			var stolen *StolenError
			if errors.As(err, &stolen) {
				failed.holder, _ = holderOf(stolen.Held, now)
			}
			return failed, pending
		}
		again := class == typePool
		if unanswered(class) {
			if again = !pending; again {
				first = sent
			}
			pending = true
		}
		limit = end.Sub(now)
		if !again || limit <= 0 || class == typePool && limit < timeout/4 {
			return l.newError(op, class, ErrBackend, err), pending
		}
		if class == typePool {
			_ = sleep(ctx, l.config.backoff(0))
			now = time.Now()
			limit = end.Sub(now)
		}
		observed.Retry()
	}
}
