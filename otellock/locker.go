package otellock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/log"
)

const maxTargets = 200

// A Locker makes the locks of one backend. It is safe for concurrent use; a
// process needs one for each backend.
type Locker struct {
	backend     Backend
	backendName string
	host        string // server.address and server.port, where the backend has one server
	port        int

	instruments
	spanEvents bool
	logs       log.LoggerProvider // nil: the global one, at the time of a report
	throttle   Throttle

	config lockConfig

	mu       sync.Mutex
	declared map[string]*family
	derived  map[string]*settings // by pattern
	overflow *family              // of all above the caps
	manual   map[*hold]struct{}   // leases of Lock and TryLock, for Close

	closed   atomic.Bool
	calls    activity
	reporter *reporter
	cleanup  cleanup

	made     time.Time
	answered atomic.Int64 // when the backend last answered, in nanoseconds since made
}

// New makes a [Locker] on the backend. It returns an error for a nil backend and
// for options that make no sense; nothing is started before the first lock.
func New(b Backend, opts ...Option) (*Locker, error) {
	if isNil(b) {
		return nil, errNilBackend
	}
	c := newLockerConfig(opts)
	if err := c.lock.resolve(); err != nil {
		return nil, fmt.Errorf("otellock: New: %w", err)
	}
	if c.backendName == "" {
		c.backendName = other
		if named, ok := b.(interface{ Name() string }); ok {
			c.backendName = named.Name()
		}
	}
	if err := validateBackendName(c.backendName); err != nil {
		return nil, err
	}
	l := &Locker{
		backend:     b,
		backendName: c.backendName,
		instruments: newInstruments(c.tracerProvider, c.meterProvider),
		spanEvents:  c.spanEvents,
		logs:        c.loggerProvider,
		throttle:    c.throttle,
		config:      c.lock,
		declared:    map[string]*family{},
		derived:     map[string]*settings{},
		manual:      map[*hold]struct{}{},
		calls:       newActivity(),
		made:        time.Now(),
	}
	l.answered.Store(-1)
	var err error
	if l.reporter, err = newReporter(l); err != nil {
		return nil, err
	}
	l.cleanup.init(l)
	if single, ok := b.(interface{ ServerAddress() (string, int) }); ok {
		l.host, l.port = single.ServerAddress()
	}
	return l, nil
}

// Target declares a family of locks: name is the collection that they guard
// (lock.target), pattern is their key with '*' in the place of each id
// (lock.key_pattern), for example Target("projects", "lock:projects:*"). Both go
// into the telemetry as they are, so neither may hold an id.
//
// The same name may be declared again with the same pattern, and other options;
// with another pattern it is an error, as are an empty name, "**", unbalanced
// braces, and options that make no sense. Declare targets once, at start: at
// most 200 of a Locker have telemetry of their own, the rest share the target
// "_OTHER".
func (l *Locker) Target(name, pattern string, opts ...LockOption) (*Target, error) {
	if err := validateName(name); err != nil {
		return nil, err
	}
	parsed, err := parsePattern(pattern)
	if err != nil {
		return nil, err
	}
	c, err := l.config.with(opts)
	if err != nil {
		return nil, fmt.Errorf("otellock: Target %s: %w", name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.declared[name]
	switch {
	case ok && f.pattern.text != pattern:
		return nil, fmt.Errorf("otellock: the target %s has the key pattern %s already; give %s a name of its own", name, f.pattern.text, pattern)
	case !ok && len(l.declared) < maxTargets:
		f = newFamily(l, name, parsed)
		l.declared[name] = f
	case !ok:
		f = l.rest()
	}
	f.preCreate(context.Background(), c.failClosed)
	return &Target{pattern: parsed, settings: newSettings(f, c)}, nil
}

// rest is the family of every target above the cap.
func (l *Locker) rest() *family {
	if l.overflow == nil {
		l.overflow = newFamily(l, other, keyPattern{text: other})
	}
	return l.overflow
}

// KeyMutex is the lock of a key that nobody declared, the last resort for keys
// that are made elsewhere. Its telemetry is derived from the key: every segment
// between colons that is not a plain lower-case word becomes '*', and so does
// the last; the last word is the target. A word is a word even where it is an
// id (lock:user:alice:settings names alice), so declare a [Target] wherever that
// is possible. At most 200 patterns are kept apart, the rest are "_OTHER".
func (l *Locker) KeyMutex(key string) Mutex {
	if key == "" {
		return Mutex{err: invalid(opAcquire.String(), "", "the key is empty")}
	}
	name, pattern := derive(key)
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.derived[pattern]
	switch {
	case !ok && len(l.derived) < maxTargets && len(pattern) <= maxPatternLen:
		known = newSettings(newFamily(l, name, keyPattern{text: pattern}), l.config)
		l.derived[pattern] = known
	case !ok:
		known = newSettings(l.rest(), l.config)
	}
	return Mutex{settings: known, key: key}
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
	drained := l.calls.wait(ctx)

	l.mu.Lock()
	left := make([]*hold, 0, len(l.manual))
	for h := range l.manual {
		left = append(left, h)
	}
	l.mu.Unlock()
	var group sync.WaitGroup
	for _, h := range left {
		group.Go(func() { h.endByClose(ctx) })
	}
	group.Wait()
	failed, err := l.cleanup.close(ctx)
	for _, err := range []error{err, l.reporter.wait(ctx), l.reporter.close(ctx)} {
		if drained == nil {
			drained = err
		}
	}
	if drained != nil {
		failed = append(failed, &Error{Op: "close", Type: "canceled", kind: drained, cause: context.Cause(ctx),
			detail: "the context ended while calls or reports were under way"})
	}
	return errors.Join(failed...)
}

// enter begins a call, or refuses it because the Locker is closed.
func (l *Locker) enter() bool {
	l.calls.begin()
	if l.closed.Load() {
		l.calls.end()
		return false
	}
	return true
}

// String names the backend: what waits inside of a Locker may hold keys.
func (l *Locker) String() string { return "locker on " + l.backendName }

// GoString is String.
func (l *Locker) GoString() string { return l.String() }
