// Package grpcapi is a gRPC service of which one method works under a lock, and
// what its errors are in gRPC. Its example is the whole of it with a client.
package grpcapi

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/otellock/otellock-go/otellock"
)

// A Projects is the service: Save works on one project at a time.
type Projects struct {
	Lock *otellock.Target
	Work func(ctx context.Context, id string) error
}

// Save works on the project under its lock.
func (p *Projects) Save(ctx context.Context, id *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return otellock.Do(ctx, p.Lock.Mutex(id.GetValue()), func(ctx context.Context) (*wrapperspb.StringValue, error) {
		return wrapperspb.String("saved"), p.Work(ctx, id.GetValue())
	})
}

// Statuses is an interceptor that gives the lock's errors their status. Aborted is
// what gRPC means for a conflict that the client may try again, Unavailable is for
// a lock that fails closed. All other errors stay as they are.
func Statuses(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	reply, err := handler(ctx, req)
	own, isLock := otellock.OwnError(ctx, err)
	switch {
	case !isLock:
		return reply, err
	case errors.Is(own, otellock.ErrContended):
		return nil, status.Error(codes.Aborted, "somebody else is saving this project")
	case errors.Is(own, context.DeadlineExceeded):
		return nil, status.Error(codes.DeadlineExceeded, "the project was busy until the deadline")
	case errors.Is(own, context.Canceled):
		return nil, status.Error(codes.Canceled, "the client has gone")
	default:
		return nil, status.Error(codes.Unavailable, "the project cannot be locked now")
	}
}

// Register adds the service to s. Code that protoc generates does this otherwise.
func Register(s *grpc.Server, p *Projects) {
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "example.Projects",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Save",
			Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
				id := new(wrapperspb.StringValue)
				if err := decode(id); err != nil {
					return nil, err
				}
				save := func(ctx context.Context, req any) (any, error) {
					return srv.(*Projects).Save(ctx, req.(*wrapperspb.StringValue))
				}
				return intercept(ctx, id, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/example.Projects/Save"}, save)
			},
		}},
	}, p)
}
