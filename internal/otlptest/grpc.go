package otlptest

import (
	"context"
	"net/http"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // OTEL_EXPORTER_OTLP_COMPRESSION=gzip
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// frame is a message left encoded, so that the bytes kept are those that were
// sent.
type frame struct{ data []byte }

// frameCodec hands messages through without decoding them.
type frameCodec struct{}

func (frameCodec) Name() string { return "proto" }

func (frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(*frame).data)}, nil
}

func (frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*frame).data = data.Materialize()
	return nil
}

func (r *Receiver) newGRPCServer() *grpc.Server {
	s := grpc.NewServer(grpc.ForceServerCodecV2(frameCodec{}))
	for signal, desc := range map[Signal]grpc.ServiceDesc{
		Traces:  coltracepb.TraceService_ServiceDesc,
		Metrics: colmetricspb.MetricsService_ServiceDesc,
		Logs:    collogspb.LogsService_ServiceDesc,
	} {
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: desc.ServiceName,
			HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{
				MethodName: "Export",
				Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
					var in frame
					if err := dec(&in); err != nil {
						return nil, err
					}
					return r.serveGRPC(ctx, signal, "/"+desc.ServiceName+"/Export", in.data)
				},
			}},
		}, r)
	}
	return s
}

func (r *Receiver) serveGRPC(ctx context.Context, signal Signal, method string, body []byte) (*frame, error) {
	header := http.Header{}
	md, _ := metadata.FromIncomingContext(ctx)
	for name, values := range md {
		header[http.CanonicalHeaderKey(name)] = values
	}
	httpStatus, err := r.receive(ctx, Request{
		Signal:   signal,
		Protocol: "grpc",
		Path:     method,
		Header:   header,
		Body:     body,
	})
	if err != nil {
		return nil, status.Error(grpcCode(httpStatus), err.Error())
	}
	return &frame{}, nil
}

// grpcCode is the inverse of the mapping in the gRPC-over-HTTP specification,
// for the statuses that OTLP names.
func grpcCode(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	default:
		return codes.Unknown
	}
}
