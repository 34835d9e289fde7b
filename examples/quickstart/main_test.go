package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=1.4.2")
	t.Setenv("SENTRY_RELEASE", "") // which would win over service.version
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
		wantSentryEvent(t, event, record)
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

// wantSentryEvent checks what the Sentry event says against the same record as
// it came over OTLP.
func wantSentryEvent(t *testing.T, event envelopetest.Event, record otlptest.LogRecord) {
	t.Helper()
	attributes, resource := otlptest.Attrs(record.GetAttributes()), otlptest.Attrs(record.Resource.GetAttributes())

	tags := map[string]string{"service.name": "quickstart", "error.type": fmt.Sprint(attributes["error.type"])}
	for _, key := range []string{"lock.target", "lock.key_pattern", "lock.action", "lock.operation.name", "lock.backend.name", "lock.failure_policy"} {
		tags[key] = fmt.Sprint(attributes[key])
	}
	if !maps.Equal(event.Tags, tags) {
		t.Errorf("tags: %v, want %v", event.Tags, tags)
	}
	fingerprint := map[string][]string{
		"lock.backend_error": {"backend_error", "quickstart", "redis"},
		"lock.release_error": {"release_error", "invoices", "expired"},
	}[record.GetEventName()]
	if !slices.Equal(event.Fingerprint, fingerprint) {
		t.Errorf("fingerprint: %v, want %v", event.Fingerprint, fingerprint)
	}
	if event.Release != "1.4.2" || event.ServerName == "" || event.ServerName != resource["service.instance.id"] {
		t.Errorf("release %q, server_name %q; want 1.4.2, %v", event.Release, event.ServerName, resource["service.instance.id"])
	}

	lock, others := map[string]any{}, map[string]any{}
	for key, value := range attributes {
		if short, ours := strings.CutPrefix(key, "lock."); ours {
			lock[short] = value
		} else if key != "otel.event.name" && !strings.HasPrefix(key, "code.") { // the title, and the frame
			others[key] = value
		}
	}
	for name, c := range map[string]struct{ got, want any }{
		"lock":            {event.Contexts["lock"], lock},
		"otel.attributes": {event.Contexts["otel"]["attributes"], others},
		"otel.resource":   {event.Contexts["otel"]["resource"], resource},
	} {
		// Printed, the numbers of JSON and of OTLP are the same.
		if got, want := fmt.Sprint(c.got), fmt.Sprint(c.want); got != want {
			t.Errorf("context %s of %s:\n%s\nwant\n%s", name, record.GetEventName(), got, want)
		}
	}
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
