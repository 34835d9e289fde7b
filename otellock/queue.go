package otellock

import (
	"sync"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// pollInterval is how long a lost wake-up goes unnoticed.
const pollInterval = 500 * time.Millisecond

// queues are the queues of a Locker, by key. Its mutex guards all that is in them.
type queues struct {
	mu    sync.Mutex
	byKey map[string]*queue
}

// A queue holds the waiters of one key in the order in which they came. The first
// asks the backend, the others wait for their turn, and what the backend answers is
// known to all of them. It implements [Waiter].
type queue struct {
	queues      *queues
	key         string
	first, last *waiter

	busy     bool // the backend's last answer: somebody has the lock
	held     Held // who, if that is known
	absorbed bool // one failure since then
	told     bool // the backend may know the queue: it has to be told to forget it

	due   time.Time      // when the first asks; zero: at once
	woken observe.WakeUp // what brought that about
	wakes int            // how often the queue was woken
	ours  time.Time      // since when this queue has kept the lock from processes that poll; zero: it has not
}

// enter appends a waiter to the queue of its key.
func (qs *queues) enter(w *waiter) {
	key := w.lease.key
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.byKey[key]
	if q == nil {
		q = &queue{queues: qs, key: key, first: w, last: w}
		qs.byKey[key] = q
	} else {
		w.ahead, q.last.behind = q.last, w
		q.last = w
	}
	w.queue = q
}

// alone gives the waiter a queue of its own, that nobody else joins.
func (qs *queues) alone(w *waiter) {
	w.queue = &queue{queues: qs, first: w, last: w}
}

// leave removes a waiter, and lets the next one take its turn.
func (q *queue) leave(w *waiter) {
	qs := q.queues
	qs.mu.Lock()
	if w.ahead != nil {
		w.ahead.behind = w.behind
	} else if q.first = w.behind; q.first != nil {
		q.first.nudge()
	}
	if w.behind != nil {
		w.behind.ahead = w.ahead
	} else {
		q.last = w.ahead
	}
	locker := w.lease.config.locker
	forget := q.first == nil && q.told && locker.notifier != nil
	if q.first == nil && qs.byKey[q.key] == q {
		delete(qs.byKey, q.key)
	}
	qs.mu.Unlock()
	if forget {
		locker.forget(q)
	}
}

// waiter returns the queue of the key, for the backend to wake when the key is
// released. It returns nil if nobody waits.
func (qs *queues) waiter(key string) *queue {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.byKey[key]
	if q != nil {
		q.told = true
	}
	return q
}

// isEmpty reports whether all waiters have left: nobody joins it any more.
func (q *queue) isEmpty() bool {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	return q.first == nil
}

// wakeAll makes the first of every queue ask, because the backend answers again.
func (qs *queues) wakeAll() {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	for _, q := range qs.byKey {
		q.ask(observe.WakeUpPoll)
	}
}

// Wake implements [Waiter].
func (q *queue) Wake(remote bool) {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	q.ours = time.Time{}
	if remote {
		q.ask(observe.WakeUpMessage)
	} else {
		q.ask(observe.WakeUpRelease)
	}
}

// WakeAlone implements [Waiter]. Other processes poll then: so that they find the lock
// free, too, this queue pauses now and then as they do.
func (q *queue) WakeAlone() {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	q.ask(observe.WakeUpRelease)
	if q.first == nil {
		return
	}
	now, limit := time.Now(), q.first.lease.config.backoffMax
	if q.ours.IsZero() {
		q.ours = now
	}
	if now.Sub(q.ours) >= limit {
		q.due, q.woken, q.ours = now.Add(random(limit)), observe.WakeUpPoll, time.Time{}
	}
}

// ask makes the first waiter ask now. queues.mu is held.
func (q *queue) ask(how observe.WakeUp) {
	q.due, q.woken = time.Time{}, how
	q.wakes++
	if q.first != nil {
		q.first.nudge()
	}
}

// begin is called when the first waiter asks. Until it is answered, whoever would
// be the first next asks at once.
func (q *queue) begin() (wakes int, how observe.WakeUp) {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	how = q.woken
	q.due, q.woken = time.Time{}, observe.WakeUpPoll
	return q.wakes, how
}

// tell notes that the backend may know the queue, whatever became of the attempt.
func (q *queue) tell() {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	q.told = true
}

// rest sets when the first asks again. If the queue was woken since it last began
// to ask, that is at once.
func (q *queue) rest(wakes int, due time.Time) {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	if wakes == q.wakes {
		q.due = due
	}
}

// answered is called when the first was told that the lock is busy.
func (q *queue) answered(g Grant) {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	q.busy, q.held, q.ours = true, g.Held, time.Time{}
}

// granted is called when the first has the lock. The next one is woken by the
// release.
func (q *queue) granted(to Held, due time.Time) {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	q.busy, q.held, q.absorbed, q.due = true, to, false, due
}

// fail gives the failure of the first to every waiter for whom it is evidence, so
// that they do not find out one after the other.
func (q *queue) fail(a attempt) {
	q.queues.mu.Lock()
	defer q.queues.mu.Unlock()
	q.busy, q.absorbed = false, false
	for w := q.first.behind; w != nil; w = w.behind {
		if a.provesFor(w) {
			w.shared = &a
			w.nudge()
		}
	}
}

// nudge makes the waiter look at its queue. queues.mu is held.
func (w *waiter) nudge() {
	select {
	case w.signal <- struct{}{}:
	default: // it does not wait, or will look
	}
}
