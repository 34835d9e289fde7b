package otellock

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// attempt asks the backend once. A backend that panics has not answered, and
// costs no more than one that hangs.
func attempt(b Backend, ctx *attemptContext, op operation, c Claim) (grant Grant, err error) {
	defer func() {
		ctx.stop()
		if p := recover(); p != nil {
			grant, err = Grant{}, fmt.Errorf("the backend panicked: %v", p)
		}
	}()
	switch op {
	case opAcquire:
		return b.Acquire(ctx, c)
	case opExtend:
		return Grant{}, b.Extend(ctx, c)
	}
	return Grant{}, b.Release(ctx, c)
}

// An answer is what the backend said to a release or an extend.
type answer struct {
	class   string // of the failure; empty where there is none
	cause   error  // its raw error
	at      time.Time
	retries int
}

// ask makes one attempt to release or to extend, and a second one if the first
// was never answered, both within the timeout from now and whatever becomes of
// the caller. The key's absence at the second attempt to release is the answer to
// the first one. first is memory for the first attempt's context.
func (h *hold) ask(ctx context.Context, op operation, ttl time.Duration, now time.Time, timeout time.Duration, first *attemptContext) answer {
	detached := context.WithoutCancel(ctx)
	a, start, limit := first, now, timeout/2
	for retries := 0; ; retries++ {
		again := retries > 0
		a.Context, a.deadline = detached, start.Add(limit)
		_, err := attempt(h.settings.family.locker.backend, a, op, h.claim(ttl))
		now = since(now)
		if err == nil || again && op != opExtend && errors.Is(err, ErrLost) {
			return answer{at: now, retries: retries}
		}
		if class := lossType(err, now, h.deadline()); class != "" {
			// Its sentinel says it: an expired lease is not ErrLost as well.
			return answer{class: class, at: now, retries: retries}
		}
		class := errorType(err)
		if again || !unanswered(class) || now.Sub(start) >= timeout {
			return answer{class, err, now, retries}
		}
		a, limit = new(attemptContext), timeout
	}
}

// sentinel is the error that a failed release or extend of this class is.
func sentinel(class string) error {
	if kind, ok := lossesByKind[class]; ok {
		return kind
	}
	return ErrBackend
}
