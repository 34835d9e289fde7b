package otellock

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"time"

	"github.com/otellock/otellock-go/semconv"
)

var errLateGrant = errors.New("the grant arrived after its time to live had passed")

// A decision is how an acquire ends.
type decision struct {
	outcome outcome
	class   string // of a backend error
	cause   error  // its raw error
	kind    error  // the context's error, where that is what the caller gets
	at      time.Time
}

// acquire takes the lock, or fails open; ok means that fn may run. Busy is
// (false, nil).
func (h *hold) acquire(ctx context.Context) (ok bool, err error) {
	f := h.settings.family
	l := f.locker
	f.preCreateOnce(ctx, h.settings.failClosed)
	h.outer = LeaseFromContext(ctx)
	start := time.Now()
	if h.settings.disabled {
		if err := ended(ctx, start); err != nil {
			f.done(ctx, canceled)
			return false, h.newError(opAcquire, "canceled", err, context.Cause(ctx))
		}
		f.done(ctx, disabled)
		return true, nil
	}

	ctx, span := l.startSpan(ctx, f.spanNames[opAcquire], h.settings.startOptions(opAcquire, h.mode))
	d := h.contend(ctx, start)

	if opts := f.acquireTime[d.outcome]; opts != nil {
		l.acquireDuration.Record(ctx, d.at.Sub(start).Seconds(), opts...)
	}
	if span.IsRecording() {
		span.SetAttributes(outcomeAttrs[d.outcome], semconv.LockRetries(h.retries))
	}
	if h.pending && d.outcome != acquired {
		l.cleanup.add(ctx, h, false)
	}
	if d.outcome != backendError {
		endSpan(span)
	}

	switch d.outcome {
	case acquired:
		f.done(ctx, acquired)
		h.protected = true
		f.countHeld(ctx, 1)
		return true, nil
	case backendError:
		p := policyOf(h.settings.failClosed)
		switch {
		case d.kind != nil: // the caller's deadline: nothing runs, whatever the policy
			p = closed
			err = h.newError(opAcquire, d.class, d.kind, d.cause)
		case p == closed:
			err = h.newError(opAcquire, d.class, ErrBackend, d.cause)
		}
		f.add(ctx, 1, count{opAcquire, backendError, p, d.class})
		h.fail(ctx, span, failure{op: opAcquire, outcome: backendError, policy: p, class: d.class, retries: h.retries})
		return err == nil, err
	case canceled:
		f.done(ctx, canceled)
		return false, h.newError(opAcquire, "canceled", d.kind, context.Cause(ctx))
	default:
		f.done(ctx, d.outcome)
		return false, nil
	}
}

// contend makes attempts until one of them decides:
//
//	granted in time                          acquired
//	busy                                     wait, or contended or skipped
//	no connection, nothing was sent          again, for one attempt timeout after anybody's last answer
//	failed, and the caller's context is over canceled, or backend_error if nobody ever answered
//	failed for the first time after busy     wait: a live holder was there a moment ago
//	failed                                   backend_error
//
// An attempt that was never answered may still land. The next one has the same
// token, and finds it. After an answer the token is not asked for again: the next
// attempt has a new one, and a token that may still land is cleaned up.
func (h *hold) contend(ctx context.Context, start time.Time) (d decision) {
	s := h.settings
	f := s.family
	l := f.locker
	busy := decision{outcome: contended, at: start}
	if h.mode == modeTry {
		busy.outcome = skipped
	}
	if err := ended(ctx, start); err != nil {
		return decision{outcome: canceled, kind: err, at: start}
	}
	if heldBy(h.outer, l, h.key) {
		return busy
	}

	h.token = newToken()
	var wasBusy, absorbed, waiting bool
	now := start
	silent := start // since when nobody has been answered, while there is no connection
	defer func() {
		if waiting {
			f.countWaiting(ctx, -1)
		}
		d.at = now
	}()
	for {
		sent, timeout := now, budget(ctx, now, s.attemptTimeout-now.Sub(silent))
		claim := h.claim(s.ttl)
		claim.Again = h.retries > 0
		grant, err := l.attempt(ctx, opAcquire, claim, timeout)
		now = since(sent)
		class := ""
		switch {
		case err != nil:
			class = errorType(err)
		case grant.Acquired && now.Sub(sent) < s.ttl:
			h.begin(sent, now)
			return decision{outcome: acquired}
		case grant.Acquired:
			err, class = errLateGrant, typeTimeout
		}
		h.pending = h.pending || unanswered(class)
		end := busy
		switch {
		case err == nil:
			wasBusy = true
			if h.mode == modeTry {
				return busy
			}
		case ended(ctx, now) != nil:
			end := ended(ctx, now)
			if wasBusy || !errors.Is(end, context.DeadlineExceeded) {
				return decision{outcome: canceled, kind: end}
			}
			if class != typePool {
				class = typeTimeout
			}
			return decision{outcome: backendError, class: class, cause: err, kind: end}
		case class == typePool && l.answeredSince(silent):
			silent = now
			end = decision{outcome: backendError, class: class, cause: err}
		case class == typePool && now.Sub(silent) < s.attemptTimeout-s.backoffBase:
			end = decision{outcome: backendError, class: class, cause: err}
		case wasBusy && class == typeTimeout && timeout < s.attemptTimeout-sent.Sub(silent):
			// The caller's deadline cut the attempt short: no evidence against the backend.
		case !wasBusy || absorbed:
			return decision{outcome: backendError, class: class, cause: err}
		default:
			absorbed = true
		}

		left := s.wait - now.Sub(start)
		if left <= 0 {
			return end
		}
		if !unanswered(class) {
			h.renewToken(ctx)
		}
		if !waiting {
			waiting = true
			f.countWaiting(ctx, 1)
		}
		after := min(left, s.backoff(h.retries))
		if class == typePool { // that was a pause
			after = min(after, s.backoffBase)
		}
		err = pause(ctx, after)
		now = since(now)
		if err != nil {
			return decision{outcome: canceled, kind: err}
		}
		if class != typePool {
			silent = now
		} else if now.Sub(silent) >= s.attemptTimeout {
			return end
		}
		h.retries++
	}
}

// begin starts the lease that was asked for at sent.
func (h *hold) begin(sent, now time.Time) {
	h.start, h.wait = sent, now.Sub(sent)
	h.length.Store(int64(h.settings.ttl))
	h.shortest = maxTTL
	if h.pending { // an earlier attempt may still land, and set this time to live
		h.shortest = h.settings.ttl
	}
}

// renewToken makes sure that the next attempt asks for a token that no earlier
// one has asked for.
func (h *hold) renewToken(ctx context.Context) {
	if h.pending {
		h.settings.family.locker.cleanup.add(ctx, h, false)
		h.pending = false
	}
	h.token = newToken()
}

// backoff is random between zero and the base doubled n times, within the limit.
func (c lockConfig) backoff(n int) time.Duration {
	limit := c.backoffMax
	if n < 32 && c.backoffBase < limit>>n {
		limit = c.backoffBase << n
	}
	return mathrand.N(limit) + 1
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newToken is at least 128 random bits. A token has to be unique, not secret.
func newToken() string { return rand.Text() }
