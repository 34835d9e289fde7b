package sentrylog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

var update = flag.Bool("update", false, "write testdata/*.json anew")

func TestIssuesLookAsDocumented(t *testing.T) {
	everything := sentrylog.WithFilter(func(*sdklog.Record) bool { return true })
	plain := func(severity log.Severity, body string, attrs ...attribute.KeyValue) log.Record {
		var r log.Record
		r.SetTimestamp(moment)
		r.SetSeverity(severity)
		r.SetBody(attribute.StringValue(body))
		r.AddAttributes(attrs...)
		return r
	}
	unnamed := failure("backend_error", "projects", "timeout")
	unnamed.SetEventName("")
	summary := plain(log.SeverityInfo, "lock failures held back: projects, backend_error",
		attribute.String("lock.action", "backend_error"), attribute.String("lock.target", "projects"),
		attribute.String("lock.key_pattern", "lock:project:*"), attribute.String("lock.backend.name", "redis"),
		attribute.Int("lock.report.suppressed_count", 5167), attribute.String("lock.report.suppressed_since", "2026-11-22T03:04:05.678Z"),
		attribute.String("lock.report.suppressed_until", "2026-11-22T03:09:05.678Z"),
		attribute.StringSlice("lock.report.suppressed_error_types", []string{"NOAUTH", "timeout"}))
	summary.SetEventName("lock.report.summary")
	named := plain(log.SeverityError, "order 7 could not be booked",
		attribute.String("error.type", "card_declined"), attribute.String("customer.tier", "gold"))
	named.SetEventName("checkout.failed")

	for _, c := range []struct {
		name   string
		record log.Record
		opts   []sentrylog.Option
	}{
		{name: "backend_error", record: failure("backend_error", "projects", "timeout")},
		{name: "release_error_expired", record: failure("release_error", "projects", "expired")},
		{name: "extend_error_other", record: failure("extend_error", "cron.nightly", "_OTHER")},
		{name: "event_name_from_attribute", record: unnamed},
		{name: "release_and_environment_set", record: failure("release_error", "projects", "stolen"),
			opts: []sentrylog.Option{sentrylog.WithRelease("shop@2.0.0"), sentrylog.WithEnvironment("production")}},
		{name: "summary", record: summary},
		{name: "event_widened", record: named, opts: []sentrylog.Option{everything}},
		{name: "exception_widened", opts: []sentrylog.Option{everything}, record: plain(log.SeverityFatal4, "out of disk",
			attribute.String("exception.type", "*fs.PathError"), attribute.String("exception.message", "write /data: no space left"))},
		{name: "message_widened", record: plain(log.SeverityDebug, "cache warmed"), opts: []sentrylog.Option{everything}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := envelopetest.NewServer(t)
			p := newPipeline(t, newProcessor(t, server.DSN(), append(c.opts, sentrylog.WithInApp("github.com/acme/shop"))...))
			p.logger.Emit(traced(t.Context()), c.record)
			p.flush(t)
			golden(t, c.name, server)
		})
	}
}

// What otelslog makes of a logger with a group must give the same issue as the
// flat record.
func TestARecordInAGroupOfSlogIsReadAsTheFlatOne(t *testing.T) {
	var titles, targets []string
	for _, group := range []string{"", "app"} {
		server := envelopetest.NewServer(t)
		p := newPipeline(t, newProcessor(t, server.DSN()))
		logger := slog.New(otelslog.NewHandler(scopeName, otelslog.WithLoggerProvider(p)))
		if group != "" {
			logger = logger.WithGroup(group)
		}
		logger.WarnContext(traced(t.Context()), "lock backend failed: projects runs unprotected",
			"lock.action", "backend_error", "lock.target", "projects", "lock.backend.name", "redis", "error.type", "eof")
		p.flush(t)
		e := oneEvent(t, server)
		titles = append(titles, e.Exception[0].Type+" "+e.Exception[0].Value+" "+strings.Join(e.Fingerprint, ","))
		targets = append(targets, e.Tags["lock.target"])
	}
	if want := "lock.backend_error projects: connection broken backend_error,shop,redis"; titles[0] != want || titles[1] != want {
		t.Errorf("got %q, want twice %q", titles, want)
	}
	if targets[0] != "projects" || targets[1] != "projects" {
		t.Errorf("tags lock.target: %q", targets)
	}
}

// machine replaces what sentry-go and the build say about this machine.
func machine(t *testing.T, raw map[string]any) {
	t.Helper()
	contexts := raw["contexts"].(map[string]any)
	for _, name := range []string{"device", "os", "runtime"} {
		values, _ := contexts[name].(map[string]any)
		if len(values) == 0 {
			t.Errorf("no context %s", name)
		}
		for k := range values {
			values[k] = "MACHINE"
		}
	}
	modules, _ := raw["modules"].(map[string]any)
	if _, there := modules["github.com/otellock/otellock-go/exporter"]; !there { // a test binary knows its main module only
		t.Errorf("modules: %v", modules)
	}
	raw["modules"] = "MODULES"
}

// golden compares the one envelope that arrived with testdata/name.json. What
// differs from run to run is replaced, after it was checked.
func golden(t *testing.T, name string, server *envelopetest.Server) {
	t.Helper()
	envelopes := server.Envelopes()
	if len(envelopes) != 1 || len(envelopes[0].Items) != 1 {
		t.Fatalf("%d envelopes arrived, want 1 with 1 item", len(envelopes))
	}
	e, header := oneEvent(t, server), envelopes[0].Header
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(e.EventID) || header.EventID != e.EventID {
		t.Errorf("event id %q in the event, %q in the envelope", e.EventID, header.EventID)
	}
	if header.DSN != server.DSN() {
		t.Errorf("the envelope names DSN %q", header.DSN)
	}
	header.EventID, header.SentAt, header.DSN, header.SDK["version"] = "EVENT", "SENT", "DSN", "VERSION"
	e.Raw["event_id"] = "EVENT"
	sdk := e.Raw["sdk"].(map[string]any)
	sdk["version"] = "VERSION"
	for _, p := range sdk["packages"].([]any) {
		p.(map[string]any)["version"] = "VERSION"
	}
	machine(t, e.Raw)

	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{"envelope": header, "event": e.Raw}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%s is missing: run the test with -update and read what it wrote", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s differs; got:\n%s", file, got.Bytes())
	}
}
