package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/otellock"
)

// A crowd is many requests at once, and what became of them.
type crowd struct {
	*stage
	projects *otellock.Target

	mu          sync.Mutex
	statuses    map[int]int
	unprotected int
	types       map[string]int // why they were, by error.type
	overlaps    int            // ran while another one did
	longest     trace.TraceID  // of those that had to wait for the lock
	waited      time.Duration
}

// alone reports whether each of them was alone on its project while it ran.
func (c *crowd) alone() bool { return c.unprotected == 0 && c.overlaps == 0 }

func (c *crowd) play(ctx context.Context, requests, keys int) {
	running := make([]atomic.Int32, keys)
	var group sync.WaitGroup
	for i := range requests {
		group.Go(func() {
			start := time.Now()
			var waited time.Duration
			var held, alone bool
			m := c.projects.Mutex(fmt.Sprint(i % keys)).With(c.options()...)
			status, id := c.put(ctx, "/projects/{id}", m, func(ctx context.Context) {
				waited, held = time.Since(start), protected(ctx)
				alone = running[i%keys].Add(1) == 1
				defer running[i%keys].Add(-1)
				c.work(ctx, 8*time.Millisecond)
			})
			c.count(status, id, waited, held, alone)
		})
	}
	group.Wait()
}

func (c *crowd) count(status int, id trace.TraceID, waited time.Duration, held, alone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses[status]++
	if status != http.StatusOK {
		return
	}
	if !alone {
		c.overlaps++
	}
	if !held {
		c.unprotected++
		c.types[c.seen.errorType(id)]++
	} else if waited > c.waited {
		c.waited, c.longest = waited, id
	}
}

func (c *crowd) print() {
	ran := c.statuses[http.StatusOK]
	switch {
	case c.alone():
		c.say(good, "   ", fmt.Sprintf("%d ran, never two at once on one project.", ran))
	case c.unprotected > 0:
		c.say(bad, "   ", fmt.Sprintf("%d of %d ran UNPROTECTED, %d beside another one: Redis did not serve them within %v.",
			c.unprotected, ran, c.overlaps, c.attempt))
		for class, n := range c.types {
			c.say(bad, "   ", fmt.Sprintf("error.type %s: %d", class, n))
		}
	default:
		c.say(bad, "   ", fmt.Sprintf("%d of %d ran beside another one, although all had the lock when they began.", c.overlaps, ran))
	}
	if n := c.statuses[http.StatusConflict]; n > 0 {
		c.say(warned, "   ", fmt.Sprintf("%d waited %v in vain: 409.", n, c.wait()))
	}
	if n := c.statuses[http.StatusServiceUnavailable]; n > 0 {
		c.say(bad, "   ", fmt.Sprintf("%d failed.", n))
	}
}
