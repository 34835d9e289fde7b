package otellock

import (
	"context"
	"errors"
	"fmt"

	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/semconv"
)

// Sentinels of the lock, to be tested with [errors.Is]. Every error that carries
// one of them holds an [*Error], except an [ErrInvalid] of New and Target.
var (
	// ErrContended says that somebody else held the lock to the end of the wait. An
	// HTTP handler answers 409.
	ErrContended = observe.ErrContended
	// ErrBackend says that the backend failed and the operation does not fail open.
	// If the Op of the [Error] is acquire, nothing ran; if it is another, fn has.
	ErrBackend = errors.New("otellock: backend failed")
	// ErrExpired says that the lease ran out while it was held. Another holder may
	// have run at the same time.
	ErrExpired = observe.ErrExpired
	// ErrLost says that the key vanished before the lease ran out, for example by
	// FLUSHALL, a restart without persistence, or a failover.
	ErrLost = observe.ErrLost
	// ErrStolen says that another token holds the key. Two holders are proven.
	ErrStolen = observe.ErrStolen
	// ErrClosed says that the Locker is closed. Nothing ran.
	ErrClosed = errors.New("otellock: locker closed")
	// ErrInvalid says that an option, a name, a pattern, an id or a key is not
	// allowed. Nothing ran, and the text says what to change.
	ErrInvalid = errors.New("otellock: invalid")
)

// An Error describes why an operation of the lock did not succeed. The errors of
// the function that runs under the lock are never wrapped in one.
//
// Its text is made of constants and of declared names, so that it may be logged
// anywhere: no key, id, token or server's text is in it. [errors.Is] finds the
// sentinel or the context's error in it. [errors.As] finds the raw cause, whose
// own text may name keys: do not log that. A reporter that walks the chain, such as
// sentry.CaptureException, sends it too: give it errors.New(err.Error()).
type Error struct {
	Op     string // acquire, release or extend, as in lock.operation.name; lease, found lost by the clock; or close
	Target string // the declared name, the derived one, or empty where there is none
	// Type is a value of error.type, or contended, canceled, released,
	// unprotected, invalid, or closed: the Locker's, beside ErrClosed, else the
	// client's.
	Type string

	kind   error  // the sentinel
	cause  error  // raw, unbounded text
	detail string // bounded text
	under  *Lease // the lease under which the lock was asked for
	holder *Holder
}

// Error returns bounded text, for example "otellock: acquire projects: timeout".
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

// Unwrap returns the sentinel and the raw cause, where there is one.
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

// ErrorType returns Type, so that error.type is the lock's own class and not the
// name of this Go type.
func (e *Error) ErrorType() string { return e.Type }

// GoString returns Error: %#v would print the raw cause.
func (e *Error) GoString() string { return e.Error() }

// OwnError returns the error that the lock which was called with ctx made itself,
// and false if err has none: not that of another lock inside of fn, and not fn's.
//
// Do, TryDo and [Do] return fn's error as it is, and that may be another lock's.
// With the context that was given to them, OwnError tells the two apart. If the Op
// of the result is acquire, nothing ran; if it is another, fn did. It relies on fn
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
	return &Error{Op: op, Target: target, Type: "invalid", kind: ErrInvalid, detail: detail}
}

// badInput returns an error of a constructor.
func badInput(format string, args ...any) error {
	return &inputError{fmt.Errorf("otellock: "+format, args...)}
}

type inputError struct{ error }

func (*inputError) Is(target error) bool { return target == ErrInvalid }

func (l *lease) newError(op, class string, kind, cause error) *Error {
	return &Error{Op: op, Target: l.config.observed.Name(), Type: class, kind: kind, cause: cause, under: l.outer}
}

// Values of error.type that the lock decides by. Package observe has its own for those
// that it gives: semconv holds the strings, so neither has to export them.
var (
	typeExpired    = semconv.ErrorTypeExpired.Value.AsString()
	typeLost       = semconv.ErrorTypeLost.Value.AsString()
	typeStolen     = semconv.ErrorTypeStolen.Value.AsString()
	typeTimeout    = semconv.ErrorTypeTimeout.Value.AsString()
	typeRefused    = semconv.ErrorTypeConnectionRefused.Value.AsString()
	typeEOF        = semconv.ErrorTypeEOF.Value.AsString()
	typePool       = semconv.ErrorTypePoolExhausted.Value.AsString()
	typeBreaker    = semconv.ErrorTypeBreakerOpen.Value.AsString()
	typeClosed     = semconv.ErrorTypeClosed.Value.AsString()
	typeOther      = semconv.ErrorTypeOther.Value.AsString()
	typeNoReplicas = semconv.ErrorTypeNoReplicas.Value.AsString()

	errNotTried = notTried{}
	losses      = map[string]error{typeExpired: ErrExpired, typeLost: ErrLost, typeStolen: ErrStolen}
)

// unanswered reports whether nobody knows if the backend carried out what failed
// with this class. A code of the server is an answer, and a connection that was
// refused carried nothing.
func unanswered(class string) bool {
	return class == typeTimeout || class == typeEOF || class == typeOther
}

// mayHold reports whether an acquire that failed with this class may have taken the
// key, or may yet: it was never answered, or the backend says that it was not
// written to enough replicas.
func mayHold(class string) bool { return unanswered(class) || class == typeNoReplicas }

// isAnswer reports whether a failure of this class is an answer of the server.
func isAnswer(class string) bool {
	return class != "" && !unanswered(class) && class != typeRefused && class != typePool && class != typeBreaker && class != typeClosed
}

// notTried is the error of a cleanup that was never attempted.
type notTried struct{}

func (notTried) Error() string     { return "otellock: the cleanup was not attempted" }
func (notTried) ErrorType() string { return semconv.ErrorTypeNotTried.Value.AsString() }
