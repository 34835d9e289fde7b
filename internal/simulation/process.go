package simulation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A process is one Locker.
type process struct {
	*world
	name         string
	plan         processPlan
	locker       *otellock.Locker
	target       *otellock.Target
	telemetry    *telemetry
	stoppedUntil time.Duration
	stops        []stop
	closing      bool // Close has begun
	closed       bool // and is over
	closeTook    time.Duration
	cutOff       bool // because its context was

	counted   map[counted]int64 // what lock.attempts must say
	renewals  int64             // calls
	untold    int64             // failures without a warning, because the loss was warned of
	protected int               // leases

	pending map[string]int // acquires of each key that have no answer yet
	silent  int            // acquires in a row that had no answer in their time
	open    bool           // the breaker may be

	mu      sync.Mutex
	inboxes map[otellock.Waiter]*inbox
}

// breakerLimit is how many acquires without an answer open the breaker.
const breakerLimit = 5

// hears notes what an answer says of the server.
func (p *process) hears(c *call, r reply) {
	if c.kind == acquire && c.token.use.process == p {
		p.pending[c.token.use.key]--
	}
	switch {
	case r.err == nil || !unanswered(r.err) && !errors.Is(r.err, errRefused) && r.err != errNoConnection:
		p.silent, p.open = 0, false
	case c.kind == acquire && errors.Is(r.err, context.DeadlineExceeded):
		p.silent++
		p.open = p.open || p.silent >= breakerLimit
	}
}

// A stop is a time in which the process does not run.
type stop struct{ from, to time.Duration }

func (p *process) stopsUntil(to time.Duration) {
	p.stoppedUntil = max(p.stoppedUntil, to)
	p.stops = append(p.stops, stop{p.now(), to})
}

// stoppedSince is for how long the process has been stopped since then.
func (p *process) stoppedSince(then time.Duration) (all time.Duration) {
	for _, s := range p.stops {
		all += max(0, min(s.to, p.now())-max(s.from, then))
	}
	return all
}

func (w *world) newProcess(name string, c processPlan) *process {
	p := &process{world: w, name: name, plan: c, counted: map[counted]int64{}, pending: map[string]int{}, inboxes: map[otellock.Waiter]*inbox{}, telemetry: newTelemetry()}
	var backend otellock.Backend = &client{w, p}
	if w.plan.Notifies {
		backend = notifier{&client{w, p}}
	}
	var err error
	p.locker, err = otellock.New(backend, p.telemetry.options(
		otellock.WithTTL(c.TTL), otellock.WithWait(c.Wait), otellock.WithAttemptTimeout(c.AttemptTimeout),
		// The jitter between attempts is the network's, which the seed decides.
		otellock.WithBackoff(1, 1),
	)...)
	if err != nil {
		panic(err)
	}
	if p.target, err = p.locker.Target("things", "lock:things:*"); err != nil {
		panic(err)
	}
	return p
}

func (p *process) mutex(s step) otellock.Mutex {
	opts := []otellock.LockOption{otellock.WithFailClosed(s.Closed), otellock.WithAutoExtend(s.Renew)}
	if s.Fencing {
		opts = append(opts, otellock.WithFencing())
	}
	if s.TTL > 0 {
		opts = append(opts, otellock.WithTTL(s.TTL))
	}
	if s.Wait >= 0 {
		opts = append(opts, otellock.WithWait(s.Wait))
	}
	return p.target.Mutex(fmt.Sprint(s.Key)).With(opts...)
}

// An actor is a goroutine of a process that does one step after the other.
type actor struct {
	*world
	process *process
	name    string
	said    int // notes
	lease   *otellock.Lease
	use     *use
	beside  sync.WaitGroup // what it does at the same time
}

// step does one thing after a pause.
func (a *actor) step(ctx context.Context, s step, within string, i int) {
	a.sleep(s.Think)
	operations[s.Kind].run(a, ctx, s, fmt.Sprintf("%s.%d", within, i+1))
}

// note tells the world what happened, without waiting.
func (a *actor) note(handle func()) {
	a.said++
	a.post(message{rankNote, a.name, a.said, handle})
}

// sleep waits for an event.
func (a *actor) sleep(d time.Duration) {
	done := make(chan struct{})
	a.note(func() { a.toProcess(a.process, a.now()+d, func() { close(done) }) })
	<-done
}

type operationKey struct{}

func operationOf(ctx context.Context) string {
	name, _ := ctx.Value(operationKey{}).(string)
	return name
}

// callers is the context of a call: the operation's name, and its deadline or its
// cancellation.
func (a *actor) callers(ctx context.Context, s step, name string) (context.Context, context.CancelFunc) {
	ctx = context.WithValue(ctx, operationKey{}, name)
	cancel := context.CancelFunc(func() {})
	if s.Deadline > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.Deadline)
	}
	if s.Cancel > 0 {
		var now context.CancelFunc
		ctx, now = context.WithCancel(ctx)
		a.note(func() { a.toProcess(a.process, a.now()+s.Cancel, now) })
		outer := cancel
		cancel = func() { now(); outer() }
	}
	return ctx, cancel
}

// A nesting is the locks that a context runs under.
type nesting struct {
	key   int
	lease *otellock.Lease
	outer *nesting
}

type nestingKey struct{}

// under is the context of what runs under the lease, if that is the context's.
func under(ctx context.Context, key int, lease *otellock.Lease) context.Context {
	if lease == nil || lease != otellock.LeaseFromContext(ctx) {
		return ctx
	}
	outer, _ := ctx.Value(nestingKey{}).(*nesting)
	return context.WithValue(ctx, nestingKey{}, &nesting{key, lease, outer})
}

// holdsAlready reports whether the context runs under a lease of this key.
func holdsAlready(ctx context.Context, key int) bool {
	n, _ := ctx.Value(nestingKey{}).(*nesting)
	for ; n != nil; n = n.outer {
		if n.key == key && n.lease.Protected() {
			return true
		}
	}
	return false
}
