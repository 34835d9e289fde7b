package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/semconv"
)

const (
	suppressedCount = string(semconv.LockReportSuppressedCountKey)
	summaryEvent    = semconv.EventLockReportSummary
)

// pagingCollector is a gateway with two outputs: the paging route goes to
// pager (as Sentry), the raw stream to raw (as Loki).
func pagingCollector(t *testing.T, interval string) (c *collector, pager, raw *otlptest.Receiver) {
	t.Helper()
	pager, raw = otlptest.Start(t), otlptest.Start(t)
	c = startCollector(t, []string{"base", "gateway", "paging", "output-sentry-otlp", "output-grafana", "output-prometheus"}, map[string]string{
		"COLLECTOR_PAGING_INTERVAL": interval,
		"SENTRY_OTLP_ENDPOINT":      pager.Endpoint(), "SENTRY_PUBLIC_KEY": "0123456789abcdef",
		"TEMPO_OTLP_ENDPOINT": raw.Endpoint(), "LOKI_OTLP_ENDPOINT": raw.Endpoint() + "/otlp",
	})
	return c, pager, raw
}

// flush makes a paging route send the summaries of what it holds, at a stop, and a
// start deliver them.
func (c *collector) flush() {
	c.t.Helper()
	c.stop()
	c.start()
}

// account adds up what the records of locks that came stand for: the warnings, and
// with what warnings and summaries carry, the occurrences.
func account(records []otlptest.LogRecord) (warnings, occurrences int64) {
	for _, l := range records {
		if l.Attr("lock.action") == nil {
			continue
		}
		if l.GetEventName() != summaryEvent {
			warnings++
		}
		n, _ := l.Attr(suppressedCount).(int64)
		occurrences += n
	}
	return warnings, warnings + occurrences
}

// wantAccount waits until what came stands for the occurrences, and checks that
// they were told by so many warnings.
func wantAccount(t *testing.T, end *otlptest.Receiver, wantWarnings, wantOccurrences int64) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("%d warnings stand for %d occurrences", wantWarnings, wantOccurrences), func() error {
		if warnings, occurrences := account(end.Logs()); warnings != wantWarnings || occurrences != wantOccurrences {
			return fmt.Errorf("%d warnings stand for %d", warnings, occurrences)
		}
		return nil
	})
}

// instance is one of a fleet: the attributes that differ, and those that do not.
func instance(n int, more ...attribute.KeyValue) []attribute.KeyValue {
	return append([]attribute.KeyValue{
		attribute.String("service.name", "api"),
		attribute.String("service.namespace", "shop"),
		attribute.String("deployment.environment.name", "production"),
		attribute.String("service.instance.id", fmt.Sprintf("instance-%d", n)),
		attribute.String("host.name", fmt.Sprintf("host-%d", n)),
		attribute.String("service.version", fmt.Sprintf("1.0.%d", n%2)), // mid-rollout
		attribute.Int("process.pid", 100+n),
	}, more...)
}

func TestTheFirstWarningOfAFleetPagesAtOnceAndTheRestIsCounted(t *testing.T) {
	const fleet, each = 6, 1 + 7               // a warning, and what its instance has suppressed
	c, pager, raw := pagingCollector(t, "60s") // as shipped: the interval is longer than the test

	var first trace.SpanContext
	start := time.Now()
	var paged time.Duration
	for i := range fleet {
		s := newSender(t, c.http, instance(i)...)
		ctx, span := s.spans.Tracer("app").Start(t.Context(), "request")
		r := warning(attribute.Int("lock.retries", i))
		r.SetTimestamp(start.Add(time.Duration(i) * time.Millisecond))
		// Two versions of the library, mid-rollout.
		s.logs.Logger("github.com/otellock/otellock-go/otellock", log.WithInstrumentationVersion(fmt.Sprintf("0.%d.0", i%2))).Emit(ctx, r)
		span.End()
		if i == 0 {
			first = span.SpanContext()
			wantAccount(t, pager, 1, each)
			paged = time.Since(start)
		}
	}
	eventually(t, 15*time.Second, "the raw stream has every record", func() error {
		if got := len(raw.Logs()); got != fleet {
			return fmt.Errorf("%d records", got)
		}
		return nil
	})
	c.flush()
	wantAccount(t, pager, 1, fleet*each)

	records := pager.Logs()
	if len(records) != 2 {
		t.Fatalf("%d records on the paging route, want a warning and a summary: %v", len(records), records)
	}
	page, summary := records[0], records[1]
	if page.TraceIDHex() != first.TraceID().String() || page.SpanIDHex() != first.SpanID().String() {
		t.Errorf("trace %s %s, want the first record's %s %s", page.TraceIDHex(), page.SpanIDHex(), first.TraceID(), first.SpanID())
	}
	if got := time.Unix(0, int64(page.GetTimeUnixNano())); !got.Equal(start) {
		t.Errorf("time %v, want the first record's %v", got, start)
	}
	if page.GetSeverityNumber() != 13 || page.GetEventName() != "lock.backend_error" || summary.GetSeverityNumber() != 9 || summary.GetEventName() != summaryEvent {
		t.Errorf("severity %v, event %q, and %v, %q", page.GetSeverityNumber(), page.GetEventName(), summary.GetSeverityNumber(), summary.GetEventName())
	}
	for key, want := range map[string]any{
		"lock.action": "backend_error", "lock.target": "projects", "error.type": "timeout", "lock.retries": int64(0), suppressedCount: int64(7),
	} {
		if got := page.Attr(key); got != want {
			t.Errorf("%s = %v, want %v", key, got, want)
		}
	}
	for key, want := range map[string]any{
		"lock.action": "backend_error", "lock.target": "projects", "lock.key_pattern": "lock:projects:*", suppressedCount: int64((fleet - 1) * each),
	} {
		if got := summary.Attr(key); got != want {
			t.Errorf("summary: %s = %v, want %v", key, got, want)
		}
	}
	for key, want := range map[string][2]any{ // of the instance, and of all
		"service.name": {"api", "api"}, "service.namespace": {"shop", "shop"}, "deployment.environment.name": {"production", "production"},
		"host.name": {"host-0", nil}, "service.instance.id": {"instance-0", nil},
	} {
		for i, l := range records {
			if got := otlptest.Attr(l.Resource.GetAttributes(), key); got != want[i] {
				t.Errorf("resource of record %d: %s = %v, want %v", i, key, got, want[i])
			}
		}
	}
	for _, l := range raw.Logs() {
		if l.Attr(suppressedCount) != int64(7) || otlptest.Attr(l.Resource.GetAttributes(), "host.name") == nil {
			t.Errorf("the paging route has touched the raw stream: %v", l)
		}
	}
	t.Logf("%d instances, %d occurrences: %d raw records; on the paging route a warning after %v, and a summary that stands for %v",
		fleet, fleet*each, len(raw.Logs()), paged.Round(time.Millisecond), summary.Attr(suppressedCount))
}

func TestWhatMakesTheKeyOfThePagingRoute(t *testing.T) {
	c, pager, _ := pagingCollector(t, "60s")
	s := newSender(t, c.http, instance(0)...)
	emit := func(s sender, r log.Record) { s.logs.Logger("lib").Emit(t.Context(), r) }

	emit(s, warning())
	// Of the same key: another fault, another pattern, another severity, another instance.
	emit(s, warning(attribute.String("error.type", "eof")))
	emit(s, warning(attribute.String("lock.key_pattern", "lock:p:*")))
	r := warning()
	r.SetSeverity(log.SeverityError)
	emit(s, r)
	emit(newSender(t, c.http, instance(2)...), warning())
	// The older name of the environment is the same environment.
	old := instance(3)
	old[2] = attribute.String("deployment.environment", "production")
	emit(newSender(t, c.http, old...), warning())
	// Of others.
	emit(s, warning(attribute.String("lock.action", "release_error")))
	emit(s, warning(attribute.String("lock.target", "orders")))
	for _, change := range []attribute.KeyValue{
		attribute.String("service.name", "worker"),
		attribute.String("service.namespace", "back"),
		attribute.String("deployment.environment.name", "staging"),
	} {
		emit(newSender(t, c.http, instance(1, change)...), warning())
	}
	// An absent part has its place: these two are not each other.
	emit(newSender(t, c.http, attribute.String("service.name", "x")), warning())
	emit(newSender(t, c.http, attribute.String("service.namespace", "x")), warning())

	c.flush()
	wantAccount(t, pager, 8, 13*(1+7))
}

func TestWhatPassesThePagingRoute(t *testing.T) {
	c, pager, raw := pagingCollector(t, "60s")
	s := newSender(t, c.http, instance(0)...)
	emit := func(severity log.Severity, body string, attrs ...attribute.KeyValue) {
		var r log.Record
		r.SetSeverity(severity)
		r.SetBody(attribute.StringValue(body))
		r.AddAttributes(attrs...)
		s.logs.Logger("app").Emit(t.Context(), r)
	}
	lock := func(action string) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("lock.action", action), attribute.String("lock.target", "projects")}
	}
	for range 2 {
		emit(log.SeverityInfo, "quiet")
		emit(log.SeverityInfo, "quiet lock", lock("a")...)
		emit(log.SeverityUndefined, "app, no severity")
		emit(log.SeverityWarn, "app warning")
		emit(log.SeverityWarn, "half a lock", lock("b")[0])
		emit(log.SeverityError, "app error")
		emit(log.SeverityError, "lock error", lock("c")...)
		emit(log.SeverityUndefined, "lock, no severity", lock("d")...)
		emit(log.SeverityFatal, "lock fatal", lock("e")...)
	}
	want := map[string]int{"app warning": 2, "half a lock": 2, "app error": 2, "lock error": 1, "lock, no severity": 1, "lock fatal": 2}
	eventually(t, 15*time.Second, "both routes have their records", func() error {
		if len(raw.Logs()) != 18 || len(pager.Logs()) < 10 {
			return fmt.Errorf("raw %d, paging %d", len(raw.Logs()), len(pager.Logs()))
		}
		return nil
	})
	got := map[string]int{}
	for _, l := range pager.Logs() {
		got[l.GetBody().GetStringValue()]++
		if otlptest.Attr(l.Resource.GetAttributes(), "host.name") != "host-0" {
			t.Errorf("%v has lost its resource", l.GetBody())
		}
		if l.GetBody().GetStringValue() == "lock, no severity" && l.GetSeverityNumber() != 13 {
			t.Errorf("a lock's record without a severity has %v, want WARN: it would not page", l.GetSeverityNumber())
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("on the paging route %v, want %v", got, want)
	}
}

func TestALongOutageIsOneWarningAnIntervalAndExact(t *testing.T) {
	const interval, lasts = time.Second, 4 * time.Second
	c, pager, raw := pagingCollector(t, interval.String())
	fleet := []sender{newSender(t, c.http, instance(0)...), newSender(t, c.http, instance(1)...)}

	sent := int64(0)
	start := time.Now()
	for tick := time.NewTicker(50 * time.Millisecond); time.Since(start) < lasts; <-tick.C {
		for _, s := range fleet {
			s.logs.Logger("lib").Emit(t.Context(), warning())
			sent++
		}
	}
	most := int64(time.Since(start)/interval) + 1
	occurrences := sent * (1 + 7)
	eventually(t, 15*time.Second, "the paging route stands for everything", func() error {
		if _, got := account(pager.Logs()); got != occurrences || int64(len(raw.Logs())) != sent {
			return fmt.Errorf("%d occurrences, %d raw records", got, len(raw.Logs()))
		}
		return nil
	})
	warnings, _ := account(pager.Logs())
	if warnings < 2 || warnings > most {
		t.Errorf("%d warnings on the paging route in %v, want 2 to %d", warnings, lasts, most)
	}
	t.Logf("%d warnings of 2 instances in %v, %d occurrences: %d raw records; on the paging route %d warnings and %d summaries that stand for all",
		sent, lasts, occurrences, len(raw.Logs()), warnings, int64(len(pager.Logs()))-warnings)
}

func TestSentryGetsItsAuthHeaderAndBothSignals(t *testing.T) {
	c, pager, _ := pagingCollector(t, "1s")
	s := newSender(t, c.http, instance(0)...)
	ctx, span := s.spans.Tracer("app").Start(t.Context(), "request")
	s.logs.Logger("lib").Emit(ctx, warning())
	span.End()
	eventually(t, 15*time.Second, "a span and a record have come", func() error {
		if len(pager.Spans()) != 1 || len(pager.Logs()) != 1 {
			return fmt.Errorf("%d spans, %d records", len(pager.Spans()), len(pager.Logs()))
		}
		return nil
	})
	for _, r := range pager.Requests() {
		if got := r.Header.Get("x-sentry-auth"); got != "sentry sentry_key=0123456789abcdef" {
			t.Errorf("x-sentry-auth: %q", got)
		}
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-protobuf") {
			t.Errorf("Content-Type: %q", r.Header.Get("Content-Type"))
		}
	}
}
