package otlptest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// Signal is one of the three kinds of telemetry.
type Signal string

// The signals, named as in the paths of OTLP/HTTP.
const (
	Traces  Signal = "traces"
	Metrics Signal = "metrics"
	Logs    Signal = "logs"
)

var signals = []Signal{Traces, Metrics, Logs}

// Request is one export request as it came off the wire. Requests that the
// receiver hung on or answered with an error are kept too: their bytes were
// sent all the same.
type Request struct {
	Signal   Signal
	Protocol string      // "http/protobuf" or "grpc", as in OTEL_EXPORTER_OTLP_PROTOCOL
	Path     string      // URL path, or the full gRPC method
	Header   http.Header // HTTP headers, or gRPC metadata under canonical header names
	Body     []byte      // the encoded message, decompressed
}

// Receiver collects what OTLP exporters send to it. Make one with [Start].
type Receiver struct {
	httpAddr string
	grpcAddr string

	mu       sync.Mutex
	requests []Request
	spans    []Span
	logs     []LogRecord
	metrics  []Metric
	answers  map[Signal]answer
	changed  chan struct{} // closed and replaced whenever something arrives
	http     *http.Server
	grpc     *grpc.Server
}

// answer is what a signal's requests meet. The zero value accepts them.
type answer struct {
	status int           // HTTP status to answer with, 0 for success
	hang   chan struct{} // not nil: requests wait until it is closed
}

// Start listens on two loopback ports, one for each protocol, until the test
// ends.
func Start(tb testing.TB) *Receiver {
	tb.Helper()
	r := &Receiver{
		httpAddr: "127.0.0.1:0",
		grpcAddr: "127.0.0.1:0",
		answers:  map[Signal]answer{},
		changed:  make(chan struct{}),
	}
	if err := r.listen(); err != nil {
		tb.Fatalf("otlptest: %v", err)
	}
	tb.Cleanup(r.close)
	return r
}

// Endpoint is the base URL for OTLP/HTTP, without a path.
func (r *Receiver) Endpoint() string { return "http://" + r.httpAddr }

// GRPCEndpoint is the URL for OTLP/gRPC.
func (r *Receiver) GRPCEndpoint() string { return "http://" + r.grpcAddr }

// Setenv points OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL
// ("http/protobuf" or "grpc") at the receiver for the rest of the test.
func (r *Receiver) Setenv(tb testing.TB, protocol string) {
	tb.Helper()
	endpoint := r.Endpoint()
	if protocol == "grpc" {
		endpoint = r.GRPCEndpoint()
	}
	tb.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	tb.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
}

// Hang makes requests for the given signals, all when none is given, wait
// without an answer until [Receiver.Accept], or until the client goes away.
func (r *Receiver) Hang(which ...Signal) {
	r.setAnswer(which, func() answer { return answer{hang: make(chan struct{})} })
}

// Fail answers requests for the given signals, all when none is given, with
// an HTTP status, or for gRPC with the code that OTLP maps to it.
func (r *Receiver) Fail(status int, which ...Signal) {
	r.setAnswer(which, func() answer { return answer{status: status} })
}

// Accept answers the given signals, all when none is given, with success
// again. Requests that hang are answered now.
func (r *Receiver) Accept(which ...Signal) {
	r.setAnswer(which, func() answer { return answer{} })
}

func (r *Receiver) setAnswer(which []Signal, next func() answer) {
	if len(which) == 0 {
		which = signals
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range which {
		if old := r.answers[s]; old.hang != nil {
			close(old.hang)
		}
		r.answers[s] = next()
	}
}

// Refuse closes the ports and every connection: clients are refused until
// [Receiver.Listen].
func (r *Receiver) Refuse() {
	r.mu.Lock()
	h, g := r.http, r.grpc
	r.http, r.grpc = nil, nil
	r.mu.Unlock()
	if h != nil {
		_ = h.Close()
	}
	if g != nil {
		g.Stop()
	}
}

// Listen opens the same ports again after [Receiver.Refuse].
func (r *Receiver) Listen(tb testing.TB) {
	tb.Helper()
	if err := r.listen(); err != nil {
		tb.Fatalf("otlptest: %v", err)
	}
}

func (r *Receiver) listen() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.http != nil {
		return errors.New("already listening")
	}
	httpLis, err := net.Listen("tcp", r.httpAddr)
	if err != nil {
		return err
	}
	grpcLis, err := net.Listen("tcp", r.grpcAddr)
	if err != nil {
		_ = httpLis.Close()
		return err
	}
	r.httpAddr, r.grpcAddr = httpLis.Addr().String(), grpcLis.Addr().String()
	r.http = &http.Server{Handler: http.HandlerFunc(r.serveHTTP)}
	r.grpc = r.newGRPCServer()
	go func(s *http.Server) { _ = s.Serve(httpLis) }(r.http)
	go func(s *grpc.Server) { _ = s.Serve(grpcLis) }(r.grpc)
	return nil
}

func (r *Receiver) close() {
	r.Accept() // whoever hangs would keep the gRPC server from stopping
	r.Refuse()
}

// Requests returns what arrived so far, oldest first.
func (r *Receiver) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Contains reports whether text occurs in any byte received so far: in a
// message, a path, or a header.
func (r *Receiver) Contains(text string) bool {
	for _, req := range r.Requests() {
		if bytes.Contains(req.Body, []byte(text)) || strings.Contains(req.Path, text) {
			return true
		}
		for name, values := range req.Header {
			if strings.Contains(name, text) || strings.Contains(strings.Join(values, "\n"), text) {
				return true
			}
		}
	}
	return false
}

// Reset forgets what arrived so far. What requests meet stays as it is.
func (r *Receiver) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.spans, r.logs, r.metrics = nil, nil, nil, nil
}

// Wait returns once cond holds, and fails the test when it does not within
// ten seconds. The condition is looked at again whenever something arrives.
func (r *Receiver) Wait(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if cond() {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			tb.Fatalf("otlptest: waited 10 s in vain for %s", what)
		}
	}
}

// receive keeps one request and says how to answer it. It returns only once
// the answer is due.
func (r *Receiver) receive(ctx context.Context, req Request) (status int, err error) {
	batch, err := decode(req)
	if err != nil {
		return http.StatusBadRequest, err
	}

	r.mu.Lock()
	a := r.answers[req.Signal]
	r.requests = append(r.requests, req)
	r.notify()
	r.mu.Unlock()

	if a.hang != nil {
		select {
		case <-a.hang:
		case <-ctx.Done():
			return http.StatusServiceUnavailable, ctx.Err()
		}
	}
	if a.status != 0 {
		return a.status, errors.New("told to answer with HTTP status " + strconv.Itoa(a.status))
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, batch.spans...)
	r.logs = append(r.logs, batch.logs...)
	r.metrics = append(r.metrics, batch.metrics...)
	r.notify()
	return http.StatusOK, nil
}

// notify wakes Wait. The caller holds mu.
func (r *Receiver) notify() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Receiver) serveHTTP(w http.ResponseWriter, req *http.Request) {
	// The last part only: Sentry, for one, serves OTLP under a prefix.
	name := req.URL.Path[strings.LastIndexByte(req.URL.Path, '/')+1:]
	signal := Signal(name)
	if !slices.Contains(signals, signal) || req.Method != http.MethodPost {
		http.NotFound(w, req)
		return
	}
	body, err := ReadBody(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status, err := r.receive(req.Context(), Request{
		Signal:   signal,
		Protocol: "http/protobuf",
		Path:     req.URL.Path,
		Header:   req.Header.Clone(),
		Body:     body,
	})
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	// The response message of each signal is empty on full success.
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(status)
}

// ReadBody reads a request body, decompressed if its sender compressed it.
func ReadBody(req *http.Request) ([]byte, error) {
	if req.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(req.Body)
	}
	z, err := gzip.NewReader(req.Body)
	if err != nil {
		return nil, err
	}
	defer func() { _ = z.Close() }()
	return io.ReadAll(z)
}
