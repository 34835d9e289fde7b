package sentrylog

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel"
)

const (
	// keepTrying is how long an event is kept and tried again, so that a Sentry
	// that is away for a few minutes costs nothing.
	keepTrying = 5 * time.Minute
	// atLeast is what one event may take when those before it took all the time.
	atLeast = time.Second
	// complainAfter is how long a loss waits for a call of ForceFlush.
	complainAfter = 5 * time.Second
)

// queue holds events until they are sent, one after the other. It has a
// goroutine only while there is something to send.
type queue struct {
	transport *transport
	account   *account
	size      int
	ctx       context.Context // ends with the queue
	stop      context.CancelFunc

	mu      sync.Mutex
	items   []*item // the first is under way
	last    *item   // added last
	sending bool
	closed  bool

	flushing    atomic.Int32 // calls of flush that are under way
	complaining atomic.Bool  // a timer runs
}

type item struct {
	event    *sentry.Event
	owed     unsent
	lost     func(failure) // is told why the event was given up
	deadline time.Time
	done     chan struct{} // closed when the account has it
}

func newQueue(t *transport, a *account, size int) *queue {
	q := &queue{transport: t, account: a, size: size}
	q.ctx, q.stop = context.WithCancel(context.Background())
	return q
}

// add queues an event, or drops it at once where there is no room.
func (q *queue) add(ctx context.Context, e *sentry.Event, owed unsent, lost func(failure)) {
	reason, it := delivered, &item{e, owed, lost, time.Now().Add(keepTrying), make(chan struct{})}
	q.mu.Lock()
	switch {
	case q.closed:
		reason = failShutdown
	case len(q.items) >= q.size:
		reason = failQueueFull
	default:
		q.last = it
		q.items = append(q.items, it)
		if !q.sending {
			q.sending = true
			go q.run()
		}
	}
	q.mu.Unlock()
	if reason != delivered {
		q.end(ctx, reason, it)
	}
}

// run sends until nothing is left.
func (q *queue) run() {
	for it := q.first(); it != nil; it = q.first() {
		ctx, cancel := context.WithTimeout(q.ctx, max(time.Until(it.deadline), atLeast))
		reason := q.transport.send(ctx, it.event)
		cancel()
		if q.remove(it) {
			q.end(q.ctx, reason, it)
			close(it.done)
		}
	}
}

func (q *queue) first() *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sending = len(q.items) > 0; !q.sending {
		return nil
	}
	return q.items[0]
}

// remove takes the first item out. It returns false where close has done so.
func (q *queue) remove(it *item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 || q.items[0] != it {
		return false
	}
	q.items[0] = nil
	q.items = q.items[1:]
	return true
}

// end accounts for an event. A loss that no call of flush asks about goes to
// OpenTelemetry's error handler.
func (q *queue) end(ctx context.Context, f failure, it *item) {
	q.account.end(ctx, f, it.owed)
	if f == delivered {
		return
	}
	it.lost(f)
	if q.complaining.Swap(true) {
		return
	}
	time.AfterFunc(complainAfter, func() {
		q.complaining.Store(false)
		if q.flushing.Load() > 0 {
			return
		}
		if err := q.account.err(); err != nil {
			otel.Handle(err)
		}
	})
}

// flush waits until what was added before it is accounted for.
func (q *queue) flush(ctx context.Context) error {
	q.flushing.Add(1)
	defer q.flushing.Add(-1)
	q.mu.Lock()
	last := q.last
	q.mu.Unlock()
	if last == nil {
		return nil
	}
	select {
	case <-last.done:
		return nil
	default:
	}
	select {
	case <-last.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close sends what is queued as long as ctx allows. It gives up the rest, at
// once where Sentry wants nothing before ctx ends.
func (q *queue) close(ctx context.Context) error {
	q.flushing.Add(1) // for good: Shutdown returns what was lost
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	reason, err := failRateLimited, error(nil)
	if deadline, ok := ctx.Deadline(); !ok || q.transport.limits.Remaining() < time.Until(deadline) {
		if err = q.flush(ctx); err != nil {
			reason = classify(err)
		}
	}
	q.mu.Lock()
	rest := q.items
	q.items = nil
	q.mu.Unlock()
	for _, it := range rest {
		q.account.end(ctx, reason, it.owed)
		it.lost(reason)
		close(it.done)
	}
	q.stop()
	q.transport.idle()
	return err
}
