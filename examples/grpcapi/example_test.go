package grpcapi_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/otellock/otellock-go/examples/grpcapi"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// A call that finds the project busy gets Aborted. While the backend is away, a
// lock that fails closed makes it Unavailable.
func Example() {
	backend := memorybackend.New() // redisbackend.New(client) in production
	locker, err := otellock.New(backend, otellock.WithFailClosed(true), otellock.WithWait(20*time.Millisecond))
	if err != nil {
		panic(err)
	}
	projects, err := locker.Target("projects", "lock:projects:*")
	if err != nil {
		panic(err)
	}

	save := func(string) {} // is set below: the client calls while its first call works
	server := grpc.NewServer(grpc.UnaryInterceptor(grpcapi.Statuses))
	grpcapi.Register(server, &grpcapi.Projects{Lock: projects, Work: func(_ context.Context, id string) error {
		if id == "42" {
			save("42")
		}
		if id == "full" {
			return errors.New("disk full")
		}
		return nil
	}})
	listener := bufconn.Listen(1 << 16)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	client, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		panic(err)
	}
	defer client.Close()

	save = func(id string) {
		err := client.Invoke(context.Background(), "/example.Projects/Save", wrapperspb.String(id), new(wrapperspb.StringValue))
		fmt.Println(id, status.Code(err))
	}
	save("42")
	save("full")
	backend.Fail(errors.New("connection refused"))
	save("7")
	// Output:
	// 42 Aborted
	// 42 OK
	// full Unknown
	// 7 Unavailable
}
