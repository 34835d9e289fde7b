package simulation

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
)

// latest is how long a request may be under way while the server answers others.
// The lock looks for what an unanswered request may have left half a second after
// it was told that nothing is there: a request that comes later than that leaves
// a key for its time to live, which no client can prevent.
const latest = 480 * time.Millisecond

// A faultKind is one way in which things go wrong for a while. Each of its
// functions may be nil.
type faultKind struct {
	name    string
	longest time.Duration
	begin   func(w *world, f *fault)
	end     func(w *world, f *fault)
	strike  func(f *fault, j *journey, r *rand.Rand) // every request that is sent meanwhile
}

// A fault is one of a plan.
type fault struct {
	Kind     int
	From, To time.Duration
	Share    float64 // of the requests that it strikes
	Process  int     // that it strikes, where it strikes one
	Key      int
	By       time.Duration // a jump's
}

var faults = []faultKind{
	{name: "slow network", longest: 2 * time.Second, strike: func(f *fault, j *journey, r *rand.Rand) {
		j.out, j.back = spread(r, latest/6), spread(r, latest/6)
	}},
	{name: "late requests", longest: 2 * time.Second, strike: func(f *fault, j *journey, r *rand.Rand) {
		j.out = below(r, latest)
	}},
	{name: "late replies", longest: 2 * time.Second, strike: func(f *fault, j *journey, r *rand.Rand) {
		j.back = below(r, time.Second)
	}},
	{name: "lost requests", longest: 2 * time.Second, strike: func(f *fault, j *journey, r *rand.Rand) {
		j.loseRequest = true
	}},
	{name: "lost replies", longest: 2 * time.Second, strike: func(f *fault, j *journey, r *rand.Rand) {
		j.loseReply = true
	}},
	{name: "connections that break", longest: 2 * time.Second, strike: func(f *fault, j *journey, r *rand.Rand) {
		j.cut = true
		if r.IntN(2) == 0 {
			j.loseRequest = true
		} else {
			j.loseReply = true
		}
	}},
	{name: "connections refused", longest: 2 * time.Second, strike: func(f *fault, j *journey, r *rand.Rand) {
		j.refused = syscall.ECONNREFUSED
	}},
	{name: "no free connection", longest: time.Second, strike: func(f *fault, j *journey, r *rand.Rand) {
		j.refused, j.back = errNoConnection, spread(r, 30*time.Millisecond)
	}},
	{name: "server loads its data", longest: time.Second,
		begin: func(w *world, f *fault) { w.server.answers = classed("LOADING") },
		end:   func(w *world, f *fault) { w.server.answers = nil },
	},
	{name: "server hangs", longest: 3 * time.Second,
		begin: func(w *world, f *fault) { w.server.hung = true },
		end: func(w *world, f *fault) {
			s := w.server
			s.hung = false
			waiting := s.buffered
			s.buffered = nil
			// Not quite in the order in which they came: each connection is its own.
			r, turn := w.random(fmt.Sprint("wake-up ", f.From)), map[*call]time.Duration{}
			for _, c := range waiting {
				turn[c] = c.asked + below(r, latest)
			}
			slices.SortStableFunc(waiting, func(a, b *call) int { return cmp.Compare(turn[a], turn[b]) })
			for i, c := range waiting {
				w.schedule(w.now()+time.Duration(i+1)*time.Microsecond, func() {
					c.arrive(journey{back: w.plan.Latency})
				})
			}
			w.weather.lasts(w.now() + time.Duration(len(waiting)+1)*time.Microsecond)
		},
	},
	{name: "server restarts", longest: time.Second,
		begin: func(w *world, f *fault) { w.server.stop() },
		end:   func(w *world, f *fault) { w.server.stops-- },
	},
	{name: "server restarts without its data", longest: time.Second,
		begin: func(w *world, f *fault) {
			w.server.stop()
			for _, key := range w.server.keys() {
				w.server.take(key, "gone with a restart")
			}
		},
		end: func(w *world, f *fault) { w.server.stops-- },
	},
	{name: "a key is evicted", begin: func(w *world, f *fault) {
		w.server.take(keyName(f.Key), "evicted")
	}},
	{name: "server's clock jumps forward", begin: func(w *world, f *fault) { w.server.jump(f.By) }},
	{name: "a process stops", longest: 3 * time.Second, begin: func(w *world, f *fault) {
		w.processes[f.Process].stopsUntil(f.To)
	}},
}

func (f *fault) kind() *faultKind { return &faults[f.Kind] }

// weather is the faults that there are at a time.
type weather struct {
	now   []*fault
	until time.Duration // the last fault that has begun is over, and what it delayed has landed
}

// begins schedules a fault.
func (w *world) begins(f *fault) {
	w.schedule(f.From, func() {
		w.log("fault", "%s begins", f.kind().name)
		w.weather.now = append(w.weather.now, f)
		w.weather.lasts(f.To)
		if f.kind().begin != nil {
			f.kind().begin(w, f)
		}
	})
	w.schedule(f.To, func() {
		w.log("fault", "%s is over", f.kind().name)
		w.weather.now = slices.DeleteFunc(w.weather.now, func(other *fault) bool { return other == f })
		w.weather.lasts(w.now())
		if f.kind().end != nil {
			f.kind().end(w, f)
		}
	})
}

func (x *weather) lasts(until time.Duration) { x.until = max(x.until, until) }

// strike changes the journey of a request as the weather demands.
func (x *weather) strike(c *call, j *journey, r *rand.Rand) {
	for _, f := range x.now {
		if f.kind().strike != nil && r.Float64() < f.Share {
			f.kind().strike(f, j, r)
			j.struck = true
		}
	}
}

const errNoConnection = classed("pool_exhausted")

// classed is an error of a server that names its class.
type classed string

func (c classed) Error() string     { return string(c) }
func (c classed) ErrorType() string { return string(c) }
