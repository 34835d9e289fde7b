package test

import (
	"errors"
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

const mergedRecords = string(semconv.LockReportMergedRecordsKey)

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

// endInterval makes a paging route send what it holds: a stop puts that into the
// queue on disk, a start delivers it.
func (c *collector) endInterval() {
	c.t.Helper()
	c.stop()
	c.start()
}

// standFor sums what the records of a paging route stand for.
func standFor(pager *otlptest.Receiver) (total int64) {
	for _, l := range pager.Logs() {
		n, _ := l.Attr(mergedRecords).(int64)
		total += n
	}
	return total
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

func TestTheFleetsWarningsOfOneIntervalBecomeOneRecord(t *testing.T) {
	const fleet = 6
	// As shipped, 60 s: what is held comes out at the end of it or, here, at the stop.
	c, pager, raw := pagingCollector(t, "60s")

	var first trace.SpanContext
	start := time.Now()
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
		}
	}
	eventually(t, 15*time.Second, "the raw stream has every record, undelayed", func() error {
		if got := len(raw.Logs()); got != fleet {
			return fmt.Errorf("%d records", got)
		}
		return nil
	})
	undelayed := time.Since(start)
	if got := len(pager.Logs()); got != 0 {
		t.Fatalf("%d records on the paging route before the interval has ended", got)
	}
	c.endInterval()
	eventually(t, 15*time.Second, "the paging route has sent", func() error {
		if len(pager.Logs()) == 0 {
			return errors.New("nothing")
		}
		return nil
	})

	records := pager.Logs()
	if len(records) != 1 {
		t.Fatalf("%d records on the paging route, want 1: %v", len(records), records)
	}
	page := records[0]
	if page.Attr(mergedRecords) != int64(fleet) {
		t.Errorf("%s = %v, want %d", mergedRecords, page.Attr(mergedRecords), fleet)
	}
	if page.TraceIDHex() != first.TraceID().String() || page.SpanIDHex() != first.SpanID().String() {
		t.Errorf("trace %s %s, want the first record's %s %s", page.TraceIDHex(), page.SpanIDHex(), first.TraceID(), first.SpanID())
	}
	if got := time.Unix(0, int64(page.GetTimeUnixNano())); !got.Equal(start) {
		t.Errorf("time %v, want the first record's %v", got, start)
	}
	if page.GetSeverityNumber() != 13 || page.GetEventName() != "lock.backend_error" {
		t.Errorf("severity %v, event %q", page.GetSeverityNumber(), page.GetEventName())
	}
	for key, want := range map[string]any{
		"lock.action": "backend_error", "lock.target": "projects", "error.type": "timeout", "lock.retries": int64(0),
		"service.instance.id": "instance-0", "host.name": "host-0", "service.version": "1.0.0", "process.pid": int64(100),
		"lock.report.suppressed_count": nil, "first_observed_timestamp": nil, "last_observed_timestamp": nil, "otellock.paging.key": nil, "otellock.paging.time": nil,
	} {
		if got := page.Attr(key); got != want {
			t.Errorf("%s = %v, want %v", key, got, want)
		}
	}
	for key, want := range map[string]any{"service.name": "api", "service.namespace": "shop", "deployment.environment.name": "production", "host.name": nil} {
		if got := otlptest.Attr(page.Resource.GetAttributes(), key); got != want {
			t.Errorf("resource: %s = %v, want %v", key, got, want)
		}
	}
	for _, l := range raw.Logs() {
		if l.Attr("lock.report.suppressed_count") != int64(7) || l.Attr(mergedRecords) != nil || otlptest.Attr(l.Resource.GetAttributes(), "host.name") == nil {
			t.Errorf("the paging route has touched the raw stream: %v", l)
		}
	}
	t.Logf("%d instances, %d raw records after %v, 1 record on the paging route standing for %v", fleet, len(raw.Logs()), undelayed.Round(time.Millisecond), page.Attr(mergedRecords))
}

func TestWhatDiffersInTheKeyIsNotMerged(t *testing.T) {
	c, pager, _ := pagingCollector(t, "60s")
	s := newSender(t, c.http, instance(0)...)
	emit := func(s sender, r log.Record) { s.logs.Logger("lib").Emit(t.Context(), r) }

	emit(s, warning())
	emit(s, warning(attribute.String("lock.action", "release_error")))
	emit(s, warning(attribute.String("lock.target", "orders")))
	emit(s, warning(attribute.String("lock.key_pattern", "lock:p:*")))
	emit(s, warning(attribute.String("error.type", "eof")))
	r := warning()
	r.SetSeverity(log.SeverityWarn2)
	emit(s, r)
	for _, change := range []attribute.KeyValue{
		attribute.String("service.name", "worker"),
		attribute.String("service.namespace", "back"),
		attribute.String("deployment.environment.name", "staging"),
	} {
		emit(newSender(t, c.http, instance(1, change)...), warning())
	}
	// An absent part has its place: these two are not each other.
	noTarget := []attribute.KeyValue{attribute.String("service.name", "x"), attribute.String("service.namespace", "y")}
	emit(newSender(t, c.http, noTarget[:1]...), warning())
	emit(newSender(t, c.http, attribute.String("service.namespace", "x")), warning())
	// The older name of the environment is the same environment.
	old := instance(2)
	old[2] = attribute.String("deployment.environment", "production")
	emit(newSender(t, c.http, old...), warning())

	c.endInterval()
	eventually(t, 15*time.Second, "12 warnings are 11 records", func() error {
		if n, stand := len(pager.Logs()), standFor(pager); n != 11 || stand != 12 {
			return fmt.Errorf("%d records standing for %d", n, stand)
		}
		return nil
	})
}

func TestWhatIsNotALocksWarningPassesThePagingRouteAtOnce(t *testing.T) {
	c, pager, raw := pagingCollector(t, "60s")
	s := newSender(t, c.http, instance(0)...)
	emit := func(severity log.Severity, body string, attrs ...attribute.KeyValue) {
		var r log.Record
		r.SetSeverity(severity)
		r.SetBody(attribute.StringValue(body))
		r.AddAttributes(attrs...)
		s.logs.Logger("app").Emit(t.Context(), r)
	}
	lock := []attribute.KeyValue{attribute.String("lock.action", "backend_error"), attribute.String("lock.target", "projects")}
	emit(log.SeverityInfo, "quiet")
	emit(log.SeverityInfo, "summary", lock...)
	emit(log.SeverityWarn, "app warning")
	emit(log.SeverityWarn, "half a lock", lock[0])
	emit(log.SeverityError, "app error")
	emit(log.SeverityError, "lock error", lock...)

	want := []string{"app warning", "half a lock", "app error", "lock error"}
	eventually(t, 15*time.Second, "both routes have their records", func() error {
		if len(raw.Logs()) != 6 || len(pager.Logs()) < len(want) {
			return fmt.Errorf("raw %d, paging %d", len(raw.Logs()), len(pager.Logs()))
		}
		return nil
	})
	got := map[string]bool{}
	for _, l := range pager.Logs() {
		got[l.GetBody().GetStringValue()] = true
		if otlptest.Attr(l.Resource.GetAttributes(), "host.name") != "host-0" {
			t.Errorf("%v has lost its resource", l.GetBody())
		}
	}
	if absent := missing(want, got); len(absent) > 0 || len(got) != len(want) {
		t.Errorf("on the paging route %v, want %v", got, want)
	}
}

func TestALongOutageIsOneRecordAnInterval(t *testing.T) {
	const interval, lasts = time.Second, 4 * time.Second
	c, pager, raw := pagingCollector(t, interval.String())
	fleet := []sender{newSender(t, c.http, instance(0)...), newSender(t, c.http, instance(1)...)}

	sent := 0
	start := time.Now()
	for tick := time.NewTicker(50 * time.Millisecond); time.Since(start) < lasts; <-tick.C {
		for _, s := range fleet {
			s.logs.Logger("lib").Emit(t.Context(), warning())
			sent++
		}
	}
	intervals := int(time.Since(start)/interval) + 2 // the first and the last are cut
	eventually(t, 15*time.Second, "every warning is on both routes", func() error {
		if len(raw.Logs()) != sent || standFor(pager) != int64(sent) {
			return fmt.Errorf("%d sent, %d raw, %d stood for", sent, len(raw.Logs()), standFor(pager))
		}
		return nil
	})
	if n := len(pager.Logs()); n < 3 || n > intervals {
		t.Errorf("%d records on the paging route in %v, want 3 to %d", n, lasts, intervals)
	}
	t.Logf("%d warnings of 2 instances in %v: %d raw records; %d on the paging route standing for %d", sent, lasts, len(raw.Logs()), len(pager.Logs()), standFor(pager))
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
