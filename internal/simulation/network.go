package simulation

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

type kind string

const (
	acquire kind = "acquire"
	extend  kind = "extend"
	release kind = "release"
)

// A call is one request of a process, and its way to the server and back. The
// request goes on when the caller has given up.
type call struct {
	*world
	process  *process
	kind     kind
	claim    otellock.Claim
	token    *token
	name     string
	within   string // the operation that it is a part of
	asked    time.Duration
	deadline time.Duration
	reply    chan reply

	over   bool // the caller has its answer
	struck bool // by a fault
}

type reply struct {
	granted bool
	queued  bool // with [otellock.Notifier]
	fence   uint64
	err     error
}

// A journey is what becomes of a request.
type journey struct {
	out, back   time.Duration // on the way
	loseRequest bool
	loseReply   bool
	cut         bool  // the connection breaks where the loss happens, and the caller sees it
	refused     error // at once, and nothing is sent
	struck      bool
}

// A client is the backend that one process has: [otellock.Backend] over the
// simulated network.
type client struct {
	*world
	process *process
}

func (c *client) Name() string { return "simulated" }

func (c *client) Capabilities() otellock.Capabilities { return otellock.Capabilities{Fence: true} }

func (c *client) Acquire(ctx context.Context, claim otellock.Claim) (otellock.Grant, error) {
	r := c.ask(ctx, acquire, claim)
	return otellock.Grant{Acquired: r.granted && r.err == nil, Fence: r.fence, Queued: r.queued && r.err == nil}, r.err
}

func (c *client) Extend(ctx context.Context, claim otellock.Claim) error {
	return c.ask(ctx, extend, claim).err
}

func (c *client) Release(ctx context.Context, claim otellock.Claim) error {
	return c.ask(ctx, release, claim).err
}

func (c *client) ask(ctx context.Context, kind kind, claim otellock.Claim) reply {
	if err := ctx.Err(); err != nil {
		return reply{err: err}
	}
	if i := c.process.inbox(claim.Key, claim.Waiter); i != nil {
		claim.Waiter = i
	}
	token := c.names.token(claim.Token, operationOf(ctx))
	name := token + "/" + string(kind)
	deadline, _ := ctx.Deadline()
	out := &call{world: c.world, process: c.process, kind: kind, claim: claim,
		asked: c.now(), deadline: deadline.Sub(c.start), reply: make(chan reply, 1)}
	number := c.names.number(name)
	out.name = fmt.Sprintf("%s#%d", name, number)
	operation := operationOf(ctx)
	out.within = operation
	c.post(message{rankCall, name, number, func() {
		out.token = c.truth.token(token, claim, operation)
		c.truth.asked(out)
		out.send()
	}})
	if c.plan.HonoursCancel {
		defer context.AfterFunc(ctx, func() {
			if ctx.Err() == context.Canceled {
				c.post(message{rankCall, name, number, func() { out.answer("canceled", reply{err: context.Canceled}) }})
			}
		})()
	}
	return <-out.reply
}

// send puts the request on its way.
func (c *call) send() {
	p := c.process
	if until := p.stoppedUntil; until > c.now() {
		c.schedule(until, c.send)
		return
	}
	c.truth.sent(c)
	c.toProcess(p, c.deadline, func() { c.answer("no answer", reply{err: context.DeadlineExceeded}) })
	r := c.random(c.name)
	j := journey{out: spread(r, c.plan.Latency), back: spread(r, c.plan.Latency)}
	c.weather.strike(c, &j, r)
	c.struck = j.struck
	switch {
	case j.refused != nil:
		c.log(c.name, "is not sent")
		c.returns(j.back, reply{err: j.refused})
		return
	case j.loseRequest:
		c.log(c.name, "is lost on its way")
		if j.cut {
			c.returns(j.out, reply{err: io.EOF})
		}
		return
	}
	if j.struck {
		c.weather.lasts(c.now() + j.out)
	}
	c.schedule(c.now()+j.out, func() { c.arrive(j) })
}

// arrive is when the request reaches the server.
func (c *call) arrive(j journey) {
	s := c.server
	switch {
	case s.stops > 0:
		c.log(c.name, "reaches nobody")
		c.returns(j.back, reply{err: io.EOF})
		return
	case s.hung:
		c.log(c.name, "waits in the server that hangs")
		s.buffered = append(s.buffered, c)
		return
	}
	r := s.execute(c)
	c.log(c.name, "is executed: %s", c.says(r))
	switch {
	case j.loseReply && j.cut:
		c.returns(j.back, reply{err: io.EOF})
	case !j.loseReply:
		c.returns(j.back, r)
	}
}

// returns brings the reply to the process.
func (c *call) returns(after time.Duration, r reply) {
	c.toProcess(c.process, c.now()+after, func() { c.answer("answered "+c.says(r), r) })
}

func (c *call) answer(what string, r reply) {
	if c.over {
		return
	}
	c.over = true
	c.log(c.name, "%s", what)
	c.truth.answered(c, r)
	c.reply <- r
}

func (c *call) says(r reply) string {
	switch {
	case r.err != nil:
		return r.err.Error()
	case c.kind == acquire && r.granted:
		return "granted"
	case c.kind == acquire:
		return "busy"
	}
	return "done"
}
