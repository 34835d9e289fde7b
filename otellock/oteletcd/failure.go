package oteletcd

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/semconv"
)

// A failure is an error of etcd with the error.type that it has here. Only the
// telemetry sees it.
type failure struct {
	cause error
	class string
}

func (f *failure) Error() string     { return "oteletcd: " + f.class }
func (f *failure) Unwrap() error     { return f.cause }
func (f *failure) ErrorType() string { return f.class }

// classify returns what the telemetry is told of etcd's error. answered, for an
// acquire, tells whether etcd has answered it.
func (l *lock) classify(acquire *observe.Acquire, err error, answered func() bool) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrLocked):
		return observe.ErrContended
	case errors.Is(err, context.DeadlineExceeded):
		if acquire == nil || answered() {
			return err
		}
		acquire.Refuse() // the caller has no time left to run
		return &failure{err, semconv.ErrorTypeTimeout.Value.AsString()}
	case errors.Is(err, context.Canceled):
		return err
	case l.session.Client().Ctx().Err() != nil:
		return &failure{err, semconv.ErrorTypeClosed.Value.AsString()}
	}
	if class, known := classes[code(err)]; known {
		return &failure{err, class}
	}
	return err
}

var classes = map[codes.Code]string{
	codes.DeadlineExceeded: semconv.ErrorTypeTimeout.Value.AsString(),
	codes.Unavailable:      semconv.ErrorTypeUnavailable.Value.AsString(),
	codes.PermissionDenied: semconv.ErrorTypeNoPerm.Value.AsString(),
	codes.Unauthenticated:  semconv.ErrorTypeNoAuth.Value.AsString(),
}

// code returns the status of gRPC that the error has.
func code(err error) codes.Code {
	var own rpctypes.EtcdError
	if errors.As(err, &own) {
		return own.Code()
	}
	return status.Code(err)
}
