package simulation

import (
	"fmt"
	"slices"

	"github.com/otellock/otellock-go/otellock"
)

// A waker is a client whose server wakes waiters: [otellock.Notifier]. A process has
// a place in the list of a key, and the messages that call it may be late or lost.
type waker struct{ *client }

// A waiting is who waits for a key in a process.
type waiting struct {
	process *process
	who     otellock.Waiter
}

// enlist gives the caller's waiter the last place, unless its process has one. A
// new waiter of the process takes the place of the one before.
func (s *server) enlist(c *call) bool {
	if c.claim.Waiter == nil {
		return false
	}
	list := s.waiting[c.claim.Key]
	i := slices.IndexFunc(list, func(w waiting) bool { return w.process == c.process })
	if i < 0 {
		s.waiting[c.claim.Key] = append(list, waiting{c.process, c.claim.Waiter})
	} else {
		list[i].who = c.claim.Waiter
	}
	return true
}

// delist ends the place of a process, and reports whether it had one.
func (s *server) delist(p *process, key string) bool {
	list := s.waiting[key]
	i := slices.IndexFunc(list, func(w waiting) bool { return w.process == p })
	if i >= 0 {
		s.waiting[key] = slices.Delete(list, i, i+1)
	}
	return i >= 0
}

// wakeNext calls who waits longest: by the reply to its own release, or by a message.
// It returns who is woken by the reply.
func (s *server) wakeNext(key string, by *process) otellock.Waiter {
	list := s.waiting[key]
	if len(list) == 0 {
		return nil
	}
	next := list[0]
	s.waiting[key] = list[1:]
	if next.process == by {
		return next.who
	}
	var j journey
	r := s.random(fmt.Sprint("wake-up of ", next.process.name, s.names.number("wake-up")))
	j.back = spread(r, s.plan.Latency)
	s.weather.strike(&call{world: s.world}, &j, r)
	if j.loseReply || j.loseRequest || j.refused != nil || s.stops > 0 {
		s.log("server", "%s: the wake-up of %s is lost", key, next.process.name)
		return nil
	}
	s.log("server", "%s: wakes %s", key, next.process.name)
	s.toProcess(next.process, s.now()+j.out+j.back, func() { next.who.Wake(true) })
	return nil
}

// Forget ends the place of a waiter, and calls the next one if it was called itself.
func (c *waker) Forget(key string, who otellock.Waiter) {
	name := c.process.name + "/forget"
	c.post(message{rankCall, name, c.names.number(name), func() {
		c.toProcess(c.process, c.now()+c.plan.Latency, func() {
			s := c.server
			list := s.waiting[key]
			if i := slices.IndexFunc(list, func(w waiting) bool { return w.who == who }); i >= 0 {
				s.waiting[key] = slices.Delete(list, i, i+1)
			} else if s.holder(key) == nil && s.stops == 0 && !s.hung {
				if own := s.wakeNext(key, c.process); own != nil {
					own.Wake(true)
				}
			}
		})
	}})
}
