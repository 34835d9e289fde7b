// Package envelopetest is a Sentry ingest endpoint for tests: a real HTTP
// server that parses envelopes, keeps what it took, and can be told to limit,
// to fail, to hang and to refuse.
package envelopetest

import (
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The client key and the project of every server's DSN.
const (
	Key     = "6d2f1a0b8c9e4f5a9b7c3d1e2f405162"
	Project = "1"
)

const maxBody = 16 << 20

// A Request is one request as it arrived, its body decoded.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         []byte
}

// A Server listens on a port of the loopback interface. All methods are safe
// for concurrent use.
type Server struct {
	tb   testing.TB
	addr string
	stop chan struct{} // closed by Close: ends hanging requests

	mu        sync.Mutex
	http      *http.Server // nil while refusing
	done      chan struct{}
	always    Answer
	script    []Answer
	changed   chan struct{} // closed and replaced when something arrived
	envelopes []Envelope
	events    []Event
	attempts  int
	others    []Request
	closed    bool
}

// NewServer starts a server that takes every envelope, and closes it when the
// test ends. A malformed request, or an event that is not [Valid], fails the
// test.
func NewServer(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, stop: make(chan struct{}), changed: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("envelopetest: %v", err)
	}
	s.addr = l.Addr().String()
	s.serve(l)
	tb.Cleanup(s.Close)
	return s
}

// DSN returns the DSN that sends to this server, port included.
func (s *Server) DSN() string { return "http://" + Key + "@" + s.addr + "/" + Project }

// Addr returns host and port of the server.
func (s *Server) Addr() string { return s.addr }

// Always sets the answer to every envelope for which none is scripted.
func (s *Server) Always(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = a
}

// Next scripts the answers to the envelopes that come next, one each.
func (s *Server) Next(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, answers...)
}

// Refuse closes the port and every connection, so that clients are refused.
func (s *Server) Refuse() {
	s.mu.Lock()
	srv, done := s.http, s.done
	s.http = nil
	s.mu.Unlock()
	if srv != nil {
		_ = srv.Close()
		<-done
	}
}

// Accept opens the same port again after [Server.Refuse].
func (s *Server) Accept() {
	s.tb.Helper()
	s.mu.Lock()
	open := s.http != nil || s.closed
	s.mu.Unlock()
	if open {
		return
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		l, err := net.Listen("tcp", s.addr)
		if err == nil {
			s.serve(l)
			return
		}
		if time.Now().After(deadline) {
			s.tb.Errorf("envelopetest: listening again: %v", err)
			return
		}
	}
}

// Close stops the server and ends requests that hang. It is idempotent.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	s.mu.Unlock()
	s.Refuse()
}

// Attempts counts the envelopes that arrived, taken or not.
func (s *Server) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// Envelopes returns the envelopes that were taken, in order of arrival.
func (s *Server) Envelopes() []Envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.envelopes)
}

// Events returns the events that were taken, in order of arrival.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Others returns requests for paths other than the project's envelope endpoint.
// Those under the project's /integration/ were answered 200, the rest 404.
func (s *Server) Others() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.others)
}

// WaitEvents returns the events once there are at least n of them. It fails the
// test when ctx ends first.
func (s *Server) WaitEvents(ctx context.Context, n int) []Event {
	s.tb.Helper()
	var events []Event
	if !s.wait(ctx, func() bool { events = s.events; return len(events) >= n }) {
		s.tb.Fatalf("envelopetest: %d of %d events arrived: %v", len(events), n, context.Cause(ctx))
	}
	return slices.Clone(events)
}

// WaitAttempts returns once at least n envelopes arrived, taken or not. It
// fails the test when ctx ends first.
func (s *Server) WaitAttempts(ctx context.Context, n int) {
	s.tb.Helper()
	if !s.wait(ctx, func() bool { return s.attempts >= n }) {
		s.tb.Fatalf("envelopetest: %d of %d attempts arrived: %v", s.Attempts(), n, context.Cause(ctx))
	}
}

func (s *Server) wait(ctx context.Context, enough func() bool) bool {
	for {
		s.mu.Lock()
		ok, changed := enough(), s.changed
		s.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *Server) serve(l net.Listener) {
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	s.mu.Lock()
	s.http, s.done = srv, done
	s.mu.Unlock()
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.tb.Errorf("envelopetest: %v", err)
		}
	}()
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := decode(r)
	if err != nil {
		if r.Context().Err() == nil { // the client did not give up while sending
			s.tb.Errorf("envelopetest: %s %s: %v", r.Method, r.URL.Path, err)
		}
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	prefix := "/api/" + Project + "/"
	if r.URL.Path != prefix+"envelope/" {
		s.mu.Lock()
		s.others = append(s.others, Request{r.Method, r.URL.Path, r.Header.Clone(), body})
		s.notify()
		s.mu.Unlock()
		if !strings.HasPrefix(r.URL.Path, prefix+"integration/") {
			w.WriteHeader(http.StatusNotFound)
		}
		return
	}
	if r.Method != http.MethodPost || !strings.Contains(r.Header.Get("X-Sentry-Auth"), "sentry_key="+Key) {
		s.tb.Errorf("envelopetest: %s without this server's key", r.Method)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	envelope, err := Parse(body)
	var events []Event
	if err == nil {
		events, err = envelope.Events()
	}
	if err != nil {
		s.tb.Errorf("%v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}

	a := s.take(envelope, events)
	switch {
	case a.Hang:
		select {
		case <-r.Context().Done():
		case <-s.stop:
		}
	case a.Reset:
		panic(http.ErrAbortHandler)
	default:
		maps.Copy(w.Header(), a.Header)
		if a.Status != 0 {
			w.WriteHeader(a.Status)
		}
		if a.takes() {
			fmt.Fprintf(w, `{"id":%q}`, envelope.Header.EventID)
		}
	}
}

func (s *Server) take(envelope Envelope, events []Event) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.always
	if len(s.script) > 0 {
		a, s.script = s.script[0], s.script[1:]
	}
	s.attempts++
	if a.takes() {
		s.envelopes = append(s.envelopes, envelope)
		s.events = append(s.events, events...)
	}
	s.notify()
	return a
}

func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func decode(r *http.Request) ([]byte, error) {
	body := io.Reader(r.Body)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	case "deflate":
		z, err := zlib.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	default:
		return nil, fmt.Errorf("content encoding %q is not known", encoding)
	}
	b, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err == nil && len(b) > maxBody {
		err = fmt.Errorf("the body is larger than %d bytes", maxBody)
	}
	return b, err
}
