package observe

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/otellock/otellock-go/semconv"
)

// Errors by which a lock says why an operation did not succeed. Wrap them, or pass
// them to End as they are.
var (
	// ErrContended says that somebody else held the lock to the end of the wait.
	ErrContended = errors.New("otellock: contended")
	// ErrExpired says that the lease ran out while it was held: another holder may
	// have run at the same time.
	ErrExpired = errors.New("otellock: lease expired")
	// ErrLost says that the key vanished before the lease ran out.
	ErrLost = errors.New("otellock: lease lost")
	// ErrStolen says that another holder has the key. Two holders are proven.
	ErrStolen = errors.New("otellock: lease stolen")
)

var (
	typeExpired = semconv.ErrorTypeExpired.Value.AsString()
	typeLost    = semconv.ErrorTypeLost.Value.AsString()
	typeStolen  = semconv.ErrorTypeStolen.Value.AsString()
	typeTimeout = semconv.ErrorTypeTimeout.Value.AsString()
	typeRefused = semconv.ErrorTypeConnectionRefused.Value.AsString()
	typeEOF     = semconv.ErrorTypeEOF.Value.AsString()
	typeOther   = semconv.ErrorTypeOther.Value.AsString()
)

// ErrorType returns the error.type of an error: expired, lost or stolen for the
// sentinels of this package; for an error with a method ErrorType() string what that
// returns, or "_OTHER" where the registry in package semconv does not know the value;
// else the class of the errors of packages context, io, net and syscall; else
// "_OTHER". It never returns the text of an error, so that its values stay few and
// bounded.
func ErrorType(err error) string {
	switch {
	case errors.Is(err, ErrStolen):
		return typeStolen
	case errors.Is(err, ErrLost):
		return typeLost
	case errors.Is(err, ErrExpired):
		return typeExpired
	}
	if class := named(err); class != "" {
		return class
	}
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return typeTimeout
	case errors.As(err, &network) && network.Timeout():
		return typeTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return typeRefused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return typeEOF
	}
	return typeOther
}

// named returns the class that the error itself names, or "".
func named(err error) string {
	var classed interface{ ErrorType() string }
	if !errors.As(err, &classed) {
		return ""
	}
	if class := classed.ErrorType(); semconv.IsErrorType(class) {
		return class
	}
	return typeOther
}
