package simulation

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// The truth is what nobody in the world knows: what every operation was
// answered, and what became of every token in the server.
type truth struct {
	*world
	uses   []*use
	byName map[string]*use
	tokens map[string]*token
	inName []*token // all tokens, in the order in which they appeared
}

// A token is one that the lock asked for.
type token struct {
	name   string
	secret string
	key    string
	use    *use // that asked for it

	granted    time.Duration // by the server; 0: never
	expires    time.Duration
	longest    time.Duration // time to live that was asked for
	end        string        // why the server has it no more
	ended      time.Duration
	releasedBy string // the call
	robbed     bool   // a fault took it, or some of its time
	fences     []uint64

	unanswered bool          // an acquire of it was never answered
	left       time.Duration // before its use was over: another was asked for; or later, by Close
}

// givenUp reports whether Close no longer waited for the cleanup of the token: its
// context was over, or the token's time to live had passed. A server that hung
// meanwhile counts it from then on.
func (t *token) givenUp() bool {
	p := t.use.process
	return p != nil && (p.cutOff || p.closed && p.closeTook >= t.longest) // it has none at the end
}

// A use is one operation that acquires, and the lease that came of it.
type use struct {
	step      step
	operation operation
	name      string
	key       string
	process   *process
	nested    bool          // its context held the key already
	deadline  time.Duration // of its context; 0: none

	begun, ran, leaving, done time.Duration // 0: not yet
	live                      time.Duration // when it was last seen to hold the lock for certain
	runs                      int
	protected                 bool
	lease                     *otellock.Lease
	caller, work              context.Context
	token                     *token        // that was granted
	asking                    *token        // that was asked for last
	granted                   bool          // as the process was told
	busy, failed, unsent      int           // answers to its acquires; the last for want of a connection
	firstRelease              time.Duration // when it was sent
	unsure                    bool          // something was never answered
	extends                   []*extension
	shortest                  time.Duration // time to live of any extend, also of renewals
	lossKnown                 bool          // by an Extend

	manual   bool // of Lock or TryLock
	kept     bool // left to Close
	saysRan  bool // what TryDo or TryLock returned
	released error
	err      error
	panicked any
	outcome  string // of the acquire
}

// An extension is one call of Extend.
type extension struct {
	name  string
	ttl   time.Duration
	begun time.Duration
	asked int // calls of the backend
	queue int // extends of the lease under way, with this one
	err   error
	done  bool
}

func (x *truth) token(name string, claim otellock.Claim, operation string) *token {
	t, ok := x.tokens[name]
	if !ok {
		u := x.byName[operation]
		if u == nil { // the newcomer's
			u = &use{name: operation}
		}
		t = &token{name: name, secret: claim.Token, key: claim.Key, use: u}
		x.tokens[name] = t
		x.inName = append(x.inName, t)
	}
	return t
}

func (x *truth) begins(u *use) {
	u.begun = x.now()
	for other := range x.waiters(u) {
		u.busy += other.busy
	}
	x.uses = append(x.uses, u)
	x.byName[u.name] = u
	x.log(u.name, "%s %s begins: wait %v, deadline %v, cancel %v, ttl %v, closed %t", u.operation.name, u.key,
		u.step.Wait, u.step.Deadline, u.step.Cancel, u.step.TTL, u.step.Closed)
}

// waiters are those that wait in the queue which u is in, or would be.
func (x *truth) waiters(u *use) iter.Seq[*use] {
	return func(yield func(*use) bool) {
		for _, other := range x.uses {
			if other != u && other.process == u.process && other.key == u.key && other.isWaiting() && !yield(other) {
				return
			}
		}
	}
}

// isWaiting reports whether u is in the queue of its key.
func (u *use) isWaiting() bool { return !u.operation.try && u.runs == 0 && u.done == 0 }

// mayFail reports whether an acquire has a failure to go by: its own, that of
// another in its queue or of one that is not answered yet, or an open breaker.
func (x *truth) mayFail(u *use) bool {
	return u.failed > 0 || u.process.pending[u.key] > 0 || u.process.open
}

// asked is when the process calls the backend. If it is stopped, the request is sent
// later.
func (x *truth) asked(c *call) {
	if u := c.token.use; c.kind == extend && (u.shortest == 0 || c.claim.TTL < u.shortest) {
		u.shortest = c.claim.TTL
	}
}

// sent is when the process has asked the backend.
func (x *truth) sent(c *call) {
	x.log(c.name, "is sent, ttl %v", c.claim.TTL)
	u := c.token.use
	switch c.kind {
	case acquire:
		if before := u.asking; before != nil && before != c.token {
			before.left = x.now()
		}
		u.asking = c.token
		if u.process != nil {
			u.process.pending[u.key]++
		}
	case release:
		if u.token == c.token && u.firstRelease == 0 {
			u.firstRelease = x.now()
		}
	case extend:
		i := slices.IndexFunc(u.extends, func(e *extension) bool { return e.name == c.within })
		if i < 0 {
			u.process.renewals++
			break
		}
		u.extends[i].asked++
	}
}

// answered is when the process has its answer, or knows that there is none.
func (x *truth) answered(c *call, r reply) {
	t, u := c.token, c.token.use
	late := r.granted && x.now()-c.asked >= c.claim.TTL // a lease that may be over counts as no answer
	silent := late || r.err != nil && unanswered(r.err)
	c.process.hears(c, r)
	switch {
	case c.kind == acquire && (late || r.err != nil):
		t.unanswered = t.unanswered || silent
		u.unsure = u.unsure || silent
		u.failed++
		for other := range x.waiters(u) {
			other.failed++
		}
		if r.err == errNoConnection {
			u.unsent++
		}
	case c.kind == acquire && r.granted:
		u.granted, u.token = true, t
		for other := range x.waiters(u) {
			other.busy++
		}
	case c.kind == acquire:
		u.busy++
		for other := range x.waiters(u) {
			other.busy++
		}
	case silent:
		u.unsure = true
	}
}

func unanswered(err error) bool {
	var c classed
	return !errors.As(err, &c) && !errors.Is(err, errRefused)
}

// runs is when the work begins.
func (x *truth) runs(u *use, lease *otellock.Lease, protected bool) {
	u.ran = x.now()
	u.runs++
	u.lease, u.work, u.protected = lease, lease.Context(), protected
	what := "unprotected"
	if protected {
		what = "under " + u.token.name
	}
	x.log(u.name, "runs %s", what)
	x.checkRun(u)
}

func (x *truth) releasing(u *use) {
	u.leaving = x.now()
	x.log(u.name, "the work ends")
}

func (x *truth) keeps(u *use) {
	u.kept, u.leaving = u.protected, 0
	x.log(u.name, "keeps the lease")
}

func (x *truth) extends(u *use, e *extension) {
	e.begun, e.queue = x.now(), 1
	if u.step.Renew > 0 { // a renewal may be under way
		e.queue++
	}
	for _, other := range u.extends {
		if !other.done {
			e.queue++
		}
	}
	u.extends = append(u.extends, e)
	x.log(e.name, "Extend of %s begins, ttl %v", u.name, e.ttl)
}

func (x *truth) extended(u *use, e *extension, err error) {
	e.done, e.err = true, err
	x.log(e.name, "Extend of %s: %v", u.name, err)
	x.checkExtend(u, e)
}

// returned is when the operation is over.
func (x *truth) returned(u *use, err error, ended bool) {
	u.done, u.err = x.now(), err
	x.log(u.name, "returns %v; Release %v; panic %v", err, u.released, u.panicked)
	x.checkReturn(u, ended)
}

// isHeld reports whether the process holds the lease, as it was told.
func (u *use) isHeld() bool {
	return u.protected && u.leaving == 0 && !u.process.closing
}

// isWatched reports whether the lease's deadline is its end, whatever the server says.
func (u *use) isWatched() bool { return u.step.Closed || u.step.Renew > 0 }

// lostAt is when the lease counts as lost at the earliest and at the latest, if it is
// watched and not extended: where it is renewed and its loss ends the work, that is
// one attempt timeout before its deadline, or a third of its time to live if an extend
// has made that shorter.
func (u *use) lostAt() (earliest, latest time.Duration) {
	deadline := u.lease.Deadline().Sub(u.process.start)
	if !u.step.Closed || u.step.Renew == 0 {
		return deadline, deadline
	}
	timeout := u.process.plan.AttemptTimeout
	earliest, latest = deadline-timeout, deadline-timeout
	if u.shortest > 0 {
		latest = deadline - min(timeout, u.shortest/3)
	}
	return earliest, latest
}

// leftAt is since when nobody wants the token.
func (t *token) leftAt() time.Duration {
	switch u := t.use; {
	case t.left > 0:
		return t.left
	case u.runs > 0 && !u.protected: // the acquire has failed
		return u.ran
	default:
		return u.done
	}
}

// isWanted reports whether somebody holds the token, asks for it or returns it.
func (t *token) isWanted() bool {
	u := t.use
	if u.runs == 0 && u.done == 0 { // still acquiring
		return u.asking == t
	}
	return u.protected && u.token == t && (u.done == 0 || u.kept && !u.process.closed)
}
