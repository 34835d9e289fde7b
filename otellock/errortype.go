package otellock

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/otellock/otellock-go/semconv"
)

// Classes of a failure, the values of error.type that this package tells apart.
var (
	typeExpired  = semconv.ErrorTypeExpired.Value.AsString()
	typeLost     = semconv.ErrorTypeLost.Value.AsString()
	typeStolen   = semconv.ErrorTypeStolen.Value.AsString()
	typeTimeout  = semconv.ErrorTypeTimeout.Value.AsString()
	typeRefused  = semconv.ErrorTypeConnectionRefused.Value.AsString()
	typeEOF      = semconv.ErrorTypeEOF.Value.AsString()
	typePool     = semconv.ErrorTypePoolExhausted.Value.AsString()
	typeClosed   = semconv.ErrorTypeClosed.Value.AsString()
	typeNotTried = semconv.ErrorTypeNotTried.Value.AsString()
	typeOther    = semconv.ErrorTypeOther.Value.AsString()
	lossesByKind = map[string]error{typeExpired: ErrExpired, typeLost: ErrLost, typeStolen: ErrStolen}
)

// errorType is the class of a backend's error: its own word where the registry
// knows it, else what the standard library's errors say. Nothing else can get
// into error.type, so that its values stay few and hold no text of a server.
func errorType(err error) string {
	var classed interface{ ErrorType() string }
	if errors.As(err, &classed) {
		if class := classed.ErrorType(); semconv.IsErrorType(class) {
			return class
		}
		return typeOther
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

// unanswered reports whether nobody knows if the backend carried out what
// failed with this class. A code of the server is an answer, and a connection
// that was refused carried nothing.
func unanswered(class string) bool {
	return class == typeTimeout || class == typeEOF || class == typeOther
}

// answered reports whether a failure of this class is a server's answer, though
// not the one that was hoped for.
func answered(class string) bool {
	return class != "" && !unanswered(class) && class != typeRefused && class != typePool && class != typeClosed
}

// lossType names what became of a lease that the backend says is not held by
// its token any more, or is empty where err says something else.
func lossType(err error, now, deadline time.Time) string {
	switch {
	case errors.Is(err, ErrStolen):
		return typeStolen
	case errors.Is(err, ErrLost) && now.Before(deadline):
		return typeLost
	case errors.Is(err, ErrLost), errors.Is(err, ErrExpired):
		return typeExpired
	}
	return ""
}
