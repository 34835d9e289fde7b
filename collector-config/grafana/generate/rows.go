package main

//lint:file-ignore SA1019 the classic model: every Grafana since 10 provisions it, the second version only the newest do

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func lostLeases(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("Leases that end too early"))
	lost := `lock_attempts_total{error_type=~"expired|lost|stolen",` + chosen + `}`
	b.WithPanel(stacked(lines("Lost leases by target", "expired: the work outlived its TTL. lost: the backend forgot the key. stolen: another's token was in it, two holders are proven.",
		"short", 12, exemplified("{{lock_target}} {{error_type}}",
			`sum by (lock_target, error_type) (increase(`+lost+`[$__rate_interval])) and sum by (lock_target, error_type) (increase(`+lost+`[$__range] @ end())) > 0`))).
		NoValue("No lease was lost"))
	utilization := func(quantile string) string {
		return `histogram_quantile(` + quantile + `, sum by (le, lock_target) (rate(lock_hold_utilization_bucket{` + chosen + `}[$__rate_interval])))`
	}
	b.WithPanel(lines("Hold utilization", "Hold / TTL, p99 by target. The lines: 75%, where tickets begin, and 100%, where the lease is over. Below 1% it is not known how much.",
		"percentunit", 12, exemplified("{{lock_target}}", utilization("0.99"))).
		AxisSoftMax(1.1).Thresholds(levels("transparent", 0.75, "orange", 1., "red")).
		ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeLine)))
}

func waiting(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("Waiting and contention"))
	wait := func(quantile string) string {
		return `histogram_quantile(` + quantile + `, sum by (le) (rate(lock_acquire_duration_seconds_bucket{lock_outcome="acquired",` + chosen + `}[$__rate_interval])))`
	}
	b.WithPanel(lines("Wait", "Time to get the lock, of those who got it.", "s", 8,
		exemplified("p50", wait("0.5")), exemplified("p95", wait("0.95")), exemplified("p99", wait("0.99"))))
	rate := func(outcomes string) string {
		return `sum by (lock_target) (rate(lock_attempts_total{lock_operation_name="acquire",lock_outcome=~"` + outcomes + `",` + chosen + `}[$__rate_interval]))`
	}
	b.WithPanel(lines("Contention", "Callers that gave up at the end of their wait, of all that wait. Skips (TryDo) are by design, and not in it.", "percentunit", 8,
		promQL("{{lock_target}}", rate("contended")+` / (`+rate("acquired|contended")+` > 0)`)).NoValue("Nobody gave up"))
	gauge := func(name string) string {
		series := name + `{` + chosen + `}`
		return `sum by (lock_target) (` + series + `) and sum by (lock_target) (max_over_time(` + series + `[$__range] @ end())) > 0`
	}
	b.WithPanel(lines("Held and waiting", "As of each export: what is shorter is seen by chance.", "short", 8,
		promQL("{{lock_target}} held", gauge("lock_held")), promQL("{{lock_target}} waiting", gauge("lock_waiting"))).NoValue("None at any export"))
}

func fault(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("Whose fault"))
	failing := `lock_attempts_total{lock_outcome=~"backend_error|release_error|extend_error",` + chosen + `}`
	b.WithPanel(stacked(lines("Failures by service.version", "Whether a release brought it. Blue lines are deploys.", "ops", 8,
		promQL("{{service_name}} {{service_version}}",
			`sum by (service_name, service_version) (rate(`+failing+`[$__rate_interval])) and sum by (service_name, service_version) (increase(`+failing+`[$__range] @ end())) > 0`))).
		NoValue("Nothing failed"))
	b.WithPanel(lines("Redis latency", "p99 of what the client's own instrumentation (redisotel) measures.", "ms", 8,
		promQL("{{service_name}}", `histogram_quantile(0.99, sum by (le, service_name) (rate(db_client_connections_use_time_milliseconds_bucket{service_name=~"$service"}[$__rate_interval])))`)).
		NoValue("No redisotel metrics"))
	abandoned, held := `lock_attempts_total{lock_outcome="abandoned",`+chosen+`}`, `lock_held{`+chosen+`}`
	b.WithPanel(lines("Never released", "Leases that nobody released, in an hour: dropped without Release, or held by a process when it died. They block until their TTL ends.", "short", 8,
		promQL("{{lock_target}}", `sum by (lock_target) (increase(`+abandoned+`[1h]) or label_replace(min_over_time(`+abandoned+`[1h]) unless `+abandoned+` offset 1h, "counted", "first value", "", "") or label_replace((last_over_time(`+held+`[1h]) unless `+held+`) and on (service_name) `+held+`, "counted", "held by a process that is gone", "", "")) > 0`)).
		NoValue("All were released"))
}

func warnings(b *dashboard.DashboardBuilder) {
	b.WithRow(dashboard.NewRowBuilder("Warnings and traces"))
	const failures = `lock_action=~"backend_error|release_error|extend_error" | lock_target=~"$target"`
	b.WithPanel(stacked(lines("Reports emitted and suppressed", "What became of the failures: a warning, or a number on the next one.", "ops", 12,
		promQL("{{lock_report_result}}", `sum by (lock_report_result) (rate(lock_reports_total{service_name=~"$service"}[$__rate_interval])) and sum by (lock_report_result) (increase(lock_reports_total{service_name=~"$service"}[$__range] @ end())) > 0`))).
		NoValue("Nothing to report"))
	b.WithPanel(stacked(lines("Occurrences, from the logs", "Warnings, and what they and the summaries stand for besides.", "short", 12,
		logQL("warnings", `sum(count_over_time({service_name=~"$service"} | severity_number >= 13 | severity_number < 17 | `+failures+` [$__interval]))`).RefId("A"),
		logQL("suppressed", `sum(sum_over_time({service_name=~"$service"} | severity_number < 17 | `+failures+` | unwrap lock_report_suppressed_count [$__interval]))`).RefId("B")).
		Datasource(source("loki")).Interval(step)).NoValue("Nothing in the logs"))
	b.WithPanel(records("Warnings", "One a minute for each action and target of an instance. trace_id leads to the trace, where it was sampled.",
		`{service_name=~"$service"} | severity_number >= 13 | severity_number < 17 | `+failures+` | line_format "{{.lock_action}} {{.error_type}} in {{.lock_target}}, {{.service_name}} {{.service_instance_id}} (and {{.lock_report_suppressed_count}} before it)"`))
	const shown = `resource.service.name =~ "$service" && span.lock.target =~ "$target" }`
	b.WithPanel(traces("Traces of failures", "Requests whose lock operation failed. A click opens the trace.",
		`{ span.lock.outcome =~ "backend_error|release_error|extend_error" && `+shown))
	b.WithPanel(traces("Traces of holds near their TTL", "Requests that held a lock for most of its lease, or longer.",
		`{ span.lock.hold.utilization > 0.9 && `+shown))
}
