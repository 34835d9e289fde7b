package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
)

// A loki is Loki's own OTLP ingest and query engine without its store (./loki).
type loki struct {
	t    *testing.T
	addr string
}

func startLoki(t *testing.T) loki {
	t.Helper()
	l := loki{t, freeAddr(t)}
	run(t, l.addr+"/ready", exec.Command("../bin/loki", l.addr))
	return l
}

type lokiSeries struct {
	Labels map[string]string
	Value  float64
	Points []float64
	Lines  []string
}

// query runs LogQL as of a time, log queries over the hour before it.
func (l loki) query(expr string, at time.Time) ([]lokiSeries, error) {
	res, err := http.Get("http://" + l.addr + "/loki/api/v1/query?" + url.Values{"query": {expr}, "time": {seconds(at)}}.Encode())
	if err != nil {
		return nil, err
	}
	return decode(res)
}

func (l loki) queryRange(expr string, end time.Time) ([]lokiSeries, error) {
	res, err := http.Get("http://" + l.addr + "/loki/api/v1/query_range?" + url.Values{
		"query": {expr}, "start": {seconds(end.Add(-10 * time.Minute))}, "end": {seconds(end)}, "step": {"1m"},
	}.Encode())
	if err != nil {
		return nil, err
	}
	return decode(res)
}

func decode(res *http.Response) (out []lokiSeries, err error) {
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		return nil, fmt.Errorf("%s: %s", res.Status, text)
	}
	return out, json.NewDecoder(res.Body).Decode(&out)
}

func seconds(t time.Time) string { return fmt.Sprintf("%.6f", float64(t.UnixMicro())/1e6) }

// A logged record is one of the raw stream.
type logged struct {
	age      time.Duration // before the evaluation; 0: a second
	severity log.Severity  // 0: WARN
	attrs    []attribute.KeyValue
	instance int
}

// push sends records of the service "api" as the Collector does.
func (l loki) push(at time.Time, records []logged) {
	l.t.Helper()
	exporter, err := otlploghttp.New(l.t.Context(), otlploghttp.WithEndpoint(l.addr), otlploghttp.WithInsecure(), otlploghttp.WithURLPath("/otlp/v1/logs"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, one := range records {
		provider := sdklog.NewLoggerProvider(
			sdklog.WithResource(resource.NewSchemaless(instance(one.instance)...)),
			sdklog.WithProcessor(sdklog.NewSimpleProcessor(exporter)))
		r := warning(one.attrs...)
		r.AddAttributes(attribute.String("lock.failure_policy", "open"), attribute.String("lock.backend.name", "redis"))
		if one.severity != 0 {
			r.SetSeverity(one.severity)
		}
		r.SetTimestamp(at.Add(-max(one.age, time.Second)))
		provider.Logger("lib").Emit(l.t.Context(), r)
	}
}

func action(name, errorType string) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("lock.action", name), attribute.String("error.type", errorType)}
}

func suppressed(n int, types ...string) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.Int("lock.report.suppressed_count", n), attribute.StringSlice("lock.report.suppressed_error_types", types)}
}

func TestEveryLogAlertFiresAndDoesNotFire(t *testing.T) {
	fires := map[string]struct {
		yes, no []logged
		labels  map[string]string // of what fires
	}{
		"LockStolenLogged": {
			yes: []logged{
				{age: time.Minute, attrs: action("release_error", "stolen")},
				{age: 2 * time.Minute, attrs: append(action("release_error", "expired"), suppressed(2, "expired", "stolen")...)},
			},
			no: []logged{
				{age: 11 * time.Minute, attrs: action("release_error", "stolen")},
				{age: time.Minute, attrs: action("release_error", "expired")},
				{age: time.Minute, severity: log.SeverityInfo, attrs: action("release_error", "stolen")},
				{age: time.Minute, severity: log.SeverityError, attrs: action("release_error", "stolen")},
				{age: time.Minute, attrs: append(action("release_error", "expired"), suppressed(2, "expired", "lost")...)},
			},
			labels: map[string]string{"service_name": "api", "lock_target": "projects"},
		},
		"LockRunningUnprotectedLogged": {
			yes: []logged{{age: time.Minute, attrs: suppressed(0)}, {age: 10 * time.Second, attrs: suppressed(40)}},
			no: []logged{
				{age: time.Minute, attrs: suppressed(20)}, // 21 in 5 minutes
				{age: 6 * time.Minute, attrs: suppressed(500)},
				{age: time.Minute, severity: log.SeverityInfo, attrs: suppressed(500)}, // a summary
				{age: time.Minute, attrs: append(suppressed(500), attribute.String("lock.action", "release_error"))},
			},
			labels: map[string]string{"service_name": "api", "lock_target": "projects"},
		},
		"LockBackendErrorsLogged": {
			yes: []logged{{age: time.Minute, attrs: action("release_error", "timeout")}},
			no: []logged{
				{age: 11 * time.Minute},
				{age: time.Minute, attrs: action("release_error", "expired")},
				{age: time.Minute, severity: log.SeverityInfo},
			},
			labels: map[string]string{"service_name": "api", "lock_backend_name": "redis", "error_type": "timeout"},
		},
		"LockBackendRefusesLogged": {
			yes: []logged{{age: time.Minute, attrs: suppressed(3, "timeout", "NOAUTH")}},
			no: []logged{
				{age: time.Minute, attrs: suppressed(3, "timeout", "eof")},
				{age: time.Minute, severity: log.SeverityInfo, attrs: suppressed(3, "NOAUTH")},
			},
			labels: map[string]string{"service_name": "api", "lock_backend_name": "redis"},
		},
		"LockLeaseExpiredOrLostLogged": {
			yes: []logged{{age: 20 * time.Minute, attrs: action("extend_error", "lost")}},
			no: []logged{
				{age: 31 * time.Minute, attrs: action("extend_error", "lost")},
				{age: time.Minute, attrs: action("release_error", "stolen")},
				{age: time.Minute},
			},
			labels: map[string]string{"service_name": "api", "lock_target": "projects", "error_type": "lost"},
		},
		"LockFaultSpreadsLogged": {
			yes:    []logged{{instance: 1}, {instance: 2}, {instance: 3}, {instance: 4}},
			no:     []logged{{instance: 1}, {instance: 2}, {instance: 3}, {instance: 3}, {instance: 4, severity: log.SeverityInfo}, {instance: 5, age: 6 * time.Minute}},
			labels: map[string]string{"service_name": "api"},
		},
	}
	at := time.Now()
	all := rulesOf(t, "../loki/rules.yaml")
	for _, r := range all {
		t.Run(r.Alert, func(t *testing.T) {
			if !strings.Contains(r.Expr, "severity_number >= 13") {
				t.Error("the query does not filter WARN, so a summary may page")
			}
			one, ok := fires[r.Alert]
			if !ok {
				t.Fatal("no test says when this alert fires")
			}
			quiet := startLoki(t)
			quiet.push(at, one.no)
			if got, err := quiet.query(r.Expr, at); err != nil || len(got) != 0 {
				t.Errorf("fires on what it should not: %v, err %v", got, err)
			}
			loud := startLoki(t)
			loud.push(at, append(one.no, one.yes...))
			got, err := loud.query(r.Expr, at)
			if err != nil || len(got) != 1 || fmt.Sprint(got[0].Labels) != fmt.Sprint(one.labels) {
				t.Errorf("does not fire, or not once for %v: %v, err %v", one.labels, got, err)
			}
		})
	}
	if len(all) != len(fires) {
		t.Errorf("%d rules, %d tests", len(all), len(fires))
	}
}

// Every alert says what it means, what to look at and what to do, and how loud it is.
func TestEveryAlertHasARunbook(t *testing.T) {
	n := 0
	for _, r := range append(rules(t), rulesOf(t, "../loki/rules.yaml")...) {
		if r.Alert == "" {
			continue
		}
		n++
		text := r.Annotations["runbook"]
		for _, part := range []string{"Means: ", "\nLook at: ", "\nDo: "} {
			if !strings.Contains("\n"+text, part) {
				t.Errorf("%s: the runbook lacks %q", r.Alert, part)
			}
		}
		if r.Annotations["summary"] == "" || r.Labels["severity"] != "page" && r.Labels["severity"] != "ticket" {
			t.Errorf("%s: summary %q, severity %q", r.Alert, r.Annotations["summary"], r.Labels["severity"])
		}
	}
	t.Logf("%d alerts with a runbook", n)
}
