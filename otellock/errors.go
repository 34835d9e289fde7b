package otellock

import (
	"context"
	"errors"
)

// Sentinels of the lock, to be tested with [errors.Is]. Every error that
// carries one is an [*Error].
var (
	// ErrContended: somebody else held the lock to the end of the wait. An HTTP
	// handler answers 409.
	ErrContended = errors.New("otellock: contended")
	// ErrBackend: the backend failed and the operation does not fail open. If
	// the Op of the [Error] is acquire, nothing ran; if it is release, fn has.
	ErrBackend = errors.New("otellock: backend failed")
	// ErrExpired: the lease ran out while it was held. Another holder may have
	// run at the same time.
	ErrExpired = errors.New("otellock: lease expired")
	// ErrLost: the key vanished before the lease ran out, for example by
	// FLUSHALL, a restart without persistence, or a failover.
	ErrLost = errors.New("otellock: lease lost")
	// ErrStolen: another token holds the key. Two holders are proven.
	ErrStolen = errors.New("otellock: lease stolen")
	// ErrClosed: the Locker is closed. Nothing ran.
	ErrClosed = errors.New("otellock: locker closed")
)

// Error is every error of the lock; the errors of the function that runs under
// it are never wrapped in one.
//
// Its text is made of constants and of declared names, so that it may be logged
// anywhere: no key, id, token or server's text is in it. [errors.Is] finds the
// sentinel or the context's error in it. [errors.As] finds the raw cause, whose
// own text may name keys: do not log that.
type Error struct {
	Op     string // acquire, release or extend, as in lock.operation.name, or close
	Target string // the declared name, the derived one, or empty where there is none
	// Type is a value of error.type, or contended, canceled, released,
	// unprotected, invalid, or closed: the Locker's, beside ErrClosed, else the
	// client's.
	Type string

	kind   error  // the sentinel
	cause  error  // raw, unbounded text
	detail string // bounded text
	under  *Lease // the lease under which the lock was asked for
}

// Error is bounded text, for example "otellock: acquire projects: timeout".
func (e *Error) Error() string {
	text := "otellock: " + e.Op
	if e.Target != "" {
		text += " " + e.Target
	}
	text += ": " + e.Type
	if e.detail != "" {
		text += ": " + e.detail
	}
	return text
}

// Unwrap gives the sentinel and the raw cause, where there is one.
func (e *Error) Unwrap() []error {
	chain := make([]error, 0, 2)
	if e.kind != nil {
		chain = append(chain, e.kind)
	}
	if e.cause != nil && e.cause != e.kind {
		chain = append(chain, e.cause)
	}
	return chain
}

// ErrorType makes error.type of an SDK that looks for it the lock's own class
// instead of the name of this Go type.
func (e *Error) ErrorType() string { return e.Type }

// GoString is Error: %#v would print the raw cause.
func (e *Error) GoString() string { return e.Error() }

// OwnError returns the error that the lock which was called with ctx made itself,
// and false if err has none: not that of another lock inside of fn, and not fn's.
//
// Do, TryDo and [Do] return fn's error as it is, and that may be another lock's.
// With the context that was given to them, OwnError tells the two apart. If the Op
// of the result is acquire, nothing ran; if it is release, fn did. It relies on fn
// using its own context for the locks that it takes.
func OwnError(ctx context.Context, err error) (*Error, bool) {
	return ownError(LeaseFromContext(ctx), err)
}

func ownError(under *Lease, err error) (*Error, bool) {
	if own, ok := err.(*Error); ok && own.under == under {
		return own, true
	}
	switch wrapped := err.(type) {
	case interface{ Unwrap() error }:
		return ownError(under, wrapped.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range wrapped.Unwrap() {
			if own, ok := ownError(under, err); ok {
				return own, true
			}
		}
	}
	return nil, false
}

func invalid(op, target, detail string) *Error {
	return &Error{Op: op, Target: target, Type: "invalid", detail: detail}
}
