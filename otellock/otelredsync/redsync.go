package otelredsync

import (
	"sync"

	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis"

	"github.com/otellock/otellock-go/otellock/observe"
)

// Redsync makes mutexes on Redis connection pools, as redsync's does, and observes
// them.
type Redsync struct {
	peer     *redsync.Redsync
	quorum   int
	observer *observe.Observer
}

// New returns a Redsync. It emits to OpenTelemetry's global providers, as "redis",
// with names that are derived from those of the mutexes; [Redsync.With] changes that.
func New(pools ...redis.Pool) *Redsync {
	watched := make([]redis.Pool, len(pools))
	for i, p := range pools {
		watched[i] = pool{p}
	}
	return &Redsync{redsync.New(watched...), len(pools)/2 + 1, defaultObserver()}
}

// With returns the same Redsync, observed with these options. It panics on one that
// [observe.New] refuses, such as a target that is declared twice.
func (r *Redsync) With(opts ...observe.Option) *Redsync {
	changed := *r
	changed.observer = newObserver(opts)
	return &changed
}

var defaultObserver = sync.OnceValue(func() *observe.Observer { return newObserver(nil) })

func newObserver(opts []observe.Option) *observe.Observer {
	observer, err := observe.New(append([]observe.Option{observe.WithBackendName("redis")}, opts...)...)
	if err != nil {
		panic(err)
	}
	return observer
}

// Unwrap returns redsync's own Redsync. What it does is not observed.
func (r *Redsync) Unwrap() *redsync.Redsync { return r.peer }

// NewMutex returns a new distributed mutex with the given name.
func (r *Redsync) NewMutex(name string, options ...Option) *Mutex {
	return &Mutex{peer: r.peer.NewMutex(name, options...), target: r.observer.KeyTarget(name), quorum: r.quorum}
}
