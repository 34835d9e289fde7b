package simulation

import (
	"fmt"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A notifier is a client whose server wakes waiters: [otellock.Notifier]. A wake-up
// takes its time, and may be lost.
type notifier struct{ *client }

// Forget is a request that nobody waits for.
func (n notifier) Forget(key string, w otellock.Waiter) {
	i := n.process.inbox(key, w)
	if i == nil {
		return
	}
	n.post(message{rankCall, i.name, n.names.number(i.name), func() {
		n.schedule(n.now()+spread(n.random(i.name+"/forget"), n.plan.Latency), func() { n.server.forgetWaiter(key, i) })
	}})
}

// An inbox is the server's idea of a waiter: the way to it.
type inbox struct {
	process *process
	name    string
	waiter  otellock.Waiter
	wakes   int
}

// inbox is the same one for the same waiter.
func (p *process) inbox(key string, w otellock.Waiter) *inbox {
	if w == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.inboxes[w]
	if i == nil {
		i = &inbox{process: p, name: fmt.Sprintf("%s/%s/waiters%d", p.name, key, len(p.inboxes)+1), waiter: w}
		p.inboxes[w] = i
	}
	return i
}

// Wake is called by the server.
func (i *inbox) Wake(remote bool) {
	p := i.process
	i.wakes++
	r := p.random(fmt.Sprint(i.name, "/wake", i.wakes))
	way := spread(r, p.world.plan.Latency)
	switch n := r.IntN(10); {
	case n == 0:
		p.log(i.name, "a wake-up is lost")
		return
	case n == 1:
		way += time.Duration(r.Int64N(int64(time.Second)))
	}
	p.toProcess(p, p.now()+way, func() {
		p.log(i.name, "is woken, remote %t", remote)
		i.waiter.Wake(remote)
	})
}

// WakeAlone is called by a server that cannot tell whose turn it is: this one can.
func (i *inbox) WakeAlone() { i.process.violate("the server", "it cannot tell whose turn it is") }

func (s *server) forgetWaiter(key string, i *inbox) {
	if s.stops == 0 && !s.hung {
		s.backend.Forget(key, i)
	}
}
