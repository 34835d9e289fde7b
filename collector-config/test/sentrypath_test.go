package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/internal/envelopetest"
	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
)

// sentryGateway is the gateway as it ships: the paging route makes issues.
func sentryGateway(t *testing.T, sentry *envelopetest.Server) (c *collector, raw *otlptest.Receiver) {
	t.Helper()
	raw = otlptest.Start(t)
	c = startCollector(t, []string{"base", "gateway", "paging", "output-sentry", "output-grafana", "output-prometheus"}, map[string]string{
		"SENTRY_DSN": sentry.DSN(), "TEMPO_OTLP_ENDPOINT": raw.Endpoint(), "LOKI_OTLP_ENDPOINT": raw.Endpoint() + "/otlp",
	})
	return c, raw
}

// stoodFor sums what the events of a target stand for: each warning for itself
// and for what was suppressed before it, a summary for the rest.
func stoodFor(events []envelopetest.Event, target string) (warnings int, occurrences int64) {
	for _, e := range events {
		if e.Tags["lock.target"] != target {
			continue
		}
		suppressed, _ := e.Contexts["lock"]["report.suppressed_count"].(float64)
		occurrences += int64(suppressed)
		if e.Level == "warning" {
			warnings++
			occurrences++
		}
	}
	return warnings, occurrences
}

// The path from an application to a Sentry issue: no application has a DSN. Two
// processes with real locks lose a real Redis; one that is not written in Go sends
// plain OTLP.
func TestARedisOutageIsAnIssueThoughNoApplicationHasADSN(t *testing.T) {
	const instances, calls, plain = 2, 40, 1000
	targets := []string{"carts", "orders", "invoices"}
	redis, sentry := redistest.Start(t), envelopetest.NewServer(t)
	c, raw := sentryGateway(t, sentry)
	t.Setenv("SENTRY_DSN", "")
	exportTo(t, c)

	var fleet []*exporter.Telemetry
	var locks []*otellock.Target
	for i := range instances {
		tel := setup(t, "shop", attribute.String("service.instance.id", fmt.Sprint("shop-", i)), attribute.String("deployment.environment.name", "staging"))
		locker := newLocker(t, redis.Client(), tel, otellock.WithThrottle(tel))
		for _, name := range targets {
			locks = append(locks, target(t, locker, name, "lock:"+name+":*"))
		}
		fleet = append(fleet, tel)
	}
	noop := func(context.Context) error { return nil }
	for _, lock := range locks {
		if err := lock.Mutex("1").Do(t.Context(), noop); err != nil {
			t.Fatal(err)
		}
	}
	redis.Kill()
	outage := time.Now()
	ctx, request := fleet[0].TracerProvider().Tracer("shop").Start(t.Context(), "checkout")
	for _, lock := range locks {
		for range calls {
			if err := lock.Mutex("1").Do(ctx, noop); err != nil {
				t.Fatal(err)
			}
		}
	}
	request.End()
	other := newSender(t, c.http, attribute.String("service.name", "php"), attribute.String("telemetry.sdk.language", "php"))
	for range plain {
		other.logs.Logger("lock").Emit(t.Context(), warning(attribute.String("lock.target", "projects"), attribute.Int("lock.report.suppressed_count", 0)))
	}

	within, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first := sentry.WaitEvents(within, len(targets)+1)
	took := time.Since(outage)
	for _, e := range first {
		want := "[backend_error shop ]" // the service, and the server that is away
		if e.Tags["service.name"] == "php" {
			want = "[backend_error php unknown]"
		}
		if got := fmt.Sprint(e.Fingerprint); !strings.HasPrefix(got, strings.TrimSuffix(want, "]")) || e.Level != "warning" {
			t.Errorf("an event of level %s with fingerprint %s", e.Level, got)
		}
		if e.Tags["service.name"] == "shop" && (e.Platform != "go" || e.Environment != "staging" || e.Release != "1.2.3" || e.Header.Trace["trace_id"] != request.SpanContext().TraceID().String()) {
			t.Errorf("platform %s, environment %s, release %s, trace %s", e.Platform, e.Environment, e.Release, e.Header.Trace["trace_id"])
		}
		if e.Tags["service.name"] == "php" && e.Platform != "php" {
			t.Errorf("platform %s", e.Platform)
		}
	}

	// The account is closed when the processes end, and the Collector with them.
	for _, tel := range fleet {
		if err := tel.Shutdown(within); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 30*time.Second, "the raw stream has the summaries", func() error {
		if n := len(raw.LogsNamed("lock.report.summary")); n != instances*len(targets) {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	c.stop()
	c.start()
	events := sentry.WaitEvents(within, 2*(len(targets)+1))

	var lines []string
	for _, name := range append(targets, "projects") {
		warnings, occurrences := stoodFor(events, name)
		want := int64(instances * calls)
		if name == "projects" {
			want = plain
		}
		if warnings != 1 || occurrences != want {
			t.Errorf("%s: %d warnings that stand for %d failures, want 1 for %d", name, warnings, occurrences, want)
		}
		lines = append(lines, fmt.Sprintf("%s 1 for %d", name, occurrences))
	}
	issues := map[string]bool{}
	for _, e := range events {
		issues[fmt.Sprint(e.Fingerprint)] = true
	}
	if len(issues) != 2 || len(events) != 2*(len(targets)+1) {
		t.Errorf("%d events in %d issues, want %d in one for each service", len(events), len(issues), 2*(len(targets)+1))
	}
	t.Logf("%v after the outage began all had their first issue; %d events in %d issues: %s", took.Round(time.Millisecond), len(events), len(issues), strings.Join(lines, ", "))
}

// What is not a lock's makes no issue, however bad: whoever wants that takes the
// filter away.
func TestOnlyLocksMakeIssuesAsItShips(t *testing.T) {
	sentry := envelopetest.NewServer(t)
	c, raw := sentryGateway(t, sentry)
	s := newSender(t, c.http, attribute.String("service.name", "shop"))
	for _, r := range everyKindOfRecord() {
		s.logs.Logger("lib").Emit(t.Context(), r)
	}
	eventually(t, 20*time.Second, "the raw stream has everything", func() error {
		if n := len(raw.Logs()); n != len(everyKindOfRecord()) {
			return fmt.Errorf("%d records", n)
		}
		return nil
	})
	c.stop()
	c.start()
	s.logs.Logger("lib").Emit(t.Context(), warning(attribute.String("lock.target", "the last one")))
	eventually(t, 20*time.Second, "the last one is an issue", func() error {
		for _, e := range sentry.Events() {
			if e.Tags["lock.target"] == "the last one" {
				return nil
			}
		}
		return fmt.Errorf("%d events", len(sentry.Events()))
	})
	for _, e := range sentry.Events() {
		if e.Tags["lock.action"] == "" {
			t.Errorf("an issue of something else: %s", e.Message)
		}
	}
}
