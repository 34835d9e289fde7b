package otellock

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A Lease is a lock that is held. One that failed open or is disabled holds nothing:
// see [Lease.Protected]. It is safe for concurrent use, and a nil Lease allows every method.
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
	outer  *Lease // of the caller's context; nil if there is none

	observed  *observe.Lease // its telemetry; nil if it is not protected
	start     time.Time      // of the request that was granted: the lease counts from here
	granted   time.Time      // when its answer came: the shortest hold counts from here
	fence     uint64         // with WithFencing
	met       string         // the latest value of another that was found in the key
	holder    *Holder        // who that was; nil if unknown
	length    atomic.Int64   // of the lease, from start, in nanoseconds
	gone      atomic.Bool    // ended, or known to be lost
	disabled  bool           // when it was acquired: nothing is held
	try       bool           // by TryDo or TryLock
	given     bool           // to a caller of Lock or TryLock: Close may have to release it
	protected bool           // the backend granted it
	pending   bool           // an attempt to acquire the token may still land

	mu        sync.Mutex     // never held over a call of the backend
	releasing bool           // the release has begun: no extend begins any more
	overtaken bool           // the release did not wait for the extend
	longest   time.Duration  // time to live that an extend has asked for
	ending    bool           // its end has begun
	finished  bool           // its end is over, and result is set
	waiters   chan struct{}  // made by the first who waits for the end, and closed then
	extending chan struct{}  // closed when the extend that is under way has ended
	shortest  time.Duration  // time to live of any attempt that may still land
	lost      *Error         // what Extend, a renewal or the watch found
	outlived  bool           // lost by the local clock: the key may still be there
	reports   sync.WaitGroup // of a loss, while they are being made
	watch     *watch         // nil where nothing is renewed and a loss does not end the work

	result error // of the end
}

// holds reports whether the lease is there, as far as this process knows.
func (l *lease) holds() bool { return l.protected && !l.gone.Load() }

func (l *lease) deadline() time.Time { return l.start.Add(time.Duration(l.length.Load())) }
