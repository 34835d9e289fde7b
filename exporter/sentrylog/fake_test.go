package sentrylog_test

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/log/logtest"

	"github.com/otellock/otellock-go/internal/envelopetest"
)

const fakeDSN = "https://" + envelopetest.Key + "@o17.ingest.sentry.example/42"

// fakeSentry is a round tripper for tests in virtual time.
type fakeSentry struct {
	latency time.Duration
	answer  func(attempt int) envelopetest.Answer // nil takes everything

	mu     sync.Mutex
	start  time.Time
	at     []time.Duration // when each request came, from the first on
	events []envelopetest.Event
}

var errRefused = &refused{}

// refused has a text that must never come out of the exporter.
type refused struct{}

func (*refused) Error() string { return "dial " + envelopetest.Key + ": refused" }
func (*refused) Unwrap() error { return syscall.ECONNREFUSED }

func (f *fakeSentry) RoundTrip(req *http.Request) (*http.Response, error) {
	unzipped, err := gzip.NewReader(req.Body)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(unzipped)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	if f.start.IsZero() {
		f.start = time.Now()
	}
	attempt := len(f.at)
	f.at = append(f.at, time.Since(f.start))
	f.mu.Unlock()
	var a envelopetest.Answer
	if f.answer != nil {
		a = f.answer(attempt)
	}
	if f.latency > 0 || a.Hang {
		timer := time.NewTimer(cmp.Or(f.latency, 24*time.Hour))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	if a.Reset {
		return nil, errRefused
	}
	status := cmp.Or(a.Status, http.StatusOK)
	if status == http.StatusOK {
		envelope, err := envelopetest.Parse(body)
		if err != nil {
			return nil, err
		}
		events, err := envelope.Events()
		if err != nil {
			return nil, err
		}
		f.mu.Lock()
		f.events = append(f.events, events...)
		f.mu.Unlock()
	}
	header := a.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Request: req,
		Body: io.NopCloser(strings.NewReader("the server says " + envelopetest.Key))}, nil
}

func (f *fakeSentry) attempts() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Duration(nil), f.at...)
}

func (f *fakeSentry) arrived() []envelopetest.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]envelopetest.Event(nil), f.events...)
}

// records makes SDK records of API records, as a batch processor has them.
func records(rs ...log.Record) []sdklog.Record {
	out := make([]sdklog.Record, len(rs))
	res := shop()
	for i := range rs {
		f := logtest.RecordFactory{
			EventName: rs[i].EventName(), Timestamp: rs[i].Timestamp(), Severity: rs[i].Severity(), Body: rs[i].Body(),
			Resource: res,
		}
		for kv := range attributes(rs[i]) {
			f.Attributes = append(f.Attributes, kv)
		}
		out[i] = f.NewRecord()
	}
	return out
}

// backendErrors are n records of as many targets.
func backendErrors(n int) []sdklog.Record {
	rs := make([]log.Record, n)
	for i := range rs {
		rs[i] = failure("backend_error", targetName(i), "timeout")
	}
	return records(rs...)
}

// spotless fails the test if an error shows what it must not.
func spotless(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if strings.Contains(text, envelopetest.Key) || strings.Contains(text, "the server says") || strings.Contains(text, "dial") {
		t.Errorf("the error shows the key or a foreign text: %s", text)
	}
	if len(text) > 600 {
		t.Errorf("the error has %d bytes", len(text))
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	spotless(t, err)
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want one with %q", err, part)
		}
	}
}

func isDeadline(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
