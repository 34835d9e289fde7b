package campaign

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/internal/redistest"
)

// A run is one seed: what is broken, who works, and what came of it.
type run struct {
	t       *testing.T
	name    string
	rand    *rand.Rand
	faults  []fault
	hurried bool
	ttl     time.Duration
	shorter time.Duration // what an Extend may cut a lease to

	server    *redistest.Server
	side      *redis.Client // around the wires
	processes []*process
	holders   holders
	healed    time.Time

	mu    sync.Mutex
	start time.Time
	notes []string
}

// newRun takes the first fault in turn, so that a short campaign has them all.
func newRun(t *testing.T, seed int) *run {
	r := &run{t: t, rand: rand.New(rand.NewPCG(uint64(seed), 0)), start: time.Now()}
	r.faults = []fault{faults[seed%len(faults)]}
	if r.rand.IntN(2) == 0 {
		first, second := r.faults[0], faults[r.rand.IntN(len(faults))]
		if second.name != first.name && !(second.server && first.server) {
			r.faults = append(r.faults, second)
		}
	}
	r.ttl, r.shorter = longTTL, 300*time.Millisecond
	names := make([]string, len(r.faults))
	for i, f := range r.faults {
		names[i] = f.name
		r.hurried = r.hurried || f.hurried
		if f.hangs {
			r.ttl = r.between(300*time.Millisecond, time.Second)
		}
	}
	if r.rand.IntN(4) == 0 {
		r.ttl = r.between(300*time.Millisecond, time.Second)
	}
	r.name = fmt.Sprintf("seed %d, %s, ttl %v", seed, strings.Join(names, " and "), r.ttl)

	persistence := []string{"--appendonly", "yes", "--appendfsync", "always"}
	if slices.ContainsFunc(r.faults, func(f fault) bool { return f.name == "kill -9, empty restart" }) {
		persistence = nil
	}
	r.server = redistest.Start(t, persistence...)
	r.side = r.server.Client(func(o *redis.Options) { o.PoolSize, o.MaxRetries = 1, -1 })
	for i := range 2 + r.rand.IntN(2) {
		r.processes = append(r.processes, r.newProcess(i))
	}
	return r
}

// play lets the processes work while the faults come and go.
func (r *run) play() {
	stop := make(chan struct{})
	var group sync.WaitGroup
	for _, p := range r.processes {
		for i := range workers {
			w := &worker{process: p, rand: rand.New(rand.NewPCG(r.rand.Uint64(), 0)), name: fmt.Sprintf("%s/%d", p.name, i)}
			group.Go(func() { w.work(stop) })
		}
	}
	var ends []func()
	for _, f := range r.faults {
		pause(r.between(50*time.Millisecond, 300*time.Millisecond))
		ends = append(ends, r.inflict(f))
	}
	lasts := r.between(100*time.Millisecond, 1500*time.Millisecond)
	if slices.ContainsFunc(r.faults, func(f fault) bool { return f.hangs }) {
		lasts = r.ttl + r.between(100*time.Millisecond, time.Second)
	}
	pause(lasts)
	for _, end := range slices.Backward(ends) {
		end()
	}
	r.healed = time.Now()
	pause(r.between(0, 300*time.Millisecond))
	close(stop)
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		var stacks bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		r.t.Fatalf("%s: a call has not come back in a minute\n%s\n%s", r.name, r.history(), &stacks)
	}
}

// inflict begins a fault on the wires of one process or of all.
func (r *run) inflict(f fault) (end func()) {
	hit := r.processes
	if r.rand.IntN(2) == 0 {
		hit = hit[:1]
	}
	remembers := func() {}
	if f.forgets {
		remembers = r.holders.forgetting()
	}
	r.note("begin: %s, for %d of %d processes", f.name, len(hit), len(r.processes))
	mend := f.begin(r, hit)
	return func() {
		mend()
		remembers()
		r.note("end: %s", f.name)
	}
}

// recovers checks that soon after the faults no key is left of which nobody
// knows, and that every process gets every lock.
func (r *run) recovers(slowest *slowest) {
	for _, id := range ids {
		if !r.soon("a key is left that nobody holds", func() bool { return !slices.Contains(r.keys(), key(id)) }) {
			r.note("the key of %s is %s", id, r.story(id))
			r.command("DEL", key(id)) // said once is enough
		}
	}
	for _, p := range r.processes {
		if p.closing.Load() {
			continue
		}
		w := &worker{process: p, rand: r.rand, name: p.name + "/after"}
		for _, id := range ids {
			r.soon(p.name+" does not get the lock of "+id+", which nobody holds", func() bool { return w.gets(id) })
		}
	}
	slowest.add(time.Since(r.healed), r.name)
}

// closes checks what is left when everything is over.
func (r *run) closes() {
	for _, p := range r.processes {
		p.close()
	}
	r.soon("a key is left after Close", func() bool { return len(r.keys()) == 0 })
	for _, p := range r.processes {
		_ = p.rdb.Close()
		if err := p.account(); err != nil {
			r.violated("%v", err)
		}
	}
}

// keys lists the locks on the server.
func (r *run) keys() []string {
	keys, err := r.side.Keys(context.Background(), key("*")).Result()
	if err != nil {
		r.t.Fatalf("KEYS: %v", err)
	}
	return keys
}

// command sends a command around the wires.
func (r *run) command(args ...any) {
	r.t.Helper()
	if err := r.side.Do(context.Background(), args...).Err(); err != nil {
		r.t.Fatalf("%s: %v: %v", r.name, args, err)
	}
}

func (r *run) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.rand.Int64N(int64((most-least)/time.Millisecond)+1))*time.Millisecond
}

// note remembers what happened for whoever reads a violation.
func (r *run) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf("%8.1fms  ", float64(time.Since(r.start).Microseconds())/1000)+fmt.Sprintf(format, args...))
}

func (r *run) history() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.notes, "\n")
}

func (r *run) violated(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	r.note("VIOLATION: %s", what)
	r.t.Errorf("%s: %s", r.name, what)
}

// soon waits for a condition, and calls it a violation if it does not come true
// within the second, and the slack.
func (r *run) soon(otherwise string, holds func() bool) bool {
	for deadline := time.Now().Add(recovery + *slack); !holds(); pause(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.violated("%s, %v after the fault", otherwise, time.Since(r.healed).Round(time.Millisecond))
			return false
		}
	}
	return true
}

// eventually waits for what has to come true on any machine.
func (r *run) eventually(what string, holds func() bool) {
	for deadline := time.Now().Add(30 * time.Second); !holds(); pause(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: still not: %s", r.name, what)
		}
	}
}

func pause(d time.Duration) { <-time.After(d) }
