package simulation

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A plan is everything that a seed decides before a run. It is data, so that a
// failing one can be made smaller.
type plan struct {
	Seed          uint64
	Latency       time.Duration // one way, in fair weather
	Notifies      bool          // the server wakes waiters
	HonoursCancel bool          // the client returns when its caller cancels, or only at the deadline
	Rate          float64       // of the server's clock
	PlainFirst    bool          // a first attempt does not recognise its own token, as SET NX
	Keys          int
	Processes     []processPlan
	Actors        []actorPlan
	Faults        []fault
}

type processPlan struct {
	AttemptTimeout time.Duration
	TTL            time.Duration
	Wait           time.Duration
	FailClosed     bool
	CloseAt        time.Duration // 0: when all is done
}

type actorPlan struct {
	Process int
	Steps   []step
}

// A step is one operation of an actor, and what it does while it holds the lock.
type step struct {
	Kind     int
	Key      int
	Think    time.Duration // before
	Hold     time.Duration // at the end of the work
	Deadline time.Duration // of the caller; 0: none
	Cancel   time.Duration // by the caller; 0: never
	TTL      time.Duration // 0: the process's
	Renew    time.Duration // the limit of its renewal; 0: none
	Fencing  bool
	Wait     time.Duration // -1: the process's
	Closed   bool
	Fails    bool   // the work returns an error
	Panics   bool   // or panics
	Keep     bool   // what Lock gave out is left to Close
	Inside   []step // while it is held
}

// newPlan is what the seed decides.
func newPlan(seed uint64) plan {
	r := source(seed, "plan")
	p := plan{
		Seed:          seed,
		Latency:       pick(r, time.Millisecond, 4*time.Millisecond, 15*time.Millisecond),
		HonoursCancel: r.IntN(2) == 0,
		Notifies:      source(seed, "notifies").IntN(2) == 0,
		Rate:          pick(r, 1, 1, 0.9, 1.05),
		PlainFirst:    r.IntN(2) == 0,
		Keys:          pick(r, 1, 1, 2, 3),
	}
	for range 1 + r.IntN(3) {
		timeout := pick[time.Duration](r, 50, 100, 250) * time.Millisecond
		c := processPlan{
			AttemptTimeout: timeout,
			TTL:            timeout*2 + below(r, 2*time.Second),
			Wait:           pick[time.Duration](r, 0, 100, 400) * time.Millisecond,
			FailClosed:     r.IntN(3) == 0,
		}
		if r.IntN(6) == 0 {
			c.CloseAt = below(r, 3*time.Second)
		}
		p.Processes = append(p.Processes, c)
	}
	for range 2 + r.IntN(4) {
		a := actorPlan{Process: r.IntN(len(p.Processes))}
		for range 1 + r.IntN(4) {
			a.Steps = append(a.Steps, newStep(r, &p, p.Processes[a.Process], 0))
		}
		p.Actors = append(p.Actors, a)
	}
	kinds := r.Perm(len(faults))
	for _, kind := range kinds[:r.IntN(5)] {
		f := fault{
			Kind:    kind,
			From:    below(r, 2*time.Second),
			Share:   pick(r, 0.2, 0.5, 1),
			Process: r.IntN(len(p.Processes)),
			Key:     r.IntN(p.Keys),
			By:      below(r, 2*time.Second),
		}
		f.To = f.From + 1
		if longest := f.kind().longest; longest > 0 {
			f.To = f.From + below(r, longest)
		}
		p.Faults = append(p.Faults, f)
	}
	return p
}

func newStep(r *rand.Rand, p *plan, c processPlan, depth int) step {
	s := step{
		Kind:   chooseOperation(r, depth),
		Key:    r.IntN(p.Keys),
		Think:  below(r, pick(r, time.Millisecond, 100*time.Millisecond, 500*time.Millisecond)),
		Hold:   below(r, pick(r, time.Millisecond, 50*time.Millisecond, 300*time.Millisecond, 2*time.Second)),
		Wait:   -1,
		Closed: c.FailClosed,
		Fails:  r.IntN(8) == 0,
		Panics: r.IntN(16) == 0,
		Keep:   r.IntN(10) == 0,
	}
	if r.IntN(3) == 0 {
		s.Deadline = below(r, pick(r, 2*p.Latency, 4*p.Latency, 300*time.Millisecond))
	}
	if r.IntN(6) == 0 {
		s.Cancel = below(r, pick(r, 4*p.Latency, 300*time.Millisecond))
	}
	if r.IntN(4) == 0 || operations[s.Kind].inside {
		s.TTL = c.AttemptTimeout + below(r, pick(r, 200*time.Millisecond, 2*time.Second))
	}
	ttl := s.TTL
	if ttl == 0 {
		ttl = c.TTL
	}
	if r.IntN(3) == 0 && ttl >= 3*c.AttemptTimeout {
		s.Renew = ttl + below(r, 3*time.Second)
	}
	s.Fencing = r.IntN(3) == 0
	if r.IntN(4) == 0 {
		s.Wait = pick[time.Duration](r, 0, 50, 600) * time.Millisecond
	}
	if r.IntN(4) == 0 {
		s.Closed = r.IntN(2) == 0
	}
	if depth < 2 && !operations[s.Kind].inside && r.IntN(2) == 0 {
		for range 1 + r.IntN(3) {
			s.Inside = append(s.Inside, newStep(r, p, c, depth+1))
		}
	}
	return s
}

// smaller are plans with one thing less.
func (p plan) smaller() []plan {
	var all []plan
	for i := range p.Faults {
		q := p
		q.Faults = without(p.Faults, i)
		all = append(all, q)
	}
	for i := range p.Actors {
		q := p
		q.Actors = without(p.Actors, i)
		all = append(all, q)
	}
	for i, a := range p.Actors {
		for _, steps := range fewer(a.Steps) {
			q := p
			q.Actors = append([]actorPlan(nil), p.Actors...)
			q.Actors[i].Steps = steps
			all = append(all, q)
		}
	}
	return all
}

// fewer are the steps with one less, of them or inside of one of them.
func fewer(steps []step) [][]step {
	var all [][]step
	for i := range steps {
		all = append(all, without(steps, i))
	}
	for i, s := range steps {
		for _, inside := range fewer(s.Inside) {
			changed := append([]step(nil), steps...)
			changed[i].Inside = inside
			all = append(all, changed)
		}
	}
	return all
}

func without[T any](all []T, i int) []T {
	return append(append([]T(nil), all[:i]...), all[i+1:]...)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// spread is a random time around the mean.
func spread(r *rand.Rand, mean time.Duration) time.Duration { return mean/2 + below(r, mean) }

// below is a random time above zero and not above the limit.
func below(r *rand.Rand, limit time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(limit))) + 1
}

func keyName(i int) string { return fmt.Sprintf("lock:things:%d", i) }
