package otellock

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"math/rand/v2"
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
	ghost   bool   // an attempt was never answered: the backend may hold the token
	at      time.Time
}

// acquire takes the lock, or fails open; ok means that fn may run. Busy is
// (false, nil). first, if not nil, is memory for the first attempt's context.
func (h *hold) acquire(ctx context.Context, first *attemptContext) (ok bool, err error) {
	f := h.settings.family
	l := f.locker
	f.preCreateOnce(ctx, h.settings.failClosed)
	h.outer = LeaseFromContext(ctx)
	if h.settings.disabled {
		f.done(ctx, disabled)
		return true, nil
	}
	if first == nil {
		first = new(attemptContext)
	}

	start := time.Now()
	ctx, span := l.tracer.Start(ctx, f.spanNames[opAcquire], h.settings.startOptions(opAcquire, h.mode)...)
	d := h.contend(ctx, start, first)

	if opts := f.acquireTime[d.outcome]; opts != nil {
		l.acquireDuration.Record(ctx, d.at.Sub(start).Seconds(), opts...)
	}
	if span.IsRecording() {
		span.SetAttributes(outcomeAttrs[d.outcome], semconv.LockRetries(h.retries))
	}
	if d.ghost {
		l.janitor.clean(ctx, h)
	}
	if d.outcome != backendError {
		span.End()
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
		h.fail(ctx, span, failure{op: opAcquire, outcome: backendError, policy: p, class: d.class, at: d.at, retries: h.retries})
		return err == nil, err
	case canceled:
		f.done(ctx, canceled)
		return false, h.newError(opAcquire, "canceled", d.kind, context.Cause(ctx))
	default:
		f.done(ctx, d.outcome)
		return false, nil
	}
}

// contend makes attempts until one of them decides.
func (h *hold) contend(ctx context.Context, start time.Time, a *attemptContext) (d decision) {
	s := h.settings
	f := s.family
	busy := decision{outcome: contended, at: start}
	if h.mode == modeTry {
		busy.outcome = skipped
	}
	if err := ended(ctx, start); err != nil {
		return decision{outcome: canceled, kind: err, at: start}
	}
	if heldBy(h.outer, f.locker, h.key) {
		return busy
	}

	h.token = newToken()
	var answered, absorbed, ghost, waiting bool
	now := start
	defer func() {
		if waiting {
			f.countWaiting(ctx, -1)
		}
		d.ghost, d.at = ghost, now
	}()
	for {
		timeout := budget(ctx, now, s.attemptTimeout)
		a.Context, a.deadline = ctx, now.Add(timeout)
		grant, err := attempt(f.locker.backend, a, opAcquire, h.claim(s.ttl))
		asked := now
		now = since(asked)
		if err == nil && grant.Acquired && now.Sub(asked) >= s.ttl {
			grant, err = Grant{}, errLateGrant
		}
		switch {
		case err == nil && grant.Acquired:
			ghost = false
			h.start, h.wait = asked, now.Sub(asked)
			h.length.Store(int64(s.ttl))
			return decision{outcome: acquired}
		case err == nil:
			answered, ghost = true, false
			if h.mode == modeTry {
				return busy
			}
		default:
			class := errorType(err)
			if err == errLateGrant {
				class = typeTimeout
			}
			ghost = ghost || unanswered(class)
			if end := ended(ctx, now); end != nil {
				if answered || !errors.Is(end, context.DeadlineExceeded) {
					return decision{outcome: canceled, kind: end}
				}
				return decision{outcome: backendError, class: typeTimeout, cause: err, kind: end}
			}
			if answered && class == typeTimeout && timeout < s.attemptTimeout {
				break // the caller's deadline cut the attempt short: no evidence against the backend
			}
			if !answered || absorbed {
				return decision{outcome: backendError, class: class, cause: err}
			}
			absorbed = true // a live holder was there a moment ago: no stampede beside it
		}

		left := s.wait - now.Sub(start)
		if left <= 0 {
			return busy
		}
		if !waiting {
			waiting = true
			f.countWaiting(ctx, 1)
		}
		err = pause(ctx, min(left, s.backoff(h.retries)))
		now = since(now)
		if err != nil {
			return decision{outcome: canceled, kind: err}
		}
		h.retries++
		a = new(attemptContext)
	}
}

// backoff is random between zero and the base doubled n times, within the limit.
func (c lockConfig) backoff(n int) time.Duration {
	limit := c.backoffMax
	if n < 32 && c.backoffBase < limit>>n {
		limit = c.backoffBase << n
	}
	return rand.N(limit) + 1
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

var tokenText = base32.HexEncoding.WithPadding(base32.NoPadding)

// newToken is 128 random bits. A token has to be unique, not secret.
func newToken() string {
	var raw [16]byte
	binary.NativeEndian.PutUint64(raw[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(raw[8:], rand.Uint64())
	var text [26]byte
	tokenText.Encode(text[:], raw[:])
	return string(text[:])
}
