package test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/internal/redistest"
)

// The whole way: two processes of examples/httpapi, a real Redis that dies, the
// gateway with both routes, a real Prometheus. What is asserted is what comes out.
func TestAnOutageComesOutWholeAtEveryEnd(t *testing.T) {
	const good, failing = 10, 40 // requests to each instance, before and during the outage
	binary := buildExample(t, "httpapi")
	redis := redistest.Start(t)
	c, pager, raw := pagingCollector(t, "60s")
	prom := startPrometheus(t, c)

	var fleet []*httpapi
	for i := range 2 {
		fleet = append(fleet, startHTTPAPI(t, binary,
			"REDIS_ADDR="+redis.Addr,
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://"+c.http,
			"OTEL_SERVICE_NAME=httpapi",
			fmt.Sprintf("OTEL_RESOURCE_ATTRIBUTES=service.namespace=shop,deployment.environment.name=production,service.version=1.0.%d,service.instance.id=instance-%d", i, i),
			"OTEL_METRIC_EXPORT_INTERVAL=500", "OTEL_BSP_SCHEDULE_DELAY=200", "OTEL_BLRP_SCHEDULE_DELAY=200",
		))
	}

	// Locks that work, one of them contended.
	for i, a := range fleet {
		for n := range good {
			if got := a.put(fmt.Sprint("p", n), "5ms", traceID(1000*i+n)); got.status != http.StatusOK || !got.Protected {
				t.Fatalf("before the outage: %+v", got)
			}
		}
	}
	holder := make(chan answer)
	go func() { holder <- fleet[0].put("contended", "1500ms", traceID(500)) }()
	client := redis.Client()
	eventually(t, 5*time.Second, "the first instance holds the lock", func() error {
		keys, err := client.Keys(t.Context(), "lock:projects:contended").Result()
		if err == nil && len(keys) != 1 {
			err = fmt.Errorf("%d keys", len(keys))
		}
		return err
	})
	if got := fleet[1].put("contended", "5ms", traceID(501)); got.status != http.StatusConflict || got.retryAfter != "1" {
		t.Errorf("a second writer of the same project got %+v, want 409 with Retry-After", got)
	}
	if got := <-holder; got.status != http.StatusOK || !got.Protected {
		t.Errorf("the holder got %+v", got)
	}

	// The outage. The first failing request of instance 0 is the fleet's first.
	redis.Kill()
	const secretID = "s3cr3t-project-4711"
	for i, a := range fleet {
		for n := range failing {
			if got := a.put(secretID, "1ms", traceID(2000+1000*i+n)); got.status != http.StatusOK || got.Protected {
				t.Fatalf("during the outage: %+v", got)
			}
		}
	}

	total := int64(2 * failing)
	errorsTotal := `sum(lock_attempts_total{lock_outcome="backend_error",lock_target="projects",lock_backend_name="redis",lock_failure_policy="open",error_type="connection_refused"})`
	inPrometheus := func() {
		t.Helper()
		eventually(t, 20*time.Second, "Prometheus has every failure", func() error {
			got, err := prom.value(errorsTotal)
			if err == nil && got != float64(total) {
				err = fmt.Errorf("%v, want %d", got, total)
			}
			return err
		})
	}
	inPrometheus()
	assertExemplars(t, c, prom)

	redis.Restart()
	eventually(t, 10*time.Second, "locks work again", func() error {
		for _, a := range fleet {
			if got := a.put("after", "1ms", traceID(9000)); !got.Protected {
				total++
				return fmt.Errorf("%+v", got)
			}
		}
		return nil
	})
	for _, a := range fleet {
		a.stop() // flushes: the summaries go out now
	}

	// The raw stream: what it stands for is what happened.
	failures := func() (warnings, stood int64, perInstance map[string]int64) {
		perInstance = map[string]int64{}
		for _, l := range raw.Logs() {
			if l.Attr("lock.action") != "backend_error" {
				continue
			}
			held, _ := l.Attr("lock.report.suppressed_count").(int64)
			if l.GetSeverityNumber() == 13 {
				warnings++
				held++
			}
			stood += held
			id, _ := otlptest.Attr(l.Resource.GetAttributes(), "service.instance.id").(string)
			perInstance[id] += held
		}
		return warnings, stood, perInstance
	}
	eventually(t, 20*time.Second, "the raw stream stands for every failure", func() error {
		if _, stood, per := failures(); stood < total || len(per) != 2 {
			return fmt.Errorf("%d of %d, by instance %v", stood, total, per)
		}
		return nil
	})
	warnings, stood, perInstance := failures()
	if stood != total || warnings != 2 {
		t.Errorf("the raw stream has %d warnings and stands for %d failures, want one of each instance and %d", warnings, stood, total)
	}
	inPrometheus()

	// The paging route: one for the fleet, and exact.
	c.flush()
	wantAccount(t, pager, 1, total)
	pages := slices.DeleteFunc(pager.Logs(), func(l otlptest.LogRecord) bool {
		return l.Attr("lock.action") == nil || l.GetEventName() == summaryEvent
	})
	if got := pages[0].TraceIDHex(); got != traceID(2000) {
		t.Errorf("its trace is %s, want that of the fleet's first failure, %s", got, traceID(2000))
	}

	for key, want := range map[string]string{ // as otellock wrote it: the redaction finds nothing to mask
		"lock.key_pattern": "lock:projects:*", "lock.backend.name": "redis", "exception.type": "*otellock.Error",
		"exception.message": "otellock: acquire projects: connection_refused",
	} {
		if got := pages[0].Attr(key); got != want {
			t.Errorf("%s = %v, want %q", key, got, want)
		}
	}

	// Spans, with their events, in the caller's trace.
	failedSpans := func() []otlptest.Span {
		return slices.DeleteFunc(raw.SpansNamed("acquire projects"), func(s otlptest.Span) bool { return s.Attr("lock.outcome") != "backend_error" })
	}
	eventually(t, 20*time.Second, "every failed acquire is a span", func() error {
		if n := len(failedSpans()); int64(n) != total {
			return fmt.Errorf("%d of %d", n, total)
		}
		return nil
	})
	for _, s := range failedSpans() {
		events := s.GetEvents()
		if len(events) != 1 || events[0].GetName() != "lock.backend_error" || otlptest.Attr(events[0].GetAttributes(), "error.type") != "connection_refused" {
			t.Fatalf("a failed span without its event: %v", events)
		}
		if !strings.HasPrefix(s.TraceIDHex(), "00000000") {
			t.Fatalf("a span outside its caller's trace: %s", s.TraceIDHex())
		}
	}
	// The lock's key and its id are in no payload of any route. (The HTTP
	// instrumentation's URL path is not the lock's to hide.)
	for _, end := range []*otlptest.Receiver{pager, raw} {
		if end.Contains("lock:projects:s3cr3t") || end.Contains("lock:projects:p1") || end.Contains("lock:projects:contended") {
			t.Error("the key of a lock has come out")
		}
	}
	t.Logf("2 instances, %d failed acquires: Prometheus %d, spans with events %d, raw stream %d warnings standing for %d %v, paging route %d warning, and with the summary all of them",
		total, total, len(failedSpans()), warnings, stood, perInstance, len(pages))
}

// assertExemplars looks for exemplars with trace ids on the page that is scraped,
// and in Prometheus.
func assertExemplars(t *testing.T, c *collector, prom prometheus) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+c.prom+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, re := range []string{
		`(?m)^lock_attempts_total\{[^}]*lock_outcome="backend_error"[^}]*\} \S+ # \{[^}]*trace_id="0{10}`,
		`(?m)^lock_acquire_duration_seconds_bucket\{[^}]*\} \S+ # \{[^}]*trace_id="0{10}`,
	} {
		if !regexp.MustCompile(re).Match(page) {
			t.Errorf("no exemplar on the page: %s", re)
		}
	}
	for _, name := range []string{"lock_attempts_total", "lock_acquire_duration_seconds_bucket"} {
		var found []struct {
			Exemplars []struct{ Labels map[string]string }
		}
		form := url.Values{"query": {name}, "start": {fmt.Sprint(time.Now().Add(-5 * time.Minute).Unix())}, "end": {fmt.Sprint(time.Now().Add(time.Minute).Unix())}}
		eventually(t, 10*time.Second, "Prometheus has exemplars of "+name, func() error {
			if err := prom.get("query_exemplars", form, &found); err != nil {
				return err
			}
			for _, f := range found {
				for _, e := range f.Exemplars {
					if strings.HasPrefix(e.Labels["trace_id"], "0000000000") {
						return nil
					}
				}
			}
			return fmt.Errorf("%d series", len(found))
		})
	}
}
