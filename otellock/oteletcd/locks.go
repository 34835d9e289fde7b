package oteletcd

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/otellock/otellock-go/otellock/observe"
)

// Locks makes the mutexes and elections of a program, and emits their telemetry.
// One is enough for a process and an etcd. It is safe for concurrent use.
type Locks struct {
	observer *observe.Observer

	mu   sync.Mutex
	held map[*Session]map[*observe.Lease]context.Context // by the sessions that are watched: leases, with the contexts of their acquires
}

// New returns Locks. It takes the options of package observe, above all
// [observe.WithTarget], which declares what the prefixes of mutexes and elections
// stand for:
//
//	oteletcd.New(observe.WithTarget("projects", "/locks/projects/*"))
//
// Without options it emits to OpenTelemetry's global providers, as "etcd", with names
// that are derived from the prefixes. It panics on an option that [observe.New]
// refuses, such as a target that is declared twice.
func New(opts ...observe.Option) *Locks {
	observer, err := observe.New(append([]observe.Option{observe.WithBackendName("etcd")}, opts...)...)
	if err != nil {
		panic(err)
	}
	return &Locks{observer: observer, held: map[*Session]map[*observe.Lease]context.Context{}}
}

var (
	chosen atomic.Pointer[Locks] // by SetDefault
	plain  = sync.OnceValue(func() *Locks { return New() })
)

// SetDefault makes these Locks those of the package's own [NewMutex], [NewLocker],
// [NewElection] and [ResumeElection], as [log/slog.SetDefault] does for a logger.
// Until then, and after nil, they are Locks without options.
func SetDefault(l *Locks) { chosen.Store(l) }

func defaultLocks() *Locks {
	if l := chosen.Load(); l != nil {
		return l
	}
	return plain()
}
