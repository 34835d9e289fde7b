package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/envelopetest"
	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/internal/redistest"
)

// The main job on a real redis-server, received over real OTLP and by a Sentry
// endpoint: the signals belong together, and an outage of thousands of locks is
// one event for each (action, target).
func TestQuickstartReachesOTLPAndSentry(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, "http/protobuf")
	sentry := envelopetest.NewServer(t)
	t.Setenv("SENTRY_DSN", sentry.DSN())
	t.Setenv("OTEL_SERVICE_NAME", "quickstart")
	t.Setenv("REDIS_ADDR", redistest.Start(t).Addr)

	if err := run(t.Context()); err != nil {
		t.Fatal(err)
	}

	spans := map[string]otlptest.Span{} // by span id
	for _, s := range receiver.Spans() {
		spans[s.SpanIDHex()] = s
	}
	attempts, ok := receiver.LastMetric("lock.attempts")
	if !ok {
		t.Fatal("OTLP got no lock.attempts")
	}
	failures := map[string]string{"lock.backend_error": "acquire projects", "lock.release_error": "release invoices"}
	events := map[string]envelopetest.Event{}
	for _, e := range sentry.Events() {
		if len(e.Exception) != 1 {
			t.Fatalf("a Sentry event has %d exceptions", len(e.Exception))
		}
		name := e.Exception[0].Type
		if _, twice := events[name]; twice {
			t.Errorf("Sentry got %s twice", name)
		}
		events[name] = e
	}
	if len(events) != len(failures) {
		t.Errorf("Sentry got %d events, want %d", len(events), len(failures))
	}
	for name, spanName := range failures {
		records := receiver.LogsNamed(name)
		if len(records) != 1 {
			t.Fatalf("OTLP got %d records %s, want 1", len(records), name)
		}
		record := records[0]
		span, ok := spans[record.SpanIDHex()]
		if !ok || span.Name != spanName || span.TraceIDHex() != record.TraceIDHex() {
			t.Errorf("the record %s points to the span %q of trace %s, want %q of %s", name, span.Name, span.TraceIDHex(), spanName, record.TraceIDHex())
		}
		event := events[name]
		trace := event.Contexts["trace"]
		if event.Level != "warning" || trace["trace_id"] != record.TraceIDHex() || trace["span_id"] != record.SpanIDHex() {
			t.Errorf("the Sentry event %s has level %q and trace %v, want warning and %s, %s",
				name, event.Level, trace, record.TraceIDHex(), record.SpanIDHex())
		}
		for _, resource := range []any{
			otlptest.Attr(span.Resource.GetAttributes(), "service.instance.id"),
			otlptest.Attr(attempts.Resource.GetAttributes(), "service.instance.id"),
		} {
			if want := otlptest.Attr(record.Resource.GetAttributes(), "service.instance.id"); resource != want {
				t.Errorf("the signals come from the instances %v and %v", resource, want)
			}
		}
	}

	failed := receiver.Total("lock.attempts", map[string]string{"lock.outcome": "backend_error"})
	emitted := receiver.Total("lock.reports", map[string]string{"lock.action": "backend_error", "lock.report.result": "emitted"})
	heldBack := receiver.Total("lock.reports", map[string]string{"lock.action": "backend_error", "lock.report.result": "suppressed"})
	if failed < 100 || emitted != 1 || emitted+heldBack != failed {
		t.Errorf("%v locks failed, %v warnings were emitted and %v held back", failed, emitted, heldBack)
	}
	t.Logf("%v locks failed: %v warning emitted, %v held back, %d Sentry events", failed, emitted, heldBack, len(events))
}

func TestAnUnreachableRedisIsAClearErrorAtTheStart(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	t.Setenv("REDIS_ADDR", server.Addr)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := run(ctx)
	if err == nil || !strings.Contains(err.Error(), "REDIS_ADDR") {
		t.Errorf("run returned %v, want an error that names REDIS_ADDR", err)
	}
}
