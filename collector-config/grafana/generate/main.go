// Generate writes the dashboard: GOWORK=off go run . > ../dashboard.json
package main

//lint:file-ignore SA1019 the classic model: every Grafana since 10 provisions it, the second version only the newest do

import (
	"encoding/json"
	"log"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

func main() {
	b := dashboard.NewDashboardBuilder("Locks").Uid("otellock").Tags([]string{"otellock", "locks"}).
		Description("otellock: is anything unprotected, what fails, what waits. Made for the metrics, spans and records of github.com/otellock/otellock-go.").
		Time("now-1h", "now").Refresh("30s").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).Editable()
	variables(b)
	annotations(b)
	now(b)
	overTime(b)
	failures(b)
	lostLeases(b)
	waiting(b)
	fault(b)
	warnings(b)
	d, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	finish(&d)
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		log.Fatal(err)
	}
}

// finish numbers the panels and their queries, and takes out the defaults of the SDK that Grafana's own types do not know.
func finish(d *dashboard.Dashboard) {
	for i := range d.Templating.List {
		v := &d.Templating.List[i]
		v.Auto, v.AutoMin, v.AutoCount = nil, nil, nil
	}
	for i, p := range d.Panels {
		id := uint32(i + 1)
		if p.RowPanel != nil {
			p.RowPanel.Id = id
			continue
		}
		if p.Panel.Id == nil {
			p.Panel.Id = &id
		}
		if options, ok := p.Panel.Options.(*table.Options); ok {
			options.Footer = nil
		}
		for i, target := range p.Panel.Targets {
			if q, ok := target.(prometheus.Dataquery); ok && q.RefId == nil {
				q.RefId = new(string(rune('A' + i)))
				p.Panel.Targets[i] = q
			}
		}
	}
}

// chosen are the services and targets that the dashboard is narrowed to.
const chosen = `service_name=~"$service",lock_target=~"$target"`

func variables(b *dashboard.DashboardBuilder) {
	for _, s := range [][2]string{{"prometheus", "Metrics"}, {"loki", "Logs"}, {"tempo", "Traces"}} {
		b.WithVariable(dashboard.NewDatasourceVariableBuilder(s[0]).Label(s[1]).Type(s[0]))
	}
	all := dashboard.VariableOption{
		Text:  dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
		Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
	}
	choice := func(name, label, query string) *dashboard.QueryVariableBuilder {
		return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source("prometheus")).
			Query(dashboard.StringOrMap{Map: map[string]any{"query": query, "refId": "v", "qryType": 1}}).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
			Multi(true).IncludeAll(true).Current(all)
	}
	// All services are those that have locks, by name: Loki then reads their streams and no others.
	b.WithVariable(choice("service", "Service", `label_values(lock_attempts_total, service_name)`))
	b.WithVariable(choice("target", "Target", `label_values(lock_attempts_total{service_name=~"$service"}, lock_target)`).AllValue(".+"))
}

func annotations(b *dashboard.DashboardBuilder) {
	metrics := func(name, color, expr, title, text string) {
		b.Annotation(dashboard.NewAnnotationQueryBuilder().Name(name).Enable(true).IconColor(color).Datasource(source("prometheus")).
			Expr(expr).TitleFormat(title).TextFormat(text).Step("60s"))
	}
	records := func(name, color, expr, title, text string) {
		b.Annotation(dashboard.NewAnnotationQueryBuilder().Name(name).Enable(true).IconColor(color).Datasource(source("loki")).
			Expr(expr).TitleFormat(title).TextFormat(text))
	}
	metrics("Alerts", "red", `ALERTS{alertname=~"Lock.+",alertstate="firing",service_name=~"$service|"}`, "{{alertname}}", "{{service_name}} {{lock_target}}")
	metrics("Deploys", "blue", `count by (service_name, service_version) (lock_attempts_total{service_name=~"$service"}) unless count by (service_name, service_version) (lock_attempts_total{service_name=~"$service"} offset 5m)`,
		"{{service_name}} {{service_version}}", "a version that was not there five minutes before")
	// A warning that stands for none before it is the first of its minute; a summary is what is told when it is over.
	records("Failures begin", "orange", `{service_name=~"$service"} | severity_number >= 13 | severity_number < 17 | lock_action=~"backend_error|release_error|extend_error" | lock_target=~"$target" | lock_report_suppressed_count="0"`,
		"{{lock_target}}: {{lock_action}}", "{{service_name}} {{error_type}}")
	records("Failures end", "green", `{service_name=~"$service"} | severity_number < 13 | lock_action=~"backend_error|release_error|extend_error" | lock_target=~"$target" | lock_report_suppressed_count > 0`,
		"{{lock_target}}: {{lock_action}} is over", "since {{lock_report_suppressed_since}} until {{lock_report_suppressed_until}}: {{lock_report_suppressed_count}} more")
}

func now(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("Now"))
	acquires := `sum(rate(lock_attempts_total{lock_operation_name="acquire",lock_outcome=~"acquired|contended|backend_error",` + chosen + `}[5m]))`
	b.WithPanel(number("Unprotected", "Critical sections that run without their lock, a second. The backend does not answer and the target fails open.",
		"ops", 2, levels("green", 0.001, "orange", 0.1, "red"),
		promQL("", `sum(rate(lock_attempts_total{lock_outcome="backend_error",lock_operation_name="acquire",lock_failure_policy="open",`+chosen+`}[5m])) or vector(0)`)))
	b.WithPanel(number("Refused", "Calls that get an error instead of the lock, a second. The backend does not answer and the target fails closed.",
		"ops", 2, levels("green", 0.001, "orange", 0.1, "red"),
		promQL("", `sum(rate(lock_attempts_total{lock_outcome="backend_error",lock_operation_name="acquire",lock_failure_policy="closed",`+chosen+`}[5m])) or vector(0)`)))
	b.WithPanel(number("Failing", "Acquires that meet a failing backend, of all.",
		"percentunit", 2, levels("green", 0.001, "orange", 0.0144, "red"),
		promQL("", `sum(rate(lock_attempts_total{lock_operation_name="acquire",lock_outcome="backend_error",`+chosen+`}[5m])) / (`+acquires+` > 0) or vector(0)`)))
	b.WithPanel(number("Instances", "Instances that meet a failing backend: one is its own network, all of them are the backend.", "short", 0, levels("green", 1., "orange", 4., "red"),
		promQL("", `count(sum by (service_instance_id) (rate(lock_attempts_total{lock_outcome="backend_error",`+chosen+`}[5m])) > 0) or vector(0)`)))
	b.WithPanel(number("Stolen, 1 h", "Two holders at once, proven.", "short", 0, levels("green", 0.5, "red"),
		promQL("", `sum(increase(lock_attempts_total{error_type="stolen",`+chosen+`}[1h])) or vector(0)`)))
	b.WithPanel(number("Expired, 1 h", "Leases that ran out while they were held: overlap was possible.", "short", 0, levels("green", 0.5, "orange"),
		promQL("", `sum(increase(lock_attempts_total{error_type="expired",`+chosen+`}[1h])) or vector(0)`)))
	b.WithPanel(number("p99 of TTL", "How much of its TTL a hold uses, over half an hour. Below 1% it is not known how much.",
		"percentunit", 0, levels("green", 0.75, "orange", 1., "red"),
		promQL("", `histogram_quantile(0.99, sum by (le) (rate(lock_hold_utilization_bucket{`+chosen+`}[30m])))`)).
		Mappings([]dashboard.ValueMapping{between(0, 0.01, "below 1%", "green")}).NoValue("no holds"))
	b.WithPanel(number("Telemetry", "Whether this dashboard can be believed: exporters of the Collector that have something and deliver nothing, for five minutes.",
		"short", 0, levels("green", 1., "red"),
		promQL("", `absent(otelcol_process_uptime_seconds_total) * -1 or count(min_over_time(otelcol_exporter_queue_size[5m]) > 0 unless on (job, instance, exporter, data_type) (label_replace(increase(otelcol_exporter_sent_spans_total[5m]), "data_type", "traces", "", "") > 0 or label_replace(increase(otelcol_exporter_sent_metric_points_total[5m]), "data_type", "metrics", "", "") > 0 or label_replace(increase(otelcol_exporter_sent_log_records_total[5m]), "data_type", "logs", "", "") > 0)) or vector(0)`).Instant()).
		GraphMode(common.BigValueGraphModeNone).
		Mappings([]dashboard.ValueMapping{between(-1, -1, "silent", "red"), between(0, 0, "ok", "green"), between(1, 1e6, "stuck", "red")}))
}

// overTime are the two numbers that a service is measured by.
func overTime(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("Over the time shown"))
	asked := func(window string) string {
		return `(sum(increase(lock_attempts_total{lock_operation_name="acquire",lock_outcome=~"acquired|contended|backend_error",` + chosen + `}[` + window + `])) > 0)`
	}
	protected := func(window string) string {
		return `1 - (sum(increase(lock_attempts_total{lock_operation_name="acquire",lock_outcome="backend_error",` + chosen + `}[` + window + `])) or vector(0)) / ` + asked(window)
	}
	granted := func(window string) string {
		return `sum(increase(lock_attempts_total{lock_operation_name="acquire",lock_outcome="acquired",` + chosen + `}[` + window + `])) / ` + asked(window)
	}
	b.WithPanel(number("Protected", "Work that ran under its lock, or would have: the backend answered. The budget is 0.1%.", "percentunit", 2,
		levels("red", 0.999, "green"), promQL("", protected("$__range")).Instant()).
		Span(5).Height(6).GraphMode(common.BigValueGraphModeNone).NoValue("no locks"))
	b.WithPanel(number("Granted in their wait", "Acquires that got the lock within the wait that they asked for. Skips are by design, and not in it. The budget is 5%.", "percentunit", 2,
		levels("red", 0.8, "orange", 0.95, "green"), promQL("", granted("$__range")).Instant()).
		Span(5).Height(6).GraphMode(common.BigValueGraphModeNone).NoValue("no locks"))
	b.WithPanel(lines("Protected and granted", "The same over time.", "percentunit", 14,
		promQL("protected", protected("$__rate_interval")), promQL("granted in their wait", granted("$__rate_interval"))).
		Height(6).AxisSoftMin(0.95).Max(1).FillOpacity(0))
}

func failures(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("What fails, and where"))
	failing := `lock_attempts_total{lock_outcome=~"backend_error|release_error|extend_error",` + chosen + `}`
	b.WithPanel(stacked(lines("Failures by error.type and backend", "connection_refused: the server is gone. timeout: slow or unreachable. pool_exhausted: our own client. READONLY: a failover. NOAUTH, WRONGPASS: credentials.",
		"ops", 8, exemplified("{{error_type}} {{lock_backend_name}}",
			`sum by (error_type, lock_backend_name) (rate(`+failing+`[$__rate_interval])) and sum by (error_type, lock_backend_name) (increase(`+failing+`[$__range] @ end())) > 0`))).
		Height(9).NoValue("Nothing failed"))

	by := func(metric string) string { return `sum by (service_name, lock_target) (` + metric + `)` }
	ended := func(outcomes string) string {
		return by(`rate(lock_attempts_total{lock_operation_name="acquire",lock_outcome=~"` + outcomes + `",` + chosen + `}[5m])`)
	}
	t := table.NewPanelBuilder().Title("Targets, worst first").Description("A click on a target narrows the dashboard to it. A dash: nothing of it in the last five minutes.").
		Datasource(source("prometheus")).Span(16).Height(9).CellHeight(common.TableCellHeightSm).
		MinWidth(56).Decimals(1).Mappings([]dashboard.ValueMapping{nothing()}).
		WithTarget(column("A", ended("acquired|contended|skipped|canceled|backend_error"))).
		WithTarget(column("B", ended("backend_error")+` / (`+ended("acquired|contended|backend_error")+` > 0) or `+ended("acquired|contended|backend_error")+` * 0`)).
		WithTarget(column("C", ended("contended")+` / (`+ended("acquired|contended")+` > 0)`)).
		WithTarget(column("D", `histogram_quantile(0.95, sum by (service_name, lock_target, le) (rate(lock_acquire_duration_seconds_bucket{lock_outcome="acquired",`+chosen+`}[5m])))`)).
		WithTarget(column("E", `histogram_quantile(0.99, sum by (service_name, lock_target, le) (rate(lock_hold_utilization_bucket{`+chosen+`}[30m])))`)).
		WithTarget(column("F", by(`lock_held{`+chosen+`}`))).
		WithTarget(column("G", by(`lock_waiting{`+chosen+`}`))).
		WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true},
			"renameByName": map[string]string{"service_name": "Service", "lock_target": "Target", "Value #A": "Ops/s", "Value #B": "Errors", "Value #C": "Gave up",
				"Value #D": "p95 wait", "Value #E": "p99 TTL", "Value #F": "Held", "Value #G": "Waiting"},
			"indexByName": map[string]int{"service_name": 0, "lock_target": 1, "Value #A": 2, "Value #B": 3, "Value #C": 4, "Value #D": 5, "Value #E": 6, "Value #F": 7, "Value #G": 8},
		}}).
		SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName("Errors").Desc(true)})
	colored := func(unit string, steps ...any) []dashboard.DynamicConfigValue {
		return []dashboard.DynamicConfigValue{value("unit", unit),
			value("thresholds", map[string]any{"mode": "absolute", "steps": thresholds("transparent", steps...)}),
			value("custom.cellOptions", map[string]string{"type": "color-background", "mode": "basic"})}
	}
	t.OverrideByName("Target", []dashboard.DynamicConfigValue{value("links", []map[string]any{
		{"title": "Only ${__value.text}", "url": "/d/otellock?${__url_time_range}&${service:queryparam}&var-target=${__value.text}"}})})
	t.OverrideByName("Errors", colored("percentunit", 0.001, "orange", 0.0144, "red"))
	t.OverrideByName("Gave up", colored("percentunit", 0.2, "orange"))
	t.OverrideByName("p95 wait", []dashboard.DynamicConfigValue{value("unit", "s")})
	t.OverrideByName("p99 TTL", append(colored("percentunit", 0.75, "orange", 1., "red"),
		value("mappings", []dashboard.ValueMapping{nothing(), between(0, 0.01, "< 1%", "transparent")})))
	for _, name := range []string{"Held", "Waiting"} {
		t.OverrideByName(name, []dashboard.DynamicConfigValue{value("decimals", 0)})
	}
	b.WithPanel(t)
}
