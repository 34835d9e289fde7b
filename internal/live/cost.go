package live

import (
	"runtime"
	"sync"
	"time"
)

const (
	maxFrames = 32
	maxStacks = 1000 // whose costs are kept apart; for each target the rest share one without frames
)

// A stack is where a caller waits.
type stack struct {
	frames [maxFrames]uintptr
	n      int
}

func (s *stack) capture(skip int) { s.n = runtime.Callers(skip+2, s.frames[:]) }

// A Cost is what waiting in one place for the locks of one target has cost.
type Cost struct {
	Target      string
	Stack       []uintptr // as of runtime.Callers; empty for what exceeds the bound
	Contentions int64
	Delay       time.Duration
}

type costKey struct {
	target string
	frames [maxFrames]uintptr
}

type costTable struct {
	mu    sync.Mutex
	since time.Time
	table map[costKey]*Cost
}

var costs = costTable{since: time.Now(), table: map[costKey]*Cost{}}

func (c *costTable) add(target string, s *stack, waited time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := costKey{target, s.frames}
	cost := c.table[key]
	if cost == nil && len(c.table) >= maxStacks {
		key.frames = [maxFrames]uintptr{}
		cost = c.table[key]
	}
	if cost == nil {
		cost = &Cost{Target: target}
		if key.frames[0] != 0 {
			cost.Stack = append(cost.Stack, s.frames[:s.n]...)
		}
		c.table[key] = cost
	}
	cost.Contentions++
	cost.Delay += waited
}

// Costs returns what waiting has cost in every place, and since when.
func Costs() (all []Cost, since time.Time) {
	costs.mu.Lock()
	defer costs.mu.Unlock()
	for _, c := range costs.table {
		all = append(all, *c)
	}
	return all, costs.since
}
