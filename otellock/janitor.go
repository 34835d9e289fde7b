package otellock

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	janitors     = 4   // attempts under way: few, so that an outage does not empty a client's pool
	janitorQueue = 256 // tokens that wait for one
)

// The janitor removes tokens that an unanswered acquire may have left behind,
// one compare-and-delete each, in the background.
type janitor struct {
	activity
	locker *Locker

	mu      sync.Mutex
	queue   []errand
	working int
}

type errand struct {
	ctx      context.Context
	claim    Claim
	settings *settings
	useless  time.Time // from then on the backend has forgotten the token itself
}

func newJanitor(l *Locker) janitor { return janitor{activity: newActivity(), locker: l} }

func (j *janitor) clean(ctx context.Context, h *hold) {
	e := errand{context.WithoutCancel(ctx), h.claim(h.settings.ttl), h.settings, time.Now().Add(h.settings.ttl)}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) >= janitorQueue {
		e.failed(typeOther)
		return
	}
	j.begin()
	j.queue = append(j.queue, e)
	if j.working < janitors {
		j.working++
		go j.work()
	}
}

func (j *janitor) work() {
	for {
		j.mu.Lock()
		if len(j.queue) == 0 {
			j.working--
			j.mu.Unlock()
			return
		}
		e := j.queue[0]
		j.queue[0] = errand{} // or the array keeps it
		j.queue = j.queue[1:]
		j.mu.Unlock()
		e.run(j)
	}
}

func (e errand) run(j *janitor) {
	defer j.end()
	now := time.Now()
	if !now.Before(e.useless) {
		e.failed(typeExpired)
		return
	}
	a := &attemptContext{Context: e.ctx, deadline: now.Add(e.settings.attemptTimeout)}
	_, err := attempt(j.locker.backend, a, opCleanup, e.claim)
	if err == nil || errors.Is(err, ErrLost) || errors.Is(err, ErrStolen) {
		e.settings.family.done(e.ctx, cleaned)
		return
	}
	e.failed(errorType(err))
}

func (e errand) failed(class string) {
	e.settings.family.add(e.ctx, 1, count{op: opCleanup, outcome: cleanupError, class: class})
}
