package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// A scenario is hours of a fleet's life, played to the rules by promtool: which alerts must have fired when it is over.
// Every other alert must have been silent throughout.
type scenario struct {
	name   string
	fires  []string
	series func() []series
}

// A fleet says how often its applications export. Prometheus scrapes every 15 seconds, so at 60 it sees stairs.
type fleet struct{ export int }

// A series is a counter or gauge by the second, as the application has it. It exists from birth to death (0: to the end).
type series struct {
	labels       string
	birth, death int
	at           func(second int) float64
}

const (
	minute, hour = 60, 3600
	scrape       = 15
	length       = 3 * hour
	began        = 2*hour + 7 // of what happens: off the beat of any export
)

// notation is the series as promtool writes it.
func (f fleet) notation(s series) string {
	var values []string
	for t := 0; t <= length; t += scrape {
		exported := t - t%f.export
		alive := t
		if s.death != 0 && t > s.death {
			exported, alive = s.death, t-5*minute // the last export is at the end; its page keeps it for five minutes
		}
		switch {
		case exported < s.birth:
			values = append(values, "_")
		case s.death != 0 && alive > s.death:
			return strings.Join(append(values, "stale"), " ")
		default:
			values = append(values, fmt.Sprint(s.at(exported)))
		}
	}
	return strings.Join(values, " ")
}

// rate is a counter that grows evenly from one second to another.
func rate(perSecond float64, from, to int) func(int) float64 {
	return func(second int) float64 { return float64(int(perSecond * float64(max(0, min(second, to)-from)))) }
}

func attempts(service, instance, target, operation, outcome, more string) string {
	return fmt.Sprintf(`lock_attempts_total{service_name=%q,service_instance_id=%q,lock_target=%q,lock_backend_name="redis",lock_operation_name=%q,lock_outcome=%q%s}`,
		service, instance, target, operation, outcome, more)
}

// serving is an instance of a service that takes and releases locks, ten a second, with its gateway.
func serving(instance string, birth, death int) []series {
	end := length
	if death != 0 {
		end = death
	}
	busy := rate(10, birth, end)
	out := []series{
		{attempts("api", instance, "projects", "acquire", "acquired", ""), birth, death, busy},
		{attempts("api", instance, "projects", "release", "released", ""), birth, death, busy},
		{fmt.Sprintf(`lock_held{service_name="api",service_instance_id=%q,lock_target="projects",lock_backend_name="redis"}`, instance), birth, death,
			func(second int) float64 {
				if second >= end {
					return 0 // Close released them
				}
				return 12
			}},
	}
	for _, lost := range []string{"expired", "lost", "stolen"} { // declared targets have these at 0
		out = append(out, series{attempts("api", instance, "projects", "release", "release_error", `,error_type="`+lost+`"`), birth, death, func(int) float64 { return 0 }})
	}
	return out
}

// gateway is the Collector's own telemetry, gone from one second on (0: never).
func gateway(gone int) []series {
	up := func(second int) float64 {
		if gone != 0 && second >= gone {
			return 0
		}
		return 1
	}
	uptime := func(second int) float64 { return float64(second) }
	return []series{
		{`up{job="otelcol",instance="gateway:8888"}`, 0, 0, up},
		{`up{job="otellock",instance="gateway:9464"}`, 0, 0, up},
		{`otelcol_process_uptime_seconds_total{job="otelcol",instance="gateway:8888"}`, 0, gone, uptime},
		{`otelcol_exporter_queue_capacity{job="otelcol",instance="gateway:8888",exporter="otlp_http/loki",data_type="logs"}`, 0, gone, func(int) float64 { return 10000 }},
	}
}

// sink is an exporter of the gateway whose backend is dead from one second on (0: never).
func sink(dead int) []series {
	end := length
	if dead != 0 {
		end = dead
	}
	return []series{
		{`otelcol_exporter_queue_size{job="otelcol",instance="gateway:8888",exporter="otlp_http/loki",data_type="logs"}`, 0, 0, func(second int) float64 {
			if second < end {
				return 0
			}
			return float64(1 + (second-end)/minute)
		}},
		{`otelcol_exporter_sent_log_records_total{job="otelcol",instance="gateway:8888",exporter="otlp_http/loki"}`, 0, 0, rate(1, 0, end)},
	}
}

// outage is an instance of which no acquire is answered for five minutes. Its failing series are born with the first.
func outage(policy string) []series {
	failing := rate(10, began, began+5*minute)
	working := rate(10, 0, length)
	all := serving("1", 0, 0)
	for i := range 2 {
		all[i].at = func(second int) float64 { return working(second) - failing(second) }
	}
	return append(all, []series{
		{attempts("api", "1", "projects", "acquire", "backend_error", `,error_type="timeout",lock_failure_policy="`+policy+`"`), began, 0, failing},
		{attempts("api", "1", "projects", "cleanup", "cleaned", ""), began + 5*minute, 0, rate(10, began+5*minute, began+7*minute)},
		{`lock_reports_total{service_name="api",service_instance_id="1",lock_target="projects",lock_action="backend_error",lock_report_result="emitted"}`, began, 0,
			func(second int) float64 { return float64(min(5, 1+(second-began)/minute)) }},
		{`lock_reports_total{service_name="api",service_instance_id="1",lock_target="projects",lock_action="backend_error",lock_report_result="suppressed"}`, began, 0, failing},
	}...)
}

var scenarios = []scenario{
	{"a quiet day, on which one acquire in 10,000 fails", nil, func() []series {
		failures := rate(0.001, 0, length)
		return slices.Concat(gateway(0), sink(0), serving("1", 0, 0), []series{
			{attempts("api", "1", "projects", "acquire", "backend_error", `,error_type="timeout",lock_failure_policy="open"`), 0, 0, failures},
			{`lock_reports_total{service_name="api",service_instance_id="1",lock_target="projects",lock_report_result="emitted"}`, 0, 0, failures},
		})
	}},
	{"ten replicas of a cron, of which nine skip each minute", nil, func() []series {
		out := slices.Concat(gateway(0), sink(0))
		for i := range 10 {
			outcome := "skipped"
			if i == 0 {
				outcome = "acquired"
				out = append(out, series{attempts("cron", "0", "nightly", "release", "released", ""), 0, 0, rate(1./minute, 0, length)})
			}
			out = append(out, series{attempts("cron", fmt.Sprint(i), "nightly", "acquire", outcome, ""), 0, 0, rate(1./minute, 0, length)})
		}
		return out
	}},
	{"one timeout each nine minutes", nil, func() []series {
		failures := rate(1./(9*minute), 0, length)
		return slices.Concat(gateway(0), serving("1", 0, 0), []series{
			{attempts("api", "1", "projects", "release", "release_error", `,error_type="timeout"`), 0, 0, failures},
			{`lock_reports_total{service_name="api",service_instance_id="1",lock_target="projects",lock_report_result="emitted"}`, 0, 0, failures},
		})
	}},
	{"a deploy: the same instance, another version, counters that begin again", nil, func() []series {
		return slices.Concat(gateway(0), serving("1", 0, began), serving("1", began+6*minute, 0))
	}},
	{"a rolling restart: one instance after the other is replaced", nil, func() []series {
		return slices.Concat(gateway(0),
			serving("1", 0, began), serving("2", 0, began+2*minute), serving("3", 0, began+4*minute),
			serving("4", began, 0), serving("5", began+2*minute, 0), serving("6", began+4*minute, 0))
	}},
	{"five minutes without the backend, failing open", []string{"LockBackendErrors", "LockRunningUnprotected"}, func() []series {
		return slices.Concat(gateway(0), sink(0), outage("open"))
	}},
	{"five minutes without the backend, failing closed", []string{"LockBackendErrors", "LockFailingClosed"}, func() []series {
		return slices.Concat(gateway(0), sink(0), outage("closed"))
	}},
	{"a gateway that dies", []string{"LockTelemetryGone"}, func() []series {
		all := serving("1", 0, began)
		all[2].at = func(int) float64 { return 12 } // it goes on, unseen
		return slices.Concat(gateway(began), all)
	}},
	{"a sink that dies, with a queue that stays nearly empty", []string{"LockTelemetryStuck"}, func() []series {
		return slices.Concat(gateway(0), sink(began), serving("1", 0, 0))
	}},
	{"a process that dies with what it holds", []string{"LockLeasesLeaking"}, func() []series {
		dies := serving("1", 0, began)
		dies[2].at = func(int) float64 { return 12 }
		return slices.Concat(gateway(0), dies, serving("2", 0, 0))
	}},
	{"one lease that is stolen", []string{"LockStolen"}, func() []series {
		all := serving("1", 0, 0)
		all[len(all)-1].at = func(second int) float64 { return min(1, float64(max(0, second-began))) }
		return slices.Concat(gateway(0), all, []series{
			{`lock_reports_total{service_name="api",service_instance_id="1",lock_target="projects",lock_report_result="emitted"}`, began, 0, func(int) float64 { return 1 }},
		})
	}},
}

func TestEveryAlertFiresWhereItMustAndIsSilentElsewhere(t *testing.T) {
	rules, err := filepath.Abs(filepath.Join(prometheusDir, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, export := range []int{15, 60} {
		for _, s := range scenarios {
			t.Run(fmt.Sprintf("%s, exported each %d s", s.name, export), func(t *testing.T) {
				t.Parallel()
				if out := promtool(t, rules, s, fleet{export}); out != "" {
					t.Error(out)
				}
			})
		}
	}
}

type expected struct {
	Labels string  `yaml:"labels"`
	Value  float64 `yaml:"value"`
}

type question struct {
	Expr    string     `yaml:"expr"`
	At      string     `yaml:"eval_time"`
	Samples []expected `yaml:"exp_samples"`
}

// promtool plays a scenario, and answers what does not come out as it must.
func promtool(t *testing.T, rules string, s scenario, f fleet) string {
	t.Helper()
	type input struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	inputs, born := []input{}, map[string]int{}
	for _, one := range s.series() {
		if i, ok := born[one.labels]; ok { // a series that begins again
			before, after := strings.TrimSuffix(inputs[i].Values, " stale"), f.notation(one)
			n := len(strings.Fields(before))
			inputs[i].Values = before + " stale " + strings.Join(strings.Fields(after)[n+1:], " ")
			continue
		}
		born[one.labels] = len(inputs)
		inputs = append(inputs, input{one.labels, f.notation(one)})
	}
	ever := question{Expr: `group by (alertname) (last_over_time(ALERTS{alertstate="firing"}[3h]))`, At: fmt.Sprintf("%ds", length)}
	for _, alert := range s.fires {
		ever.Samples = append(ever.Samples, expected{fmt.Sprintf("{alertname=%q}", alert), 1})
	}
	questions := []question{ever}
	for _, page := range []string{"LockRunningUnprotected", "LockFailingClosed", "LockStolen"} {
		if slices.Contains(s.fires, page) { // before the five minutes are over, and no longer than needed
			questions = append(questions,
				question{fmt.Sprintf(`group by (alertname) (ALERTS{alertname=%q,alertstate="firing"})`, page), fmt.Sprintf("%ds", began+5*minute), []expected{{fmt.Sprintf("{alertname=%q}", page), 1}}},
				question{fmt.Sprintf(`ALERTS{alertname=%q,alertstate="firing"}`, page), fmt.Sprintf("%ds", began+13*minute), nil})
		}
	}
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	text, err := yaml.Marshal(map[string]any{
		"rule_files": []string{rules}, "evaluation_interval": "30s",
		"tests": []any{map[string]any{"name": s.name, "interval": fmt.Sprintf("%ds", scrape), "input_series": inputs, "promql_expr_test": questions}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("promtool", "test", "rules", file).CombinedOutput()
	if err != nil {
		return string(out)
	}
	return ""
}
