package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/log/logtest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/internal/envelopetest"
	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
	"github.com/otellock/otellock-go/semconv"
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

	out := play(t, widest)

	spans := map[string]otlptest.Span{} // by span id
	for _, s := range receiver.Spans() {
		spans[s.SpanIDHex()] = s
	}
	attempts, ok := receiver.LastMetric("lock.attempts")
	if !ok {
		t.Fatal("OTLP got no lock.attempts")
	}
	events, summaries := map[string]envelopetest.Event{}, 0 // by what failed
	for _, e := range sentry.Events() {
		if len(e.Exception) != 1 {
			t.Fatalf("a Sentry event has %d exceptions", len(e.Exception))
		}
		if e.Level == "info" { // it closes the account of a warning
			summaries++
			continue
		}
		what := e.Tags["lock.operation.name"] + " " + e.Tags["lock.target"]
		if _, twice := events[what]; twice {
			t.Errorf("Sentry got %s twice", what)
		}
		events[what] = e
	}
	// On a busy machine projects may have failed too.
	records := map[string]otlptest.LogRecord{}
	for _, r := range append(receiver.LogsNamed("lock.backend_error"), receiver.LogsNamed("lock.release_error")...) {
		what := fmt.Sprint(otlptest.Attr(r.GetAttributes(), "lock.operation.name"), " ", otlptest.Attr(r.GetAttributes(), "lock.target"))
		if _, twice := records[what]; twice {
			t.Errorf("OTLP got %s twice", what)
		}
		records[what] = r
	}
	if len(events) != len(records) {
		t.Errorf("Sentry got %d events of %d records", len(events), len(records))
	}
	if want := len(receiver.LogsNamed("lock.report.summary")); summaries != want || want == 0 {
		t.Errorf("Sentry got %d summaries, OTLP %d", summaries, want)
	}
	for _, what := range []string{"acquire orders", "release invoices"} {
		if _, ok := records[what]; !ok {
			t.Errorf("OTLP got no record of %s", what)
		}
	}
	for what, record := range records {
		span, ok := spans[record.SpanIDHex()]
		if !ok || span.Name != what || span.TraceIDHex() != record.TraceIDHex() {
			t.Errorf("the record of %s points to the span %q of trace %s, want trace %s", what, span.Name, span.TraceIDHex(), record.TraceIDHex())
		}
		event := events[what]
		trace := event.Contexts["trace"]
		if event.Level != "warning" || trace["trace_id"] != record.TraceIDHex() || trace["span_id"] != record.SpanIDHex() {
			t.Errorf("the Sentry event of %s has level %q and trace %v, want warning and %s, %s",
				what, event.Level, trace, record.TraceIDHex(), record.SpanIDHex())
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

	failed := receiver.Total("lock.attempts", map[string]string{"lock.target": "orders", "lock.outcome": "backend_error"})
	emitted := receiver.Total("lock.reports", map[string]string{"lock.target": "orders", "lock.report.result": "emitted"})
	heldBack := receiver.Total("lock.reports", map[string]string{"lock.target": "orders", "lock.report.result": "suppressed"})
	if failed != 1000 || emitted != 1 || emitted+heldBack != failed {
		t.Errorf("%v orders failed, %v warnings were emitted and %v held back", failed, emitted, heldBack)
	}
	unprotected := receiver.Total("lock.attempts", map[string]string{"lock.target": "projects", "lock.outcome": "backend_error"})
	if said := strings.Contains(out, "UNPROTECTED"); said != (unprotected > 0) {
		t.Errorf("%v PUTs of projects ran unprotected, and the quickstart said so: %t", unprotected, said)
	}
}

// play runs the quickstart, and holds what it prints against the acts' claims.
func play(t *testing.T, width int) string {
	t.Helper()
	var out strings.Builder
	err := run(t.Context(), &screen{Writer: &out, width: width}, true)
	printed := out.String()
	if err != nil {
		t.Errorf("run: %v", err)
	}
	t.Log("\n", printed)
	acts, _, _ := strings.Cut(printed, "METRICS")
	for _, want := range []string{
		`acquired.*, behind trace`, `contended`, `skipped`,
		`RELEASE_ERROR expired`, `! WARN lock lease expired while held`,
		`BACKEND_ERROR (connection_refused|eof|timeout), unprotected`, `! WARN lock backend failed: orders`,
	} {
		if !regexp.MustCompile(want).MatchString(acts) {
			t.Errorf("no trace says %s", want)
		}
	}
	for _, claim := range []string{"1000 ran, unprotected; 0 had the lock; 0 failed", "1000 backend_error of orders = 1 warning + 999 counted in it"} {
		if !strings.Contains(strings.Join(strings.Fields(printed), " "), claim) {
			t.Errorf("it does not say %q", claim)
		}
	}
	for line := range strings.Lines(acts) {
		if n := columns(strings.TrimSuffix(line, "\n")); n > width {
			t.Errorf("%d columns, want %d at most: %s", n, width, line)
		}
	}
	if width == widest {
		wantScreens(t, printed)
	}
	if strings.Contains(printed, "\x1b") {
		t.Error("there are colours where no terminal is")
	}
	return printed
}

// wantScreens holds every act to a terminal of 24 lines, and to a few more for
// each time that a busy machine had to play it again.
func wantScreens(t *testing.T, printed string) {
	t.Helper()
	const lines, again = 24, 6
	begins := regexp.MustCompile(`(?m)^(1  ?CONTENTION|2  ?OVERRUN|3  ?OUTAGE|METRICS|THE ACCOUNT)$`).FindAllStringIndex(printed, -1)
	if len(begins) != 5 {
		t.Fatalf("%d headings, want 5", len(begins))
	}
	for i, b := range begins {
		end := len(printed)
		if i+1 < len(begins) {
			end = begins[i+1][0]
		}
		act := strings.TrimSpace(printed[b[0]:end])
		most := lines + again*strings.Count(act, "This machine is busy")
		if n := strings.Count(act, "\n") + 1; n > most && !strings.HasPrefix(act, "METRICS") {
			t.Errorf("an act of %d lines, want %d at most:\n%s", n, most, act)
		}
	}
}

// One processor, and loops that keep it busy: every answer of Redis comes late.
func TestTheQuickstartShowsItsActsOnAStarvedMachine(t *testing.T) {
	t.Setenv("REDIS_ADDR", "")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	var loops sync.WaitGroup
	for range 4 {
		loops.Go(func() {
			for !stop.Load() {
			}
		})
	}
	defer loops.Wait()
	defer stop.Store(true)
	play(t, 60)
}

func TestTheFirstActSaysWhatRanUnprotectedAndWhy(t *testing.T) {
	seen := newCapture()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor((*spanCapture)(seen)))
	backend := memorybackend.New()
	backend.Fail(errors.New("gone"))
	locker, err := otellock.New(backend, otellock.WithTracerProvider(tracers), otellock.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	projects, err := locker.Target("projects", "lock:projects:*")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	s := &stage{screen: &screen{Writer: &out, width: widest}, tracer: tracers.Tracer("test"), seen: seen, attempt: longestAttempt}
	s.contention(t.Context(), projects)
	printed := out.String()
	for _, want := range []string{"40 of 40 ran UNPROTECTED", "error.type _OTHER: 40", "nobody was told that the lock is busy"} {
		if !strings.Contains(printed, want) {
			t.Errorf("it does not say %q:\n%s", want, printed)
		}
	}
	if strings.Contains(printed, "never two at once") || strings.Contains(printed, "409") {
		t.Errorf("it claims what was not so:\n%s", printed)
	}
}

func TestAFailureThatNoWarningCountsIsAnError(t *testing.T) {
	metrics := func(failed int64) metricdata.ResourceMetrics {
		return metricdata.ResourceMetrics{ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{
			Name: semconv.MetricLockAttempts.Name,
			Data: metricdata.Sum[int64]{DataPoints: []metricdata.DataPoint[int64]{{
				Value:      failed,
				Attributes: attribute.NewSet(semconv.LockTarget("orders"), semconv.LockOutcomeBackendError),
			}}},
		}}}}}
	}
	warning := logtest.RecordFactory{Severity: log.SeverityWarn, Attributes: []attribute.KeyValue{
		semconv.LockTarget("orders"), semconv.LockActionBackendError, semconv.LockReportSuppressedCount(4),
	}}.NewRecord()
	for failed, balances := range map[int64]bool{5: true, 6: false, 4: false} {
		var out strings.Builder
		err := (&screen{Writer: &out, width: widest}).printAccount(metrics(failed), []sdklog.Record{warning})
		if (err == nil) != balances || strings.Contains(out.String(), "IS NOT") == balances {
			t.Errorf("%d failures, one warning that counts 4: %v\n%s", failed, err, &out)
		}
	}
}

func TestColoursAreForATerminalWithoutNO_COLOR(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		name          string
		out           *os.File
		noColor, term string
		want          string
	}{
		{"terminal", terminal, "", "xterm", "\x1b[1;36mNEXT\x1b[0m"},
		{"NO_COLOR", terminal, "1", "xterm", "NEXT"},
		{"dumb terminal", terminal, "", "dumb", "NEXT"},
		{"file", file, "", "xterm", "NEXT"},
	} {
		t.Setenv("NO_COLOR", c.noColor)
		t.Setenv("TERM", c.term)
		s := newScreen(c.out)
		if got := s.paint(title, "NEXT"); got != c.want || s.width != widest {
			t.Errorf("%s: %q on %d columns, want %q on %d", c.name, got, s.width, c.want, widest)
		}
	}
}

func TestALongWarningIsWrappedBehindItsMark(t *testing.T) {
	const want = `   │  ! WARN lock lease
   │    expired while
   │    held
`
	var out strings.Builder
	tree{out: &screen{Writer: &out, width: 24}}.warn("   │  ", "WARN lock lease expired while held")
	if got := out.String(); got != want {
		t.Errorf("it is printed as\n%s\nwant\n%s", got, want)
	}
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
		"lock.release_error": {"release_error", tags["lock.target"], tags["error.type"]},
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
		} else if key != "otel.event.name" && key != "exception.stacktrace" && !strings.HasPrefix(key, "code.") { // the title and the frames
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
	err := run(ctx, &screen{Writer: io.Discard, width: widest}, false)
	if err == nil || !strings.Contains(err.Error(), "REDIS_ADDR") {
		t.Errorf("run returned %v, want an error that names REDIS_ADDR", err)
	}
}
