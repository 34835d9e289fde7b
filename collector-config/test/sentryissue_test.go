package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

// issueCollector is a Collector whose every log record becomes an issue.
func issueCollector(t *testing.T, sentry *envelopetest.Server) *collector {
	t.Helper()
	return startCollector(t, []string{"../test/testdata/sentryissue"}, map[string]string{"SENTRY_DSN": sentry.DSN()})
}

// The same records go to sentrylog in this process and to a Collector, and the
// events that two Sentrys get are compared whole.
func TestTheCollectorMakesTheIssuesThatTheApplicationWouldMake(t *testing.T) {
	t.Setenv("SENTRY_RELEASE", "")
	t.Setenv("SENTRY_ENVIRONMENT", "")
	attrs := []attribute.KeyValue{
		attribute.String("service.name", "shop"), attribute.String("service.version", "1.4.2"), attribute.String("service.instance.id", "shop-7f9c"),
		attribute.String("deployment.environment.name", "staging"), attribute.String("host.name", "node-3"), attribute.String("telemetry.sdk.language", "go"),
		attribute.StringSlice("process.command_args", []string{"-password=hunter2"}), attribute.String("db.password", "hunter2"),
	}
	direct, viaCollector := envelopetest.NewServer(t), envelopetest.NewServer(t)
	issues, err := sentrylog.New(direct.DSN(), sentrylog.WithFilter(func(*sdklog.Record) bool { return true }),
		sentrylog.WithInApp("github.com/acme/shop"), sentrylog.WithTags("customer.tier"), sentrylog.WithCap(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	application := sdklog.NewLoggerProvider(sdklog.WithResource(resource.NewSchemaless(attrs...)), sdklog.WithProcessor(issues))
	t.Cleanup(func() { _ = application.Shutdown(context.Background()) })
	c := issueCollector(t, viaCollector)
	sender := newSender(t, c.http, attrs...)

	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 0xf9, 0x2f}, SpanID: trace.SpanID{0xf0, 0x67}, TraceFlags: trace.FlagsSampled,
	}))
	records := everyKindOfRecord()
	for _, r := range records {
		application.Logger("lib").Emit(ctx, r)
		sender.logs.Logger("lib").Emit(ctx, r)
	}
	if err := application.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	within, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	want, got := byMessage(t, direct.Events()), byMessage(t, viaCollector.WaitEvents(within, len(records)))
	if len(want) != len(records) {
		t.Fatalf("%d of %d records became events, each with a message of its own", len(want), len(records))
	}
	for message := range want {
		if w, g := asJSON(t, want[message]), asJSON(t, got[message]); w != g {
			t.Errorf("%s:\nin the application\n%s\nby the Collector\n%s", message, w, g)
		}
	}
	t.Logf("%d records, %d equal events", len(records), len(got))
}

func byMessage(t *testing.T, events []envelopetest.Event) map[string]envelopetest.Event {
	t.Helper()
	all := map[string]envelopetest.Event{}
	for _, e := range events {
		all[e.Message] = e
	}
	return all
}

// asJSON is an event with its envelope's trace, as JSON, without its id and
// without what describes the process that made it.
func asJSON(t *testing.T, e envelopetest.Event) string {
	t.Helper()
	raw := maps.Clone(e.Raw)
	for _, key := range []string{"event_id", "sdk", "modules"} {
		if key != "modules" && raw[key] == nil {
			t.Errorf("an event without %s", key)
		}
		delete(raw, key)
	}
	contexts, _ := raw["contexts"].(map[string]any)
	contexts = maps.Clone(contexts)
	for _, key := range []string{"os", "runtime", "device"} {
		delete(contexts, key)
	}
	raw["contexts"] = contexts
	raw["envelope's trace"] = e.Header.Trace
	b, err := json.MarshalIndent(raw, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), envelopetest.Key, "KEY")
}

// everyKindOfRecord has a body of its own for each record.
func everyKindOfRecord() []log.Record {
	var all []log.Record
	add := func(severity log.Severity, body, event string, attrs ...attribute.KeyValue) {
		var r log.Record
		r.SetTimestamp(time.Date(2026, 11, 22, 3, 4, 5, 678_000_000, time.UTC))
		r.SetSeverity(severity)
		r.SetBody(attribute.StringValue(body))
		r.SetEventName(event)
		r.AddAttributes(attrs...)
		all = append(all, r)
	}
	lock := func(action, errorType string, more ...attribute.KeyValue) []attribute.KeyValue {
		return append([]attribute.KeyValue{
			attribute.String("lock.action", action), attribute.String("lock.target", "projects"), attribute.String("lock.key_pattern", "lock:projects:*"),
			attribute.String("lock.backend.name", "redis"), attribute.String("lock.failure_policy", "open"), attribute.String("lock.operation.name", "acquire"),
			attribute.String("error.type", errorType), attribute.Float64("lock.ttl", 10), attribute.Int("lock.retries", 2),
		}, more...)
	}
	stack := attribute.String("exception.stacktrace", "github.com/acme/shop/cart.(*Store).Checkout\n\t/src/shop/cart/store.go:42\n"+
		"github.com/otellock/otellock-go/otellock.(*Mutex).Do\n\t/mod/otellock/mutex.go:70\nmain.main\n\t/src/shop/main.go:17")
	caller := []attribute.KeyValue{
		attribute.String("code.function.name", "github.com/acme/shop/cart.(*Store).Checkout"),
		attribute.String("code.file.path", "/src/shop/cart/store.go"), attribute.Int("code.line.number", 42),
	}
	add(log.SeverityWarn, "backend", "lock.backend_error", lock("backend_error", "timeout", append(caller, stack,
		attribute.Int("lock.report.suppressed_count", 1843), attribute.String("lock.report.suppressed_since", "2026-11-22T03:03:05.000Z"),
		attribute.StringSlice("lock.report.suppressed_error_types", []string{"NOAUTH", "timeout"}),
		attribute.Int64Slice("lock.report.suppressed_error_counts", []int64{3, 1840}))...)...)
	for _, lost := range []string{"expired", "lost", "stolen"} {
		add(log.SeverityWarn2, lost, "", lock("release_error", lost, stack)...)
	}
	add(log.SeverityError, "an ERROR of a lock", "", lock("extend_error", "_OTHER")...)
	add(log.SeverityUndefined, "a lock without a severity", "", lock("backend_error", "eof")...)
	add(log.SeverityInfo, "summary", "lock.report.summary", lock("backend_error", "",
		attribute.Int("lock.report.suppressed_count", 5167), attribute.String("lock.report.suppressed_since", "2026-11-22T03:04:05.678Z"),
		attribute.String("lock.report.suppressed_until", "2026-11-22T03:09:05.678Z"), attribute.StringSlice("lock.report.suppressed_error_types", []string{"timeout"}))...)
	add(log.SeverityWarn, "in a group of slog", "", attribute.Map("app", lock("backend_error", "eof")...), attribute.String("beside", "it"))
	add(log.SeverityError, "not a lock's", "checkout.failed", attribute.String("error.type", "declined"), attribute.String("customer.tier", "gold"))
	add(log.SeverityFatal4, "an exception", "", attribute.String("exception.type", "*fs.PathError"), attribute.String("exception.message", "no space left"))
	add(log.SeverityError, "another language's", "", attribute.String("exception.type", "RedisException"),
		attribute.String("exception.stacktrace", "#0 /usr/src/code/Lock.php(118): Redis->set()\n#1 {main}"))
	add(log.SeverityDebug, "a plain message", "")
	add(log.SeverityWarn, "values", "kinds.of",
		attribute.Bool("bool", true), attribute.Float64("float", 1.5), attribute.Float64("whole", 3), attribute.Int64("int", 1<<40),
		attribute.StringSlice("strings", []string{"a", "b"}), attribute.BoolSlice("bools", []bool{true}), attribute.Float64Slice("floats", []float64{1.5}),
		attribute.ByteSlice("bytes", []byte{1, 2, 3}), attribute.Slice("mixed", attribute.StringValue("a"), attribute.Int64Value(1)),
		attribute.Map("map", attribute.String("k", "v"), attribute.Map("nested", attribute.Int("n", 1)), attribute.String("api_key", "hunter2")),
		attribute.String("password", "hunter2"), attribute.String("empty", ""), attribute.String("user.id", "u-17"))
	add(log.SeverityWarn, strings.Repeat("long ", 5000), "much", attribute.String("text", strings.Repeat("<\u2028>", 40_000)))
	add(log.SeverityWarn, "lines\nand \x00 controls", "event\nname", lock("backend\nerror", "time\tout")...)
	return all
}

// What was accepted while Sentry is down is on disk. The key is in no line of the
// Collector's log, which is at level debug here.
func TestAKilledCollectorWhoseSentryIsDownLosesNoIssueThatWasQueued(t *testing.T) {
	const n = 40
	sentry := envelopetest.NewServer(t)
	sentry.Refuse()
	c := issueCollector(t, sentry)
	s := newSender(t, c.http, attribute.String("service.name", "queued"))
	for i := range n {
		s.logs.Logger("queue").Emit(t.Context(), warning(attribute.Int("n", i)))
	}
	eventually(t, 20*time.Second, "it has tried", func() error {
		if !strings.Contains(c.output(), "connection refused") {
			return errors.New(c.output())
		}
		return nil
	})
	c.kill()
	sentry.Accept()
	sentry.Next(envelopetest.Status(503), envelopetest.OK(), envelopetest.TooMany(1), envelopetest.Reset())
	c.start()

	within, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	delivered, ids := map[string]int{}, map[string]bool{}
	for _, e := range sentry.WaitEvents(within, n) {
		delivered[fmt.Sprint(e.Contexts["lock"]["n"], attributesOf(e)["n"])]++
		ids[e.EventID] = true
	}
	if len(delivered) != n || len(ids) != n {
		t.Errorf("%d of %d records, with %d ids: %v", len(delivered), n, len(ids), delivered)
	}
	var own string
	eventually(t, 20*time.Second, "its own metrics have every event", func() error {
		own = page(t, "http://"+c.metrics+"/metrics")
		if want := fmt.Sprintf(`outcome="sent",project="%s/1"} %d`, sentry.Addr(), n); !strings.Contains(own, "\notelcol_exporter_sentryissue_events_total{") || !strings.Contains(own, want) {
			return fmt.Errorf("no %s in\n%s", want, own)
		}
		return nil
	})
	if strings.Contains(c.output()+own, envelopetest.Key) {
		t.Error("the DSN's key is in the Collector's log or metrics")
	}
	t.Logf("killed with its Sentry down: %d of %d issues delivered after the restart", len(delivered), n)
}

func page(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func attributesOf(e envelopetest.Event) map[string]any {
	attrs, _ := e.Contexts["otel"]["attributes"].(map[string]any)
	return attrs
}

// A Collector that is killed while it sends, and sends again what it had sent,
// makes no event twice to a Sentry, which knows events by their ids.
func TestAnEventThatIsSentAgainAfterAKillHasItsID(t *testing.T) {
	const n = 20
	sentry := envelopetest.NewServer(t)
	var script []envelopetest.Answer
	for range n / 2 {
		script = append(script, envelopetest.OK())
	}
	sentry.Next(script...)
	sentry.Always(envelopetest.Hang())
	c := issueCollector(t, sentry)
	s := newSender(t, c.http, attribute.String("service.name", "killed"))
	records := make([]sdklog.Record, 0, n)
	for i := range n {
		records = append(records, sdkRecord(t, warning(attribute.Int("n", i))))
	}
	if err := s.exporter.Export(t.Context(), records); err != nil { // one batch
		t.Fatal(err)
	}
	within, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	sentry.WaitAttempts(within, n/2+1)
	c.kill()
	sentry.Always(envelopetest.OK())
	c.start()

	var ids []string
	for _, e := range sentry.WaitEvents(within, n/2+n) {
		ids = append(ids, e.EventID)
	}
	first, again := ids[:n/2], ids[n/2:]
	if !slices.Equal(first, again[:n/2]) {
		t.Errorf("sent %v, and again as %v", first, again)
	}
	slices.Sort(ids)
	if distinct := slices.Compact(ids); len(distinct) != n {
		t.Errorf("%d ids for %d records", len(distinct), n)
	}
}

// sdkRecord is a record as an exporter gets it.
func sdkRecord(t *testing.T, r log.Record) sdklog.Record {
	t.Helper()
	var kept sdklog.Record
	keep := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(exporterFunc(func(records []sdklog.Record) { kept = records[0].Clone() }))))
	keep.Logger("lib").Emit(t.Context(), r)
	return kept
}

type exporterFunc func([]sdklog.Record)

func (f exporterFunc) Export(_ context.Context, records []sdklog.Record) error {
	f(records)
	return nil
}
func (exporterFunc) ForceFlush(context.Context) error { return nil }
func (exporterFunc) Shutdown(context.Context) error   { return nil }
