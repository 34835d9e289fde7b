package otellock

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otellock/otellock-go/internal/inflight"
	"github.com/otellock/otellock-go/otellock/observe"
)

// A Locker makes the locks of one backend. It is safe for concurrent use; a
// process needs one for each backend.
type Locker struct {
	backend  Backend
	observer *observe.Observer
	config   lockConfig
	notifier Notifier // the backend, if it wakes waiters

	mu    sync.Mutex
	given map[*lease]struct{} // leases of Lock and TryLock, for Close

	renewing chan struct{} // has one element for each renewal under way

	closed  atomic.Bool
	calls   inflight.Counter
	cleanup cleanup

	queues   queues
	breakers breakers

	made     time.Time
	answered atomic.Int64 // when the backend last answered, in nanoseconds since made
}

// New returns a [Locker] that stores its leases in b. It returns [ErrInvalid] for
// a nil backend and for options that make no sense. It starts nothing before the
// first lock.
func New(b Backend, opts ...Option) (*Locker, error) {
	if isNil(b) {
		return nil, badInput("the backend is nil; make one with redisbackend.New or memorybackend.New")
	}
	c := newLockerConfig(b, opts)
	if err := c.lock.resolve(); err != nil {
		return nil, badInput("New: %w", err)
	}
	observer, err := observe.New(c.observe...)
	if err != nil {
		return nil, &inputError{err}
	}
	l := &Locker{
		backend:  b,
		observer: observer,
		config:   c.lock,
		given:    map[*lease]struct{}{},
		renewing: make(chan struct{}, maxRenewals),
		calls:    inflight.New(),
		queues:   queues{byKey: map[string]*queue{}},
		made:     time.Now(),
	}
	l.answered.Store(-1)
	l.cleanup.init(l)
	l.breakers.init(l, c.noBreaker)
	if notifier, ok := b.(Notifier); ok && !c.noWakeUp {
		l.notifier = notifier
	}
	return l, nil
}

// isNil also finds a nil pointer in the interface.
func isNil(b Backend) bool {
	if b == nil {
		return true
	}
	v := reflect.ValueOf(b)
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Interface, reflect.Chan, reflect.Slice:
		return v.IsNil()
	}
	return false
}

// Target declares a family of locks: name is the collection that they guard
// (lock.target), pattern is their key with '*' in the place of each id
// (lock.key_pattern), for example Target("projects", "lock:projects:*"). Both go
// into the telemetry as they are, so neither may hold an id.
//
// The same name may be declared again with the same pattern, and other options;
// with another pattern it is [ErrInvalid], as are an empty name, "**", unbalanced
// braces, and options that make no sense. Declare targets once, at start: at
// most 200 of a Locker have telemetry of their own, the rest share the target
// "_OTHER".
func (l *Locker) Target(name, pattern string, opts ...LockOption) (*Target, error) {
	parsed, err := parsePattern(pattern)
	if err != nil {
		return nil, &inputError{err}
	}
	c, err := l.config.with(opts)
	if err != nil {
		return nil, badInput("Target %.64q: %w", name, err)
	}
	observed, err := l.observer.Target(name, pattern, c.observed()...)
	if err != nil {
		return nil, &inputError{err}
	}
	return &Target{pattern: parsed, config: &mutexConfig{c, l, observed}}, nil
}

// UndeclaredMutex returns the lock of a key that belongs to no [Target], the last
// resort for keys that are made elsewhere. Its telemetry is derived from the key:
// every segment between colons that is not a plain lower-case word becomes '*',
// and so does the last; the last word is the target. A word is a word even where
// it is an id (lock:user:alice:settings names alice), so declare a Target wherever
// that is possible. At most 200 patterns are kept apart, the rest are "_OTHER".
func (l *Locker) UndeclaredMutex(key string) Mutex {
	if key == "" {
		return Mutex{err: invalid("acquire", "", "the key is empty")}
	}
	return Mutex{config: &mutexConfig{l.config, l, l.observer.KeyTarget(key, l.config.observed()...)}, key: key}
}

// Close refuses newcomers with [ErrClosed], waits for the calls and reports that
// are under way until the context ends, and then releases the leases that Lock
// and TryLock gave out and nobody released. A lease of Do or TryDo is never
// released under the function that runs in it. It returns the context's error if
// something was still under way, and what failed at releasing. Called by a
// function that runs in Do it waits for itself. The backend is the caller's, and
// stays open.
func (l *Locker) Close(ctx context.Context) error {
	l.closed.Store(true)
	drained := l.calls.Wait(ctx)

	l.mu.Lock()
	left := slices.Collect(maps.Keys(l.given))
	l.mu.Unlock()
	var group sync.WaitGroup
	for _, lease := range left {
		group.Go(func() { lease.releaseByClose(ctx) })
	}
	group.Wait()
	l.breakers.stop()
	failed, err := l.cleanup.close(ctx)
	for _, err := range []error{err, l.observer.Close(ctx)} {
		if drained == nil {
			drained = err
		}
	}
	if drained != nil {
		failed = append(failed, &Error{Op: "close", Type: "canceled", kind: drained, cause: causeOf(ctx),
			detail: "the context ended while calls, cleanups or reports were under way"})
	}
	return errors.Join(failed...)
}

// give makes the Lease of a lock that was taken, and counts it as abandoned if it
// becomes garbage before it is released. The backend is not touched then: the
// collector may run while the critical section still does.
func (l *Locker) give(ctx context.Context, s *lease) *Lease {
	given := &s.begin(ctx).lease
	if !s.protected {
		return given
	}
	s.given = true
	l.mu.Lock()
	l.given[s] = struct{}{}
	l.mu.Unlock()
	given.cleanup = runtime.AddCleanup(given, (*lease).abandon, s)
	return given
}

// enter begins a call, or refuses it because the Locker is closed.
func (l *Locker) enter() bool {
	l.calls.Begin()
	if l.closed.Load() {
		l.calls.End()
		return false
	}
	return true
}

// String returns the name of the backend: what waits inside of a Locker may hold keys.
func (l *Locker) String() string { return "locker on " + l.observer.BackendName() }

// GoString returns String.
func (l *Locker) GoString() string { return l.String() }
