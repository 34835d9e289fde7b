package simulation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// A Result is what came of a run.
type Result struct {
	Trace      []string // everything that happened, in order
	Violations []string // promises that were broken; none in a good run
}

// Run plays what the seed decides. fault, if not nil, breaks the server.
func Run(t *testing.T, seed uint64, fault Fault) Result { return play(t, newPlan(seed), fault) }

// Shrink leaves out of the seed's plan what is not needed to break the promise
// that Run finds broken first, and returns the smallest run.
func Shrink(t *testing.T, seed uint64, fault Fault) Result {
	smallest := newPlan(seed)
	result := play(t, smallest, fault)
	if len(result.Violations) == 0 {
		return result
	}
	promise := promiseOf(result.Violations[0])
	for found := true; found; {
		found = false
		for _, p := range smallest.smaller() {
			if r := play(t, p, fault); len(r.Violations) > 0 && promiseOf(r.Violations[0]) == promise {
				smallest, result, found = p, r, true
				break
			}
		}
	}
	return result
}

// tooLong is real time: a run takes some milliseconds.
const tooLong = 5 * time.Minute

func play(t *testing.T, p plan, fault Fault) (result Result) {
	var w *world
	stuck := time.AfterFunc(tooLong, func() {
		panic(fmt.Sprintf("seed %d: virtual time has stood still for %v: some goroutine waits for a mutex over a call of the backend", p.Seed, tooLong))
	})
	defer stuck.Stop()
	defer func() {
		if problem := recover(); problem != nil { // of synctest: goroutines are left, or all of them wait
			w.violate("no goroutine is left", "%v", problem)
		}
		result = Result{w.trace, w.violations}
	}()
	synctest.Test(t, func(*testing.T) {
		w = newWorld(p, fault)
		w.begin()
		w.run()
		for _, p := range w.processes {
			w.isAccountedFor(p)
		}
		w.isLinearizable()
	})
	return result
}

func newWorld(p plan, broken Fault) *world {
	w := &world{
		plan: p, start: time.Now(), wake: make(chan struct{}, 1), taken: map[time.Duration]bool{},
		names: namer{tokens: map[string]string{}, count: map[string]int{}},
	}
	w.server = &server{world: w, backend: memorybackend.New(), leases: map[string]*token{}, fences: map[string]uint64{}, rate: p.Rate, fault: broken}
	w.truth = truth{world: w, byName: map[string]*use{}, tokens: map[string]*token{}}
	w.log("plan", "seed %d, latency %v, clock %v, honours cancel %t", p.Seed, p.Latency, p.Rate, p.HonoursCancel)
	for i, c := range p.Processes {
		w.log("plan", "process %d: %+v", i+1, c)
		w.processes = append(w.processes, w.newProcess(fmt.Sprintf("p%d", i+1), c))
	}
	for _, f := range p.Faults {
		w.log("plan", "fault: %s from %v to %v, share %v", f.kind().name, f.From, f.To, f.Share)
	}
	return w
}

// begin starts the actors, and what follows them: fair weather for a while, the
// end of every process, and a newcomer that finds every key free.
func (w *world) begin() {
	for i := range w.plan.Faults {
		w.begins(&w.plan.Faults[i])
	}
	var actors, closers sync.WaitGroup
	for i, plan := range w.plan.Actors {
		a := &actor{world: w, process: w.processes[plan.Process], name: fmt.Sprintf("a%d", i+1)}
		actors.Go(func() {
			for i, s := range plan.Steps {
				a.step(context.Background(), s, a.name, i)
			}
		})
	}
	over := make(chan struct{})
	for i, p := range w.processes {
		a := &actor{world: w, process: p, name: fmt.Sprintf("close%d", i+1)}
		closers.Go(func() {
			if p.plan.CloseAt > 0 {
				a.sleep(p.plan.CloseAt)
			} else {
				<-over
			}
			a.closes()
		})
	}
	go func() {
		last := &actor{world: w, process: &process{world: w}, name: "last"}
		actors.Wait()
		last.calm()
		close(over)
		closers.Wait()
		last.calm()
		last.finds()
		last.note(func() { w.finished = true })
	}()
}

// calm waits until the last fault is over, and for as long as a key may stay.
func (a *actor) calm() {
	done := make(chan struct{})
	a.note(func() {
		at := max(a.now(), a.weather.until)
		for _, f := range a.plan.Faults {
			at = max(at, f.To) // also where it has yet to begin
		}
		a.toProcess(a.process, at+patience+2*instants, func() { close(done) })
	})
	<-done
}

// closes ends a process.
func (a *actor) closes() {
	p := a.process
	a.note(func() { p.closing = true; a.log(p.name, "Close begins") })
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), operationKey{}, a.name), 2*time.Second)
	defer cancel()
	begun := a.now()
	err := p.locker.Close(ctx)
	took := a.now() - begun
	a.note(func() {
		p.closed, p.closeTook = true, took
		p.cutOff = errors.Is(err, context.DeadlineExceeded)
		a.log(p.name, "Close: %v", err)
		if p.plan.CloseAt == 0 && (p.cutOff || errors.Is(err, otellock.ErrBackend)) {
			a.violate("Close in fair weather succeeds", "%s: %v", p.name, err)
		}
		if took-p.stoppedSince(begun) > 2*time.Second+p.plan.AttemptTimeout+instants {
			a.violate("Close ends with its context", "%s took %v", p.name, took)
		}
		for _, u := range a.truth.uses {
			if u.process == p && u.kept {
				u.token.left = a.now()
			}
		}
	})
}

// finds takes every key, as a process would that starts now.
func (a *actor) finds() {
	l, err := otellock.New(&client{a.world, a.process})
	if err != nil {
		panic(err)
	}
	for i := range a.plan.Keys {
		key := keyName(i)
		ctx := context.WithValue(context.Background(), operationKey{}, "last")
		var protected bool
		ran, err := l.UndeclaredMutex(key).TryDo(ctx, func(ctx context.Context) error {
			protected = otellock.LeaseFromContext(ctx).Protected()
			return nil
		})
		a.note(func() {
			left := a.server.holder(key)
			if left != nil && left.givenUp() {
				return
			}
			if !ran || !protected || err != nil {
				a.violate("every key is free in the end", "%s: ran %t, protected %t, %v", key, ran, protected, err)
			}
		})
	}
	if err := l.Close(context.Background()); err != nil {
		panic(err)
	}
}

// promiseOf is the promise that a violation is of.
func promiseOf(violation string) string {
	promise, _, _ := strings.Cut(violation, ":")
	return promise
}
