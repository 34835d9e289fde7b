package exporter_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/otlptest"
)

// sentryServer takes envelopes at Sentry's path and keeps the events in them.
type sentryServer struct {
	dsn string

	mu     sync.Mutex
	events []sentryEvent
}

type sentryEvent struct {
	Level       string
	Release     string
	Environment string
	Exception   []struct{ Type, Value string }
	Contexts    struct {
		Trace struct {
			TraceID string `json:"trace_id"`
			SpanID  string `json:"span_id"`
		}
	}
}

func newSentryServer(t *testing.T) *sentryServer {
	t.Helper()
	s := &sentryServer{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/7/envelope/" {
			http.NotFound(w, r)
			return
		}
		body, err := otlptest.ReadBody(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for line := range strings.Lines(string(body)) {
			var e sentryEvent
			if json.Unmarshal([]byte(line), &e) == nil && len(e.Exception) > 0 {
				s.mu.Lock()
				s.events = append(s.events, e)
				s.mu.Unlock()
			}
		}
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(server.Close)
	s.dsn = "http://" + marker + "@" + strings.TrimPrefix(server.URL, "http://") + "/7"
	return s
}

func (s *sentryServer) all() []sentryEvent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sentryEvent(nil), s.events...)
}

func TestSentryStandsBesideOTLP(t *testing.T) {
	complaints := isolate(t)
	sentry, r := newSentryServer(t), otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	t.Setenv("SENTRY_DSN", sentry.dsn)
	t.Setenv("SENTRY_ENVIRONMENT", "staging")
	t.Setenv("SENTRY_RELEASE", "shop@1.2.3")
	tel := setup(t, exporter.WithoutGlobals())
	emit(context.Background(), t, tel)
	mustShutdown(t, tel)

	events := sentry.all()
	if len(events) != 1 || len(r.Logs()) != 1 || len(r.Spans()) != 1 {
		t.Fatalf("%d events, %d records, %d spans; want one of each\n%s", len(events), len(r.Logs()), len(r.Spans()), complaints)
	}
	e, span := events[0], r.Spans()[0]
	if e.Level != "warning" || e.Exception[0].Type != "lock.backend_error" || e.Environment != "staging" || e.Release != "shop@1.2.3" {
		t.Errorf("event is %+v", e)
	}
	if e.Contexts.Trace.TraceID != span.TraceIDHex() || e.Contexts.Trace.SpanID != span.SpanIDHex() {
		t.Errorf("the event belongs to %+v, the span is trace %s span %s", e.Contexts.Trace, span.TraceIDHex(), span.SpanIDHex())
	}
	if r.Contains(marker) {
		t.Error("the DSN's key went to the OTLP receiver")
	}
}

func TestSentryAlone(t *testing.T) {
	for name, logsExporter := range map[string]string{"by its own name": "sentry", "with no other exporter": "none"} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			sentry, r := newSentryServer(t), otlptest.Start(t)
			r.Setenv(t, "http/protobuf")
			t.Setenv("OTEL_LOGS_EXPORTER", logsExporter)
			t.Setenv("SENTRY_DSN", sentry.dsn)
			tel := setup(t, exporter.WithoutGlobals())
			emit(context.Background(), t, tel)
			mustShutdown(t, tel)
			if len(sentry.all()) != 1 || len(r.Logs()) != 0 {
				t.Errorf("%d events, %d records; want 1 and 0", len(sentry.all()), len(r.Logs()))
			}
		})
	}
}

func TestSentryByNameNeedsADSN(t *testing.T) {
	isolate(t)
	t.Setenv("OTEL_LOGS_EXPORTER", "sentry")
	if _, err := exporter.Setup(t.Context(), exporter.WithoutGlobals()); err == nil || !strings.Contains(err.Error(), "SENTRY_DSN") {
		t.Errorf("error is %v", err)
	}
}

func TestSentryOptionsReachTheExporter(t *testing.T) {
	t.Run("a filter", func(t *testing.T) {
		isolate(t)
		exportNothing(t)
		sentry := newSentryServer(t)
		t.Setenv("SENTRY_DSN", sentry.dsn)
		tel := setup(t, exporter.WithoutGlobals(),
			exporter.WithSentry(sentrylog.WithFilter(func(*sdklog.Record) bool { return false })))
		emit(context.Background(), t, tel)
		mustShutdown(t, tel)
		if n := len(sentry.all()); n != 0 {
			t.Errorf("%d events passed a filter that keeps none", n)
		}
	})
	t.Run("what makes no sense", func(t *testing.T) {
		isolate(t)
		t.Setenv("SENTRY_DSN", "http://"+marker+"@127.0.0.1:1/7")
		_, err := exporter.Setup(t.Context(), exporter.WithoutGlobals(), exporter.WithSentry(sentrylog.WithCap(-1, 0)))
		if err == nil || !strings.Contains(err.Error(), "WithSentry") || strings.Contains(err.Error(), marker) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestTheClientOfSentryInitTakesTheIssues(t *testing.T) {
	for name, dsnOfTheEnvironment := range map[string]bool{"with SENTRY_DSN": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			exportNothing(t)
			server := newSentryServer(t)
			if dsnOfTheEnvironment {
				t.Setenv("SENTRY_DSN", server.dsn)
			}
			hub := sentry.NewHub(nil, sentry.NewScope()) // what sentry.Init does to the global one
			client, err := sentry.NewClient(sentry.ClientOptions{Dsn: server.dsn, Release: "shop@9", Environment: "production"})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			hub.BindClient(client)

			tel := setup(t, exporter.WithoutGlobals(), exporter.WithSentry(sentrylog.WithClient(hub.Client())))
			emit(context.Background(), t, tel)
			mustShutdown(t, tel)
			events := server.all()
			if len(events) != 1 || events[0].Release != "shop@9" || events[0].Environment != "production" {
				t.Errorf("events %+v, want one by the application's client", events)
			}
		})
	}
	t.Run("before sentry.Init", func(t *testing.T) {
		isolate(t)
		exportNothing(t)
		_, err := exporter.Setup(t.Context(), exporter.WithoutGlobals(), exporter.WithSentry(sentrylog.WithClient(nil)))
		if err == nil || !strings.Contains(err.Error(), "call sentry.Init first") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestSentryTraces(t *testing.T) {
	isolate(t)
	ours, theirs := otlptest.Start(t), otlptest.Start(t)
	ours.Setenv(t, "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization="+marker)
	t.Setenv("OTEL_LOGS_EXPORTER", "none")
	host := strings.TrimPrefix(theirs.Endpoint(), "http://")
	t.Setenv("SENTRY_DSN", "http://public-key@"+host+"/prefix/7")
	tel := setup(t, exporter.WithoutGlobals(), exporter.WithSentryTraces())
	_, span := tel.TracerProvider().Tracer(scope).Start(context.Background(), "acquire projects")
	span.SetAttributes(attribute.String("lock.target", "projects"))
	span.End()
	mustShutdown(t, tel)

	if len(ours.Spans()) != 1 || len(theirs.Spans()) != 1 {
		t.Fatalf("%d spans here, %d at Sentry; want one at each", len(ours.Spans()), len(theirs.Spans()))
	}
	req := theirs.Requests()[0]
	if req.Path != "/prefix/api/7/integration/otlp/v1/traces" || req.Header.Get("X-Sentry-Auth") != "sentry sentry_key=public-key" {
		t.Errorf("sent to %s with X-Sentry-Auth %q", req.Path, req.Header.Get("X-Sentry-Auth"))
	}
	if theirs.Contains(marker) {
		t.Error("the OTLP receiver's token went to Sentry")
	}
	if ours.Contains("public-key") {
		t.Error("Sentry's key went to the OTLP receiver")
	}
}

func TestCertificatesOfTheOTLPReceiverAreNotUsedForSentry(t *testing.T) {
	isolate(t)
	exportNothing(t)
	cert, key := keyPair(t)
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", cert)
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", cert)
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", key)
	sentry := otlptest.Start(t)
	t.Setenv("SENTRY_DSN", "http://public-key@"+strings.TrimPrefix(sentry.Endpoint(), "http://")+"/7")
	tel := setup(t, exporter.WithoutGlobals(), exporter.WithSentryTraces())
	_, span := tel.TracerProvider().Tracer(scope).Start(context.Background(), "acquire projects")
	span.End()
	mustShutdown(t, tel)
	if len(sentry.Spans()) != 1 {
		t.Errorf("%d spans", len(sentry.Spans()))
	}
}

func TestSentryTracesWithoutADSNDoNothing(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	tel := setup(t, exporter.WithoutGlobals(), exporter.WithSentryTraces(), exporter.WithSentry())
	emit(context.Background(), t, tel)
	mustShutdown(t, tel)
	if len(r.Spans()) != 1 {
		t.Errorf("%d spans", len(r.Spans()))
	}
}

func TestHangingSentryCostsOTLPNothing(t *testing.T) {
	const patient = 2 * time.Second // the others must get through on a busy machine
	isolate(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, in the kernel, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	t.Setenv("SENTRY_DSN", "http://"+marker+"@"+silent.Addr().String()+"/7")
	tel := setup(t, exporter.WithoutGlobals(), exporter.WithSentryTraces())
	emit(context.Background(), t, tel)

	start := time.Now()
	err = tel.Shutdown(within(t, patient))
	if took := time.Since(start); took > patient+slack {
		t.Errorf("Shutdown took %v", took)
	}
	if err == nil || strings.Contains(err.Error(), "metrics") || strings.Contains(err.Error(), marker) {
		t.Errorf("Shutdown returned %v, want errors about logs and traces, without the key", err)
	}
	if err == nil || !strings.Contains(err.Error(), "sentrylog: 1 of 1 events not delivered: timeout") {
		t.Errorf("Shutdown returned %v, want the number of events that were lost", err)
	}
	if len(r.Logs()) != 1 || len(r.Spans()) != 1 || r.Total("lock.attempts", nil) != 3 {
		t.Errorf("over OTLP came %d records, %d spans, lock.attempts %v", len(r.Logs()), len(r.Spans()), r.Total("lock.attempts", nil))
	}
}
