// Package memorybackend keeps leases in the memory of one process: for tests,
// command line tools, and to measure the lock itself. It excludes nobody outside
// the process.
package memorybackend

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A Backend implements [otellock.Backend]. It is safe for concurrent use and
// starts no goroutine; time is [time.Now], so that in a testing/synctest bubble
// leases expire by the bubble's clock.
type Backend struct {
	mu      sync.Mutex
	leases  map[string]lease
	sweepAt int // number of leases at which the expired ones are looked for
	fault   error
	fence   uint64 // the last one
	waiters map[string][]otellock.Waiter
}

type lease struct {
	token   string
	expires time.Time
}

var _ otellock.Notifier = (*Backend)(nil)

// minSweep keeps a small Backend from looking for expired leases all the time.
const minSweep = 1024

// New returns an empty Backend.
func New() *Backend {
	return &Backend{leases: make(map[string]lease), waiters: make(map[string][]otellock.Waiter), sweepAt: minSweep}
}

// Name returns "memory", the default of the attribute lock.backend.name.
func (*Backend) Name() string { return "memory" }

// Fail makes every call return err until Fail(nil), as an outage does: leases
// stay as they are and expire meanwhile. An error of package context, net, io or
// syscall is classed as the same error of a real server is.
func (b *Backend) Fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = err
}

// Clear forgets every lease, as a restarted server does. Holders lose theirs:
// see [otellock.ErrLost].
func (b *Backend) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.leases)
	b.sweepAt = minSweep
}

// Capabilities implements the optional method of [otellock.Backend]: fences, and
// keys that are kept. A fence is the time in microseconds, or one more than the
// last one of this Backend.
func (*Backend) Capabilities() otellock.Capabilities {
	return otellock.Capabilities{Fence: true, Keep: true}
}

// Acquire implements [otellock.Backend].
func (b *Backend) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	if err := ctx.Err(); err != nil {
		return otellock.Grant{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault != nil {
		return otellock.Grant{}, b.fault
	}
	now := time.Now()
	l, found := b.leases[c.Key]
	if found && l.token != c.Token && now.Before(l.expires) {
		return otellock.Grant{Held: l.held(now), Queued: b.enlist(c)}, nil
	}
	if !found && len(b.leases) >= b.sweepAt {
		b.sweep(now)
	}
	b.leases[c.Key] = lease{token: c.Token, expires: now.Add(c.TTL)}
	b.delist(c.Key, c.Waiter)
	grant := otellock.Grant{Acquired: true}
	if c.Fence {
		b.fence = max(b.fence+1, uint64(now.UnixMicro()))
		grant.Fence = b.fence
	}
	return grant, nil
}

// Extend implements [otellock.Backend].
func (b *Backend) Extend(ctx context.Context, c otellock.Claim) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if err := b.owned(c, now); err != nil {
		return err
	}
	b.leases[c.Key] = lease{token: c.Token, expires: now.Add(c.TTL)}
	return nil
}

// Release implements [otellock.Backend], and wakes who waits longest.
func (b *Backend) Release(ctx context.Context, c otellock.Claim) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	next, err := b.release(c)
	if next != nil {
		next.Wake(next != c.Waiter)
	}
	return err
}

// release returns who is to be woken.
func (b *Backend) release(c otellock.Claim) (next otellock.Waiter, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if c.Keep > 0 {
		return nil, b.keep(c, now)
	}
	if err := b.owned(c, now); err != nil {
		return nil, err
	}
	delete(b.leases, c.Key)
	b.enlist(c)
	return b.next(c.Key), nil
}

// keep is a release that leaves the key under a value that is no token. b.mu is held.
func (b *Backend) keep(c otellock.Claim, now time.Time) error {
	kept := "kept " + c.Token
	err := b.owned(c, now)
	if stolen, ok := err.(*otellock.StolenError); ok && stolen.Held.Token == kept {
		return nil // this very release has done it before
	}
	if err == nil {
		b.leases[c.Key] = lease{token: kept, expires: now.Add(c.Keep)}
	}
	return err
}

// owned says why the claim's token does not hold the key. b.mu is held.
func (b *Backend) owned(c otellock.Claim, now time.Time) error {
	if b.fault != nil {
		return b.fault
	}
	l, found := b.leases[c.Key]
	switch {
	case !found || !now.Before(l.expires):
		return otellock.ErrLost
	case l.token != c.Token:
		return &otellock.StolenError{Held: l.held(now)}
	}
	return nil
}

func (l lease) held(now time.Time) otellock.Held {
	return otellock.Held{Token: l.token, Left: l.expires.Sub(now)}
}

// enlist gives the claim's waiter the last place among those who wait for the key,
// unless it has one. b.mu is held.
func (b *Backend) enlist(c otellock.Claim) bool {
	if c.Waiter == nil {
		return false
	}
	if !slices.Contains(b.waiters[c.Key], c.Waiter) {
		b.waiters[c.Key] = append(b.waiters[c.Key], c.Waiter)
	}
	return true
}

// next takes who waits longest out of its place. b.mu is held.
func (b *Backend) next(key string) otellock.Waiter {
	if len(b.waiters[key]) == 0 {
		return nil
	}
	next := b.waiters[key][0]
	b.delist(key, next)
	return next
}

// delist takes a waiter out of its place, and reports whether it had one. b.mu is held.
func (b *Backend) delist(key string, w otellock.Waiter) bool {
	all := b.waiters[key]
	i := slices.Index(all, w)
	if i < 0 {
		return false
	}
	if all = slices.Delete(all, i, i+1); len(all) == 0 {
		delete(b.waiters, key)
	} else {
		b.waiters[key] = all
	}
	return true
}

// Forget implements [otellock.Notifier].
func (b *Backend) Forget(key string, w otellock.Waiter) {
	b.mu.Lock()
	var next otellock.Waiter
	if !b.delist(key, w) { // it may have been woken
		if l, found := b.leases[key]; !found || !time.Now().Before(l.expires) {
			next = b.next(key)
		}
	}
	b.mu.Unlock()
	if next != nil {
		next.Wake(true)
	}
}

// sweep drops what nobody released in time. It runs when the number of leases
// has doubled since the last time, so that its cost per acquire is constant and
// at most half of the leases, or minSweep, are expired ones. b.mu is held.
func (b *Backend) sweep(now time.Time) {
	for key, l := range b.leases {
		if !now.Before(l.expires) {
			delete(b.leases, key)
		}
	}
	b.sweepAt = max(minSweep, 2*len(b.leases))
}
