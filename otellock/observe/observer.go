package observe

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/internal/live"
	"github.com/otellock/otellock-go/semconv"
)

// An Observer emits the telemetry of one kind of lock on one backend. Create it
// with [New], once for a process and backend.
type Observer struct {
	config
	instruments
	reporter *reporter
	made     time.Time

	mu       sync.Mutex
	names    map[string]*series // by name
	derived  map[string]*Target // by pattern
	overflow *series            // of every target above the caps
}

// New returns an Observer. It returns an error for a backend name that is not
// bounded text, and for a target that cannot be declared. It starts nothing.
func New(opts ...Option) (*Observer, error) {
	c := config{spanEvents: true, backendName: other, lock: lockConfig{wait: -1}}
	for _, opt := range opts {
		if opt != nil {
			opt.apply(&c)
		}
	}
	if err := validateBackendName(c.backendName); err != nil {
		return nil, fmt.Errorf("otellock: %w", err)
	}
	o := &Observer{
		config:      c,
		made:        time.Now(),
		instruments: newInstruments(c.tracers, c.meters),
		names:       map[string]*series{},
		derived:     map[string]*Target{},
	}
	if err := o.declare(); err != nil {
		return nil, err
	}
	var err error
	o.reporter, err = newReporter(o)
	return o, err
}

// Target declares a family of locks. name is the collection that they guard
// (lock.target), pattern is their key with '*' in the place of each id
// (lock.key_pattern). Both are emitted as they are, so neither may hold an id.
//
// The same name may be declared again with the same pattern; with another it is
// an error, as are text that is empty, too long or not printable. At most 200
// targets of an Observer have telemetry of their own, the rest share "_OTHER".
func (o *Observer) Target(name, pattern string, opts ...LockOption) (*Target, error) {
	for _, err := range []error{validateName(name), validatePattern(pattern)} {
		if err != nil {
			return nil, fmt.Errorf("otellock: %w", err)
		}
	}
	o.mu.Lock()
	s, ok := o.names[name]
	switch {
	case ok && s.pattern != pattern:
		o.mu.Unlock()
		return nil, fmt.Errorf("otellock: the target %s has the key pattern %s already; give %s a name of its own", name, s.pattern, pattern)
	case !ok && len(o.names) < maxTargets:
		s = newSeries(o, name, pattern)
		o.names[name] = s
	case !ok:
		s = o.rest()
	}
	o.mu.Unlock()
	t := newTarget(s, opts)
	s.createLosses(context.Background(), t.policy())
	return t, nil
}

// rest returns the series of every target above the caps. o.mu is held.
func (o *Observer) rest() *series {
	if o.overflow == nil {
		o.overflow = newSeries(o, other, other)
	}
	return o.overflow
}

// since returns the time since the Observer was made, by the monotonic clock.
func (o *Observer) since(t time.Time) time.Duration { return t.Sub(o.made) }

// BackendName returns lock.backend.name.
func (o *Observer) BackendName() string { return o.backendName }

// Breaker counts breakers that have opened (n is 1) or closed (-1): calls to a server
// that does not answer fail at once meanwhile.
func (o *Observer) Breaker(ctx context.Context, n int64) {
	add(ctx, o.breakers, n, []metric.AddOption{set(semconv.LockBackendName(o.backendName))})
	if o.lockz {
		live.Breakers(o.backendName, int(n), time.Now())
	}
}

// Close waits for the warnings that are under way, and says what the console
// still suppresses. It returns the context's error if that ended before. Whatever
// is emitted later is still emitted.
func (o *Observer) Close(ctx context.Context) error { return o.reporter.close(ctx) }

// TraceContext returns a context with nothing of ctx but its trace, for work that
// may outlive a request by far.
func TraceContext(ctx context.Context) context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.SpanContextFromContext(ctx))
}
