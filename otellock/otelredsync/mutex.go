package otelredsync

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4"

	"github.com/otellock/otellock-go/otellock/observe"
)

// Mutex is a distributed mutual exclusion lock.
type Mutex struct {
	peer   *redsync.Mutex
	target *observe.Target
	quorum int

	mu     sync.Mutex
	lease  *observe.Lease // nil unless it is locked, as far as telemetry knows
	expiry time.Duration
	first  watch // of the first Lock: most mutexes are locked once
	used   bool
}

// Unwrap returns redsync's own Mutex. What it does is not observed.
func (m *Mutex) Unwrap() *redsync.Mutex { return m.peer }

// Name returns the name of the mutex, which is the Redis key.
func (m *Mutex) Name() string { return m.peer.Name() }

// Value returns the random value of the mutex, empty until it is locked, unless
// [WithValue] gave one.
func (m *Mutex) Value() string { return m.peer.Value() }

// Until returns the time of validity of the lock, zero until it is locked.
func (m *Mutex) Until() time.Time { return m.peer.Until() }

// TryLock attempts to lock m once.
func (m *Mutex) TryLock() error { return m.TryLockContext(context.Background()) }

// TryLockContext attempts to lock m once.
func (m *Mutex) TryLockContext(ctx context.Context) error {
	return m.lock(ctx, true, m.peer.TryLockContext)
}

// Lock locks m. It may be called again where it returns an error.
func (m *Mutex) Lock() error { return m.LockContext(context.Background()) }

// LockContext locks m. It may be called again where it returns an error.
func (m *Mutex) LockContext(ctx context.Context) error {
	return m.lock(ctx, false, m.peer.LockContext)
}

func (m *Mutex) lock(ctx context.Context, try bool, lock func(context.Context) error) error {
	if ctx == nil {
		ctx = context.Background()
	}
	begin := m.target.Acquire
	if try {
		begin = m.target.TryAcquire
	}
	observed, acquire := begin(ctx)
	acquire.Key(m.peer.Name())
	w := m.watch()
	w.Context, w.acquire, w.try = observed, acquire, try
	returned := false
	defer func() {
		if !returned {
			w.panicked()
		}
	}()
	err := lock(w)
	returned = true
	if lease := w.end(reason(ctx, err)); lease != nil {
		m.locked(lease, w.expiry)
	}
	return err
}

// watch returns a watch that has not been used.
func (m *Mutex) watch() *watch {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used {
		return new(watch)
	}
	m.used = true
	return &m.first
}

// locked keeps the lease. One that is there already cannot be unlocked any more.
func (m *Mutex) locked(lease *observe.Lease, expiry time.Duration) {
	m.mu.Lock()
	before := m.lease
	m.lease, m.expiry = lease, expiry
	m.mu.Unlock()
	runtime.SetFinalizer(lease, abandon) // allocates nothing, unlike AddCleanup
	if before != nil {
		runtime.SetFinalizer(before, nil)
		abandon(before)
	}
}

// unlocked returns the lease and forgets it. It returns nil without one.
func (m *Mutex) unlocked() *observe.Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	lease := m.lease
	if lease != nil {
		m.lease = nil
		runtime.SetFinalizer(lease, nil)
	}
	return lease
}

// abandon counts a lease that became garbage with its Mutex, or was replaced.
func abandon(lease *observe.Lease) { lease.Abandon(context.Background()) }

// Unlock unlocks m and returns the status of unlock.
func (m *Mutex) Unlock() (bool, error) { return m.UnlockContext(context.Background()) }

// UnlockContext unlocks m and returns the status of unlock.
func (m *Mutex) UnlockContext(ctx context.Context) (bool, error) {
	lease := m.unlocked()
	if lease == nil {
		return m.peer.UnlockContext(ctx)
	}
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, release := lease.Release(ctx)
	ok, err := m.peer.UnlockContext(ctx)
	release.End(loss(ok, err, m.quorum))
	return ok, err
}

// Extend resets the mutex's expiry and returns the status of expiry extension.
func (m *Mutex) Extend() (bool, error) { return m.ExtendContext(context.Background()) }

// ExtendContext resets the mutex's expiry and returns the status of expiry extension.
func (m *Mutex) ExtendContext(ctx context.Context) (bool, error) {
	m.mu.Lock()
	lease, expiry := m.lease, m.expiry
	m.mu.Unlock()
	if lease == nil {
		return m.peer.ExtendContext(ctx)
	}
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, extend := lease.Extend(ctx, expiry)
	ok, err := m.peer.ExtendContext(ctx)
	extend.End(loss(ok, err, m.quorum))
	return ok, err
}

// Valid returns true if the lock is still valid.
//
// Deprecated: Use Until instead, as redsync says.
func (m *Mutex) Valid() (bool, error) { return m.ValidContext(context.Background()) }

// ValidContext returns true if the lock is still valid.
//
// Deprecated: Use Until instead, as redsync says.
func (m *Mutex) ValidContext(ctx context.Context) (bool, error) {
	return m.peer.ValidContext(ctx)
}
