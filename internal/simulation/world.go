package simulation

import (
	"cmp"
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"
)

// end is when a world that has not come to its end is stuck.
const end = time.Minute

// A world is one run. All of its state belongs to the goroutine that runs run,
// except the inbox.
type world struct {
	plan  plan
	start time.Time

	mu    sync.Mutex
	inbox []message
	wake  chan struct{} // has one slot: there is a message
	names namer

	events events
	taken  map[time.Duration]bool // instants that have an event

	server    *server
	weather   weather
	processes []*process
	truth     truth
	finished  bool

	trace      []string
	violations []string
}

// A message is what a goroutine of an actor or of the lock has to say. Messages
// of one instant are sorted by rank, name and number.
type message struct {
	rank   int
	from   string
	number int
	handle func()
}

const (
	rankNote = iota // of an actor: what it begins or has done
	rankCall        // of the lock: a request
)

// An event happens at an instant of its own.
type event struct {
	at time.Duration
	do func()
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// post hands a message to run. Any goroutine may call it.
func (w *world) post(m message) {
	w.mu.Lock()
	w.inbox = append(w.inbox, m)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run makes everything happen, until the world has finished.
func (w *world) run() {
	w.schedule(end, func() { w.violate("progress", "not at its end after %v", end); w.finished = true })
	for !w.finished {
		synctest.Wait()
		w.read()
		w.keepsPromises()
		next := w.events[0].at
		if next <= w.now() {
			heap.Pop(&w.events).(event).do()
			continue
		}
		timer := time.NewTimer(next - w.now())
		select {
		case <-timer.C:
		case <-w.wake:
		}
		timer.Stop()
	}
	synctest.Wait()
	w.read()
}

// read handles what has been posted, in an order that does not depend on which
// goroutine ran first.
func (w *world) read() {
	for {
		w.mu.Lock()
		batch := w.inbox
		w.inbox = nil
		w.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		slices.SortFunc(batch, func(a, b message) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.from, b.from), cmp.Compare(a.number, b.number))
		})
		for _, m := range batch {
			m.handle()
		}
	}
}

// schedule makes an event, at the next instant from at on that has none.
func (w *world) schedule(at time.Duration, do func()) {
	for at = max(at, w.now()+1); w.taken[at]; at++ {
	}
	w.taken[at] = true
	heap.Push(&w.events, event{at, do})
}

// toProcess schedules what a process will notice: not while it is stopped.
func (w *world) toProcess(p *process, at time.Duration, do func()) {
	w.schedule(at, func() {
		if until := p.stoppedUntil; until > w.now() {
			w.toProcess(p, until, do)
			return
		}
		do()
	})
}

func (w *world) now() time.Duration { return time.Since(w.start) }

// random is the source of the decisions about one named thing.
func (w *world) random(name string) *rand.Rand { return source(w.plan.Seed, name) }

func source(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func (w *world) log(who, format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%12.6f ms  %-14s %s", float64(w.now())/1e6, who, fmt.Sprintf(format, args...)))
}

// violate notes that a promise was broken.
func (w *world) violate(promise, format string, args ...any) {
	text := promise + ": " + fmt.Sprintf(format, args...)
	if !slices.Contains(w.violations, text) {
		w.violations = append(w.violations, text)
		w.log("VIOLATION", "%s", text)
	}
}

// A namer gives the tokens names that do not depend on chance. Goroutines of the
// lock use it.
type namer struct {
	mu     sync.Mutex
	tokens map[string]string // token: name
	count  map[string]int    // what was named after this
}

// token is the name of a token that was first seen in this operation.
func (n *namer) token(token, operation string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	name, ok := n.tokens[token]
	if !ok {
		name = fmt.Sprintf("%s/t%d", operation, n.next(operation))
		n.tokens[token] = name
	}
	return name
}

// number counts what has the same name.
func (n *namer) number(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.next(name)
}

func (n *namer) next(name string) int {
	n.count[name]++
	return n.count[name]
}
