package simulation

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// patience is how long after the last fault a key that nobody holds may stay.
const patience = time.Second

// instants is what events that would share an instant are moved apart, in all.
const instants = time.Microsecond

var errRefused = syscall.ECONNREFUSED

// keepsPromises is checked after every step.
func (w *world) keepsPromises() {
	holders := map[string]*use{}
	for _, u := range w.truth.uses {
		if !u.isHeld() || u.token == nil {
			continue
		}
		// Where the server's clock is fast, nobody can promise the last of a lease.
		t := u.token
		deadline := u.lease.Deadline().Sub(w.start) - max(0, t.longest-w.server.lifetime(t.longest))
		if u.lossKnown || w.now() >= deadline || t.robbed {
			continue
		}
		switch {
		case t.granted == 0:
			w.violate("a live lease is in the server", "%s was never granted to %s", t.name, u.name)
		case t.end != "":
			w.violate("a live lease is in the server", "%s of %s is %s by %s, %v before its deadline", t.name, u.name, t.end, t.releasedBy, deadline-t.ended)
		case t.expires < deadline:
			w.violate("Deadline never says more than the server holds", "%v more for %s", deadline-t.expires, t.name)
		}
		if other := holders[u.key]; other != nil {
			w.violate("one holder", "%s and %s are protected at once", u.name, other.name)
		}
		holders[u.key] = u
		u.live = w.now()
	}
	w.workIsTold()
	for _, key := range w.server.keys() {
		t := w.server.holder(key)
		if t == nil || t.isWanted() || t.givenUp() {
			continue
		}
		since := max(t.leftAt(), w.weather.until)
		if w.now() > since+patience {
			w.violate("no key is left behind", "%s holds %s, %v after the last fault, and after %s left it", t.name, key, w.now()-since, t.use.name)
		}
	}
}

// workIsTold: work whose loss ends it knows it when the lease is over.
func (w *world) workIsTold() {
	for _, u := range w.truth.uses {
		if u.protected && u.step.Closed && u.done == 0 && u.leaving == 0 && u.work.Err() == nil {
			if _, latest := u.lostAt(); w.now() > latest {
				w.violate("work is told that its lease is over", "%s, %v after it", u.name, w.now()-latest)
			}
		}
		if u.protected && u.work.Err() != nil && u.leaving == 0 && !u.process.closing && u.caller.Err() == nil && context.Cause(u.work) == context.Canceled {
			w.violate("a context of the work ends with a cause", "%s", u.name)
		}
	}
}

// checkRun holds the work's beginning against what the acquire was told.
func (x *truth) checkRun(u *use) {
	x.checkAcquireTime(u, u.ran)
	switch {
	case u.runs > 1:
		x.violate("fn runs once", "%s ran %d times", u.name, u.runs)
	case u.protected && !u.granted:
		x.violate("Protected is true", "%s was never granted the lock", u.name)
	case !u.protected && u.step.Closed:
		x.violate("fail-closed never runs unprotected", "%s", u.name)
	case !u.protected && (!x.mayFail(u) || u.granted):
		x.violate("only a backend that fails makes fn run unprotected", "%s: busy %d, granted %t", u.name, u.busy, u.granted)
	}
	fence, fenced := u.lease.Fence()
	if fenced != (u.protected && u.step.Fencing) || fenced && !slices.Contains(u.token.fences, fence) {
		x.violate("the fence is the server's", "%s has %d, %t", u.name, fence, fenced)
	}
	if u.protected {
		u.outcome = "acquired"
	} else {
		u.outcome = "backend_error"
	}
}

// checkAcquireTime: an acquire ends at the caller's deadline, or one attempt
// timeout after the wait.
func (x *truth) checkAcquireTime(u *use, at time.Duration) {
	wait := u.step.Wait
	if wait < 0 {
		wait = u.process.plan.Wait
	}
	if u.operation.try && u.unsent == 0 { // it waits for a connection, not for the lock
		wait = 0
	}
	limit := u.begun + wait + u.process.plan.AttemptTimeout
	if u.deadline > 0 {
		limit = max(u.begun, min(limit, u.deadline))
	}
	if at > limit+instants+u.process.stoppedSince(u.begun) {
		x.violate("an acquire ends in time", "%s took %v, the limit is %v", u.name, at-u.begun, limit-u.begun)
	}
}

// checkReturn holds the result of an operation against what it was told.
func (x *truth) checkReturn(u *use, ended bool) {
	if u.panicked != nil && u.panicked != error(errWork) {
		x.violate("the lock does not panic", "%s: %v", u.name, u.panicked)
	}
	var e *otellock.Error
	isLock := errors.As(u.err, &e)
	if u.runs > 0 {
		x.checkWork(u)
	} else {
		x.checkAcquireTime(u, u.done)
		switch {
		case u.err == nil && u.operation.try:
			u.outcome = "skipped"
			if u.saysRan {
				x.violate("TryDo says whether fn ran", "%s", u.name)
			}
		case u.err == nil:
			x.violate("fn runs, or there is an error", "%s", u.name)
		case !isLock || e.Op != "acquire":
			x.violate("fn runs as documented", "%s: %v", u.name, u.err)
		case errors.Is(u.err, otellock.ErrClosed):
			u.outcome = ""
			if !u.process.closing {
				x.violate("ErrClosed comes of Close", "%s", u.name)
			}
		case errors.Is(u.err, otellock.ErrContended):
			u.outcome = "contended"
			if u.operation.try {
				x.violate("a try is skipped, not contended", "%s", u.name)
			}
		case errors.Is(u.err, otellock.ErrBackend):
			u.outcome = "backend_error"
			if !u.step.Closed || !x.mayFail(u) {
				x.violate("ErrBackend comes of a backend that fails, and of fail-closed", "%s: failed %d", u.name, u.failed)
			}
		case errors.Is(u.err, context.Canceled), errors.Is(u.err, context.DeadlineExceeded):
			u.outcome = "canceled"
			if e.Type != "canceled" {
				u.outcome = "backend_error"
			}
			if !ended {
				x.violate("a context's error comes of a context that has ended", "%s", u.name)
			}
		default:
			x.violate("fn runs as documented", "%s: %v", u.name, u.err)
		}
	}
	if (u.outcome == "skipped" || u.outcome == "contended") && u.busy == 0 && !u.nested {
		x.violate("contention is real", "%s was never told that the lock is busy", u.name)
	}
	if u.protected {
		u.process.protected++
	}
	if u.outcome != "" {
		u.process.counted[counted{"acquire", u.outcome}]++
	}
}

// checkWork is the end of an operation whose work ran.
func (x *truth) checkWork(u *use) {
	var lock *otellock.Error
	isLock := errors.As(u.err, &lock)
	loss := u.released
	if !u.manual {
		switch {
		case u.step.Panics:
			if u.panicked == nil {
				x.violate("a panic of fn comes out", "%s", u.name)
			}
		case u.step.Fails != errors.Is(u.err, errWork):
			x.violate("fn's error comes out", "%s: %v", u.name, u.err)
		case isLock && !u.step.Closed:
			x.violate("fail-open returns fn's error alone", "%s: %v", u.name, u.err)
		case isLock && lock.Op != "release":
			x.violate("fn runs, or the acquire failed", "%s: %v", u.name, u.err)
		}
		if isLock {
			loss = u.err
		}
		if u.operation.try && !u.saysRan && u.panicked == nil {
			x.violate("TryDo says whether fn ran", "%s", u.name)
		}
	}
	if u.protected && u.leaving > 0 {
		x.checkLoss(u, "release", loss)
		if took := u.done - u.leaving - u.process.stoppedSince(u.leaving); took > u.process.plan.AttemptTimeout+instants {
			x.violate("a release takes one attempt timeout", "%s took %v", u.name, took)
		}
	}
	if !u.protected && loss != nil {
		x.violate("an unprotected lease has nothing to release", "%s: %v", u.name, loss)
	}
}

// checkLoss: a loss is reported only where the lease was lost.
func (x *truth) checkLoss(u *use, operation string, err error) {
	t := u.token
	own := t.end == "released" && t.use == u
	switch {
	case err == nil, errors.Is(err, otellock.ErrClosed):
	case errors.Is(err, otellock.ErrStolen):
		if own || t.end == "" {
			x.violate("stolen is true", "%s of %s, which is %q by %s", operation, u.name, t.end, t.releasedBy)
		}
	case errors.Is(err, otellock.ErrLost):
		if own && operation == "release" || !t.robbed && x.server.rate <= 1 {
			x.violate("lost is true", "%s of %s, which is %q by %s", operation, u.name, t.end, t.releasedBy)
		}
	case errors.Is(err, otellock.ErrExpired):
		due := u.lease.Deadline().Sub(x.start)
		if u.isWatched() {
			due, _ = u.lostAt()
		}
		if own && u.firstRelease > 0 && u.firstRelease < due {
			x.violate("expired is true", "%s of %s, which is %q by %s", operation, u.name, t.end, t.releasedBy)
		}
	}
}

func (x *truth) checkExtend(u *use, e *extension) {
	p := u.process
	var lock *otellock.Error
	if e.err != nil && !errors.As(e.err, &lock) {
		x.violate("Extend returns the lock's errors", "%s: %v", e.name, e.err)
	}
	if e.err == nil && !u.protected {
		x.violate("Extend never fails open", "%s", e.name)
	}
	loss := errors.Is(e.err, otellock.ErrLost) || errors.Is(e.err, otellock.ErrStolen) || errors.Is(e.err, otellock.ErrExpired)
	switch {
	case !loss || !u.protected || lock.Type == "released":
	case lock.Op == "lease": // by the clock, which warned
		if e.asked > 0 {
			p.untold++
		}
	default:
		x.checkLoss(u, "extend", e.err)
		u.lossKnown = true
	}
	if took := x.now() - e.begun - p.stoppedSince(e.begun); took > time.Duration(e.queue)*p.plan.AttemptTimeout+instants {
		x.violate("an extend takes one attempt timeout", "%s took %v", e.name, took)
	}
	if e.asked > 0 {
		if e.err == nil {
			p.counted[counted{"extend", "extended"}]++
		} else {
			p.counted[counted{"extend", "extend_error"}]++
		}
	}
}
