package sentrylog

import (
	"context"
	"sync"
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
	// complainAfter is how long losses wait for somebody who flushes, or else for
	// each other.
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

	mu          sync.Mutex
	items       []*item // the first is under way
	sending     bool
	closed      bool
	added       uint64
	settled     uint64
	changed     chan struct{} // closed and replaced when an item is settled
	awaiting    int           // calls of flush
	complaining bool          // a timer runs
}

type item struct {
	event    *sentry.Event
	owed     unsent
	deadline time.Time
}

func newQueue(t *transport, a *account, size int) *queue {
	q := &queue{transport: t, account: a, size: size, changed: make(chan struct{})}
	q.ctx, q.stop = context.WithCancel(context.Background())
	return q
}

// add queues an event, or drops it at once where there is no room.
func (q *queue) add(ctx context.Context, e *sentry.Event, owed unsent) {
	it := &item{e, owed, time.Now().Add(keepTrying)}
	reason := delivered
	q.mu.Lock()
	switch {
	case q.closed:
		reason = failShutdown
	case len(q.items) >= q.size:
		reason = failQueueFull
	default:
		q.items = append(q.items, it)
		q.added++
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
			q.settle(1)
		}
	}
}

// end accounts for an item. A loss is complained about, if nobody asks before.
func (q *queue) end(ctx context.Context, f failure, it *item) {
	if f == delivered {
		q.account.end(ctx, f, unsent{})
		return
	}
	q.account.end(ctx, f, it.owed)
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.complaining {
		q.complaining = true
		time.AfterFunc(complainAfter, q.complain)
	}
}

func (q *queue) first() *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		q.sending = false
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

// settle wakes those who wait for items that are accounted for by now.
func (q *queue) settle(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settled += uint64(n)
	close(q.changed)
	q.changed = make(chan struct{})
}

// complain gives what was lost to OpenTelemetry's error handler, unless somebody
// waits for it.
func (q *queue) complain() {
	q.mu.Lock()
	q.complaining = false
	awaited := q.awaiting > 0 || q.closed
	q.mu.Unlock()
	if awaited {
		return
	}
	if err := q.account.err(); err != nil {
		otel.Handle(err)
	}
}

// flush waits until what was added before it is settled.
func (q *queue) flush(ctx context.Context) error {
	q.mu.Lock()
	q.awaiting++
	defer func() {
		q.awaiting--
		q.mu.Unlock()
	}()
	for target := q.added; q.settled < target; {
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		q.mu.Lock()
		if q.settled < target && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// close sends what is queued as long as ctx allows. It gives up the rest, at
// once where Sentry wants nothing before ctx ends.
func (q *queue) close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	reason, err := failRateLimited, error(nil)
	if deadline, ok := ctx.Deadline(); !ok || q.transport.limits.remaining(time.Now()) < time.Until(deadline) {
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
	}
	q.settle(len(rest))
	q.stop()
	q.transport.idle()
	return err
}
