package otellock

import (
	"context"
	"errors"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// request makes attempts to release or to extend within the timeout, whatever becomes
// of the caller: one more if the first was never answered, and others while there
// is no free connection. pending says that an attempt was never answered.
//
// A repeated release may find what the first one did. If that was sent before the
// lease's deadline, a key that is absent or another's means success, unless the
// other's lease is older than that; if it was sent later, the lease had expired.
func (l *lease) request(ctx context.Context, op string, ttl, timeout time.Duration, observed *observe.Operation) (failed *Error, pending bool) {
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	end, limit := now.Add(timeout), timeout/2
	var first time.Time // when the first attempt was sent that was not answered
	for {
		sent, c := now, Claim{Key: l.key, Token: l.token, TTL: ttl}
		if op == "release" {
			c.Keep = l.keep(now)
		}
		if c.Keep > 0 {
			observed.Keep()
		}
		_, err := l.config.locker.call(ctx, op, c, limit)
		now = time.Now()
		if err == nil {
			return nil, pending
		}
		class := observe.ErrorType(err)
		if kind := losses[class]; kind != nil {
			repeated := pending && op == "release"
			switch {
			case repeated && first.Before(l.deadline()):
				if !isTheft(err, first, now) {
					return nil, pending
				}
			case repeated, class == typeLost && !now.Before(l.deadline()):
				class, kind = typeExpired, ErrExpired
			}
			failed = l.newError(op, class, kind, nil)
			var stolen *StolenError
			if errors.As(err, &stolen) {
				failed.holder, _ = holderOf(stolen.Held, now)
			}
			return failed, pending
		}
		again := class == typePool
		if unanswered(class) {
			if again = !pending; again {
				first = sent
			}
			pending = true
		}
		limit = end.Sub(now)
		if !again || limit <= 0 || class == typePool && limit < timeout/4 {
			return l.newError(op, class, ErrBackend, err), pending
		}
		if class == typePool {
			_ = sleep(ctx, l.config.backoff(0))
			now = time.Now()
			limit = end.Sub(now)
		}
		observed.Retry()
	}
}
