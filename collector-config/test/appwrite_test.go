package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
	"gopkg.in/yaml.v3"

	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/internal/redistest"
)

// An appwrite is one process of Appwrite, as far as Lock.php counts.
type appwrite struct {
	service, instance string
	started           time.Time
	attempts          map[appwriteSeries]int64
}

type appwriteSeries struct{ outcome, target, project string }

// payload is what Utopia's telemetry adapter sends: OpenTelemetry for PHP over
// HTTP in protobuf, cumulative, the meter "cloud", no unit, and every series that
// the process has counted since it started.
func (a *appwrite) payload(t *testing.T, now time.Time) []byte {
	t.Helper()
	text := func(key, value string) *commonpb.KeyValue {
		return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
	}
	sum := &metricspb.Sum{AggregationTemporality: metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, IsMonotonic: true}
	for s, n := range a.attempts {
		sum.DataPoints = append(sum.DataPoints, &metricspb.NumberDataPoint{
			Attributes:        []*commonpb.KeyValue{text("outcome", s.outcome), text("target", s.target), text("project", s.project)},
			StartTimeUnixNano: uint64(a.started.UnixNano()), TimeUnixNano: uint64(now.UnixNano()),
			Value: &metricspb.NumberDataPoint_AsInt{AsInt: n},
		})
	}
	scope := &metricspb.ScopeMetrics{
		Scope: &commonpb.InstrumentationScope{Name: "cloud"},
		Metrics: []*metricspb.Metric{
			{Name: "lock.attempts", Description: "Distributed lock acquire outcomes", Data: &metricspb.Metric_Sum{Sum: sum}},
			{Name: "http.requests", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{ // of something else that the process counts
				AggregationTemporality: sum.AggregationTemporality, IsMonotonic: true,
				DataPoints: []*metricspb.NumberDataPoint{{Attributes: []*commonpb.KeyValue{text("project", "7"), text("outcome", "ok")}, TimeUnixNano: uint64(now.UnixNano()),
					Value: &metricspb.NumberDataPoint_AsInt{AsInt: 1}}},
			}}},
		},
	}
	body, err := proto.Marshal(&collectorpb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		SchemaUrl:    "https://opentelemetry.io/schemas/1.32.0",
		Resource:     &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.namespace", "cloud"), text("service.name", a.service), text("service.instance.id", a.instance)}},
		ScopeMetrics: []*metricspb.ScopeMetrics{scope},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (a *appwrite) export(t *testing.T, c *collector) {
	t.Helper()
	res, err := http.Post("http://"+c.http+"/v1/metrics", "application/x-protobuf", bytes.NewReader(a.payload(t, time.Now())))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("%s: %s", res.Status, body)
	}
}

// add counts n of each outcome for each of some customers.
func (a *appwrite) add(target string, customers int, outcomes map[string]int64) (added int64) {
	for c := range customers {
		for outcome, n := range outcomes {
			a.attempts[appwriteSeries{outcome, target, fmt.Sprint(1000 + c)}] += n
			added += n
		}
	}
	return added
}

// Panels about what Lock.php does not count.
var unknownToAppwrite = []string{"p99 of TTL", "Lost leases by target", "Hold utilization", "Wait", "Held and waiting", "Redis latency", "Never released", "Reports emitted and suppressed"}

func TestTheDashboardHasAnswersAboutAppwriteAsItIsToday(t *testing.T) {
	const customers = 5
	grafana := otlptest.Start(t)
	c := startCollector(t, []string{"base", "gateway", "appwrite", "output-grafana", "output-prometheus"}, map[string]string{
		"TEMPO_OTLP_ENDPOINT": grafana.Endpoint(), "LOKI_OTLP_ENDPOINT": grafana.Endpoint(),
	})
	prom := startPrometheus(t, c)

	// A Go service with otellock counts under the same name beside it.
	exportTo(t, c)
	tel := setup(t, "go-service")
	beside := target(t, newLocker(t, redistest.Start(t).Client(), tel), "beside", "lock:beside:*")
	work := func() {
		if err := beside.Mutex("1").Do(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}

	fleet := []*appwrite{
		{"appwrite", "appwrite-1", time.Now(), map[appwriteSeries]int64{}},
		{"appwrite", "appwrite-2", time.Now(), map[appwriteSeries]int64{}},
	}
	want := map[string]int64{}
	for round := range 8 {
		for _, a := range fleet {
			// More customers in each round: sums must not start anew with a new series.
			for outcome, n := range map[string]int64{"acquired": 10, "contended": 2, "skipped": 3} {
				want[outcome] += a.add("projects", customers+round, map[string]int64{outcome: n})
			}
			want["backend_error"] += a.add("projects", customers, map[string]int64{"backend_error": 1})
			want["release_error"] += a.add("domains", 1, map[string]int64{"release_error": 1})
			a.export(t, c)
		}
		work()
		<-time.After(600 * time.Millisecond) // the time between exports, shortened
	}

	for outcome, n := range want {
		eventually(t, 20*time.Second, "Prometheus has every "+outcome, func() error {
			got, err := prom.value(fmt.Sprintf(`sum(lock_attempts_total{service_name="appwrite",lock_outcome=%q})`, outcome))
			if err == nil && got != float64(n) {
				err = fmt.Errorf("%v, want %d", got, n)
			}
			return err
		})
	}

	series, err := prom.query(`lock_attempts_total{service_name="appwrite"}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(series) != 5*len(fleet) {
		t.Errorf("%d series, want one for each outcome and process: %v", len(series), series)
	}
	for _, s := range series {
		labels := maps.Clone(s.labels)
		outcome := labels["lock_outcome"]
		failed := strings.HasSuffix(outcome, "_error")
		for name, want := range map[string]string{
			"lock_target": map[bool]string{true: "domains", false: "projects"}[outcome == "release_error"], "lock_backend_name": "redis",
			"lock_operation_name": map[bool]string{true: "release", false: "acquire"}[outcome == "release_error"],
			"lock_failure_policy": map[bool]string{true: "open", false: ""}[failed], "error_type": map[bool]string{true: "_OTHER", false: ""}[failed],
			"project": "", "outcome": "", "target": "",
		} {
			if labels[name] != want {
				t.Errorf("%s: %s is %q, want %q", outcome, name, labels[name], want)
			}
		}
	}
	if other, err := prom.query(`http_requests_total{project="7",outcome="ok"}`); err != nil || len(other) == 0 {
		t.Errorf("another metric of the process was touched: %v, %v", other, err)
	}
	if other, err := prom.query(`lock_attempts_total{service_name="go-service",lock_outcome="released"}`); err != nil || len(other) != 1 {
		t.Errorf("the service beside it: %v, %v", other, err)
	}

	// The dashboard, with this service chosen.
	chosen := strings.NewReplacer(`=~".+"`, `=~"appwrite|projects|domains"`)
	answered, empty := map[string]bool{}, map[string]bool{}
	for _, q := range dashboardQueries(t, "prometheus") {
		got, err := prom.query(chosen.Replace(q.expr))
		if err != nil {
			t.Errorf("%s: %v", q.panel, err)
		}
		name, isPanel := strings.CutPrefix(q.panel, "panel ")
		if !isPanel { // an annotation
			continue
		}
		if slices.ContainsFunc(got, func(s sample) bool { return s.value == s.value }) {
			answered[name] = true
		} else {
			empty[name] = true
		}
	}
	for _, name := range unknownToAppwrite {
		if answered[name] || !empty[name] {
			t.Errorf("%s has an answer", name)
		}
		delete(empty, name)
	}
	for name := range empty {
		if !answered[name] {
			t.Errorf("%s has no answer", name)
		}
	}
	for _, name := range []string{"Unprotected", "Failing", "Instances", "Protected", "Granted in their wait", "Protected and granted", "Failures by error.type and backend", "Targets, worst first", "Contention"} {
		if !answered[name] {
			t.Errorf("%s has no answer", name)
		}
	}
	for expr, ok := range map[string]func(float64) bool{
		`count(sum by (service_instance_id) (rate(lock_attempts_total{lock_outcome="backend_error"}[5m])) > 0)`: func(v float64) bool { return v == float64(len(fleet)) },
		`backend:lock_failures:ratio_rate30m{service_name="appwrite"}`:                                          func(v float64) bool { return v > 0 && v < 1 }, // LockBackendErrors
		`target:lock_contended:ratio_rate30m{service_name="appwrite"}`:                                          func(v float64) bool { return v > 0 && v < 1 }, // LockContention
		`target:lock_unprotected:ratio_rate5m{service_name="appwrite"}`:                                         func(v float64) bool { return v > 0 && v < 1 },
		`sum(ALERTS{service_name="appwrite",alertname="LockRunningUnprotected"})`:                               func(v float64) bool { return v > 0 }, // pending or firing
	} {
		eventually(t, 20*time.Second, expr, func() error {
			v, err := prom.value(expr)
			if err == nil && !ok(v) {
				err = fmt.Errorf("is %v", v)
			}
			return err
		})
	}
	t.Logf("%d processes of Appwrite, %d customers: %v exactly, in %d series; %d panels have answers, %d are about what it does not count",
		len(fleet), customers+7, want, len(series), len(answered), len(unknownToAppwrite))
}

// appwrite.yaml repeats base.yaml's list, as lists are replaced when files are
// merged.
func TestAppwritesMetricsPassEverythingThatBaseHas(t *testing.T) {
	processors := func(file string) []string {
		text, err := os.ReadFile(filepath.Join(configDir, file))
		if err != nil {
			t.Fatal(err)
		}
		var config struct {
			Service struct {
				Pipelines map[string]struct{ Processors []string }
			}
		}
		if err := yaml.Unmarshal(text, &config); err != nil {
			t.Fatal(err)
		}
		return config.Service.Pipelines["metrics"].Processors
	}
	own := slices.DeleteFunc(processors("appwrite.yaml"), func(name string) bool { return name == "transform/appwrite" })
	if want := processors("base.yaml"); !slices.Equal(own, want) {
		t.Errorf("appwrite.yaml has %v, base.yaml %v", own, want)
	}
}
