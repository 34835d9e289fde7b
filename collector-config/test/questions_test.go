package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	"gopkg.in/yaml.v3"

	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// Every question that somebody may ask is put to a real Prometheus, after real locks have met everything that a lock can
// meet. An empty answer is a failure: a query that finds nothing where there is something is a panel that lies.
func TestEveryQuestionHasAnAnswer(t *testing.T) {
	redis := redistest.Start(t)
	pager, grafana := otlptest.Start(t), otlptest.Start(t)
	c := startCollector(t, []string{"base", "gateway", "paging", "output-sentry-otlp", "output-grafana", "output-prometheus"}, map[string]string{
		"SENTRY_OTLP_ENDPOINT": pager.Endpoint(), "SENTRY_PUBLIC_KEY": "0123456789abcdef",
		"TEMPO_OTLP_ENDPOINT": grafana.Endpoint(), "LOKI_OTLP_ENDPOINT": grafana.Endpoint() + "/otlp",
	})
	prom := startPrometheus(t, c)
	exportTo(t, c)
	pager.Fail(400)   // the Collector loses what it sends there, which is a question too
	grafana.Fail(503) // and it delivers nothing here, which is another

	everything(t, redis, c, prom)

	asked, at := 0, time.Now()
	ask := func(what, expr string) {
		asked++
		got, err := prom.queryAt(expr, at)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if !slices.ContainsFunc(got, func(s sample) bool { return !math.IsNaN(s.value) }) {
			t.Errorf("%s: %d samples, none with a value: %s", what, len(got), expr)
		}
	}
	for _, r := range rules(t) {
		// What only time can bring is taken off, and nothing else: see opened.
		ask(r.name(), opened(r))
	}
	for _, q := range dashboardQueries(t, "prometheus") {
		ask(q.panel, q.expr)
	}
	for what, expr := range onCall {
		ask(what, expr)
	}

	// The rules are loaded as they are, are evaluated without an error, and those
	// that need no time fire, with their texts expanded.
	var state struct {
		Groups []struct {
			Rules []struct {
				Name, Health, LastError, State string
				Alerts                         []struct{ Annotations map[string]string }
			}
		}
	}
	atOnce := []string{"LockStolen", "LockReportOverflow"}
	eventually(t, 20*time.Second, "what pages at once fires", func() error {
		if err := prom.get("rules", nil, &state); err != nil {
			return err
		}
		firing := map[string]bool{}
		for _, g := range state.Groups {
			for _, r := range g.Rules {
				firing[r.Name] = r.State == "firing"
			}
		}
		if absent := missing(atOnce, only(firing)); len(absent) > 0 {
			return fmt.Errorf("not %v", absent)
		}
		return nil
	})
	alerts := 0
	for _, g := range state.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" {
				t.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
			}
			for _, a := range r.Alerts {
				alerts++
				if text := a.Annotations["summary"]; text == "" || strings.Contains(text, "error expanding") || strings.Contains(text, "<no value>") {
					t.Errorf("%s: summary %q", r.Name, text)
				}
			}
		}
	}
	t.Logf("%d questions asked of a real Prometheus; %d alerts pending or firing with their texts expanded", asked, alerts)
}

func only(set map[string]bool) map[string]bool {
	out := map[string]bool{}
	for k, v := range set {
		if v {
			out[k] = true
		}
	}
	return out
}

// onCall are questions of whoever is on call that neither the rules nor the
// dashboard ask in these words.
var onCall = map[string]string{
	"what runs unprotected right now": `sum by(service_name,lock_target)(rate(lock_attempts_total{lock_outcome="backend_error",lock_failure_policy="open"}[2m]))`,
	"error ratio by target":           `sum by(lock_target)(rate(lock_attempts_total{lock_outcome="backend_error"}[5m])) / sum by(lock_target)(rate(lock_attempts_total{lock_operation_name="acquire",lock_outcome!="disabled"}[5m]))`,
	"which fault, which backend":      `topk(5,sum by(error_type,lock_backend_name)(rate(lock_attempts_total{lock_outcome=~"backend_error|release_error|extend_error"}[5m])))`,
	"is the gateway there":            `otelcol_process_uptime_seconds_total`,
	"how many pods":                   `count(sum by(service_instance_id)(rate(lock_attempts_total{lock_outcome="backend_error"}[2m]))>0)`,
}

// everything runs real locks through all that can happen to them.
func everything(t *testing.T, redis *redistest.Server, c *collector, prom prometheus) {
	t.Helper()
	ctx := t.Context()
	newClient := func() *goredis.Client {
		c := goredis.NewClient(redisbackend.Options(redis.Addr))
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	rdb := newClient()
	api, job := setup(t, "api"), setup(t, "job")
	bare, narrow := newBareTelemetry(t, c, "bare", 2000), newBareTelemetry(t, c, "narrow", 60)
	apiLocker := newLocker(t, newClient(), api, otellock.WithThrottle(api))
	jobLocker := newLocker(t, newClient(), job, otellock.WithThrottle(job))
	var fleet []*otellock.Target
	for i := range 4 {
		tel := setup(t, "fleet", attribute.String("service.instance.id", fmt.Sprint("fleet-", i)))
		locker := newLocker(t, newClient(), tel, otellock.WithThrottle(tel))
		fleet = append(fleet, target(t, locker, "spread", "lock:spread:*"))
	}
	bareLocker, narrowLocker := newLocker(t, newClient(), bare), newLocker(t, newClient(), narrow)

	short := []otellock.LockOption{otellock.WithAttemptTimeout(50 * time.Millisecond), otellock.WithTTL(100 * time.Millisecond)}
	projects := target(t, apiLocker, "projects", "lock:projects:*", otellock.WithWait(20*time.Millisecond))
	leases := target(t, apiLocker, "leases", "lock:leases:*", short...)
	robbed := target(t, apiLocker, "robbed", "lock:robbed:*", short...)
	leaked := target(t, jobLocker, "leaked", "lock:leaked:*", otellock.WithTTL(time.Minute))
	jobs := target(t, jobLocker, "jobs", "lock:jobs:*", otellock.WithWait(20*time.Millisecond))
	muted := target(t, bareLocker, "muted", "lock:muted:*")
	strict := target(t, apiLocker, "strict", "lock:strict:*", otellock.WithFailClosed(true))
	var wide []*otellock.Target
	for i := range 20 {
		wide = append(wide, target(t, narrowLocker, fmt.Sprintf("wide%d", i), fmt.Sprintf("lock:wide%d:*", i)))
	}
	noop := func(context.Context) error { return nil }
	hold := func(d time.Duration) func(context.Context) error {
		return func(context.Context) error { <-time.After(d); return nil }
	}

	// A first one of each, so that what follows is an increase.
	for _, target := range append([]*otellock.Target{projects, leases, robbed, leaked, jobs, muted, strict}, wide...) {
		if err := target.Mutex("first").Do(ctx, noop); err != nil {
			t.Fatal(err)
		}
	}
	_ = projects.Mutex("busy").Do(ctx, func(ctx context.Context) error {
		busy := projects.Mutex("busy") // its own key: busy at once
		_, err := busy.TryDo(ctx, noop)
		return errors.Join(err, busy.Do(ctx, noop))
	})
	settle := func() { // a scrape succeeds that saw an export of what is done now
		t.Helper()
		due := float64(time.Now().Add(2 * time.Second).Unix())
		eventually(t, 30*time.Second, "Prometheus has caught up", func() error {
			last, err := prom.value(`min(timestamp(up == 1))`)
			if err == nil && last < due {
				err = fmt.Errorf("last scrape %.1f s too early", due-last)
			}
			return err
		})
	}
	settle()

	var group sync.WaitGroup
	// Contention, of those who wait and of those who do not.
	group.Go(func() { _ = projects.Mutex("busy").Do(ctx, hold(2*time.Second)) })
	group.Go(func() {
		for i := range 60 {
			_ = projects.Mutex("busy").Do(ctx, noop)
			_, _ = projects.Mutex("busy").TryDo(ctx, noop)
			_ = projects.Mutex(fmt.Sprint(i)).Do(ctx, noop)
		}
	})
	// Holds near the TTL, and beyond it.
	group.Go(func() {
		for i := range 30 {
			_ = leases.Mutex(fmt.Sprint("near", i)).Do(ctx, hold(85*time.Millisecond))
		}
		for i := range 3 {
			_ = leases.Mutex(fmt.Sprint("over", i)).Do(ctx, hold(150*time.Millisecond)) // expired
			key := fmt.Sprint("lock:leases:gone", i)
			_ = leases.Mutex(fmt.Sprint("gone", i)).Do(ctx, func(context.Context) error { return rdb.Del(ctx, key).Err() }) // lost
			key = fmt.Sprint("lock:robbed:theirs", i)
			_ = robbed.Mutex(fmt.Sprint("theirs", i)).Do(ctx, func(context.Context) error { return rdb.Set(ctx, key, "another's", time.Minute).Err() }) // stolen
		}
	})
	// Leases that nobody releases.
	func() {
		for i := range 15 {
			if _, ok, err := leaked.Mutex(fmt.Sprint(i)).TryLock(ctx); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}
	}()
	runtime.GC()
	group.Wait()
	runtime.GC()
	settle()

	// More targets than a throttle has room for.
	full, err := throttle.NewProcessorWith(
		[]throttle.Option{throttle.WithMaxKeys(5), throttle.WithMeterProvider(narrow.MeterProvider())},
		sdklog.NewSimpleProcessor(narrow.exporter))
	if err != nil {
		t.Fatal(err)
	}
	crowded := sdklog.NewLoggerProvider(sdklog.WithProcessor(full)).Logger("crowded")
	for i := range 20 {
		crowded.Emit(ctx, warning(attribute.String("lock.target", fmt.Sprint("t", i))))
	}

	// The outage.
	redis.Kill()
	for range 40 {
		for _, target := range []*otellock.Target{projects, leases, jobs, muted} {
			if err := target.Mutex("x").Do(ctx, noop); err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if err := strict.Mutex("x").Do(ctx, noop); !errors.Is(err, otellock.ErrBackend) {
			t.Fatal(err)
		}
		<-time.After(75 * time.Millisecond)
	}
	for _, target := range fleet {
		if err := target.Mutex("x").Do(ctx, noop); err != nil {
			t.Fatal(err)
		}
	}
	redis.Restart()

	// A password that the client does not have.
	if err := rdb.ConfigSet(ctx, "requirepass", "s3cr3t").Err(); err != nil {
		t.Fatal(err)
	}
	stranger := target(t, newLocker(t, newClient(), job), "stranger", "lock:stranger:*")
	if err := stranger.Mutex("x").Do(ctx, noop); err != nil {
		t.Fatal(err)
	}
	settle()
}

// bareTelemetry is a set-up of somebody's own: no throttle, so nobody counts
// reports, and the cardinality limit of choice.
type bareTelemetry struct {
	sender
	limited *sdkmetric.MeterProvider
}

func newBareTelemetry(t *testing.T, c *collector, service string, limit int) bareTelemetry {
	t.Helper()
	exporter, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(c.http), otlpmetrichttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	attrs := []attribute.KeyValue{attribute.String("service.name", service), attribute.String("service.instance.id", service+"-1")}
	limited := sdkmetric.NewMeterProvider(sdkmetric.WithResource(resource.NewSchemaless(attrs...)), sdkmetric.WithCardinalityLimit(limit),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)))
	t.Cleanup(func() { _ = limited.Shutdown(context.Background()) })
	return bareTelemetry{newSender(t, c.http, attrs...), limited}
}

func (b bareTelemetry) TracerProvider() trace.TracerProvider { return b.spans }
func (b bareTelemetry) MeterProvider() metric.MeterProvider  { return b.limited }
func (b bareTelemetry) LoggerProvider() log.LoggerProvider   { return b.logs }

// A rule is one of ../prometheus/rules.yaml or ../loki/rules.yaml.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func (r rule) name() string { return r.Record + r.Alert }

func rules(t *testing.T) []rule { return rulesOf(t, filepath.Join(prometheusDir, "rules.yaml")) }

func rulesOf(t *testing.T, file string) (all []rule) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// opened is the expression of a rule, without the threshold where the run cannot
// reach it in its time.
func opened(r rule) string {
	switch r.Alert {
	case "LockTelemetryQueueFilling": // 5,000 batches
		return strings.Replace(r.Expr, "> 0.5", ">= 0", 1)
	case "LockTelemetryGone": // no Collector at all
		return strings.Replace(r.Expr, "== 0", ">= 0", 1)
	case "LockTelemetryStuck": // five minutes
		return strings.ReplaceAll(r.Expr, "[5m]", "[10s]")
	}
	return r.Expr
}

type panelQuery struct{ panel, expr string }

// dashboard is what of the JSON the tests look at.
type dashboard struct {
	UID    string
	Panels []struct {
		Title, Type string
		Targets     []struct {
			Datasource struct{ Type string }
			Expr       string
			Query      string
			Interval   string
			Exemplar   bool
		}
	}
	Annotations struct {
		List []struct {
			Name, Expr string
			Datasource struct{ Type string }
		}
	}
	Templating struct {
		List []struct {
			Name, Type string
			Definition string
		}
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("../grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// variables are filled in as Grafana does with "All" chosen.
var variables = strings.NewReplacer("$service", ".+", "$target", ".+", "$__rate_interval", "4m", "$__range", "1h", "$__interval", "1m")

func dashboardQueries(t *testing.T, datasource string) (all []panelQuery) {
	t.Helper()
	for _, p := range readDashboard(t).Panels {
		for _, q := range p.Targets {
			if q.Datasource.Type == datasource {
				all = append(all, panelQuery{"panel " + p.Title, variables.Replace(q.Expr + q.Query)})
			}
		}
	}
	for _, a := range readDashboard(t).Annotations.List {
		if a.Datasource.Type == datasource {
			all = append(all, panelQuery{"annotation " + a.Name, variables.Replace(a.Expr)})
		}
	}
	if len(all) == 0 {
		t.Fatalf("the dashboard asks nothing of %s", datasource)
	}
	return all
}
