package test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// A query is LogQL or TraceQL, and where it stands.
type query struct {
	where    string
	Language string `json:"language"` // the type of the data source: loki, tempo
	Expr     string `json:"expr"`
}

// parse answers, for each query, "" or what does not parse. The grammars are those of Grafana's query editors (./grammar).
func parse(t *testing.T, queries []query) (wrong []string) {
	t.Helper()
	in, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "parse.mjs")
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = "grammar", bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: install the grammars first: make -C .. grammar\n%s", err, &stderr)
	}
	if err := json.Unmarshal(out, &wrong); err != nil || len(wrong) != len(queries) {
		t.Fatalf("%d answers to %d queries, err %v", len(wrong), len(queries), err)
	}
	return wrong
}

func TestEveryLogQLAndTraceQLExpressionParses(t *testing.T) {
	var queries []query
	for _, r := range rulesOf(t, "../loki/rules.yaml") {
		queries = append(queries, query{r.Alert, "loki", r.Expr})
	}
	for _, language := range []string{"loki", "tempo"} {
		for _, q := range dashboardQueries(t, language) {
			queries = append(queries, query{q.panel, language, q.expr})
		}
	}
	count := map[string]int{}
	for i, wrong := range parse(t, queries) {
		count[queries[i].Language]++
		if wrong != "" {
			t.Errorf("%s: %s", queries[i].where, wrong)
		}
	}
	t.Logf("%d LogQL and %d TraceQL expressions", count["loki"], count["tempo"])
}

// If the parser took everything, the test above would prove nothing.
func TestABrokenExpressionDoesNotParse(t *testing.T) {
	queries := []query{
		{Language: "loki", Expr: `sum by (service_name) (count_over_time({service_name="api"} [5m]) > 0`},
		{Language: "loki", Expr: `{service_name="api"} | | lock_action="backend_error"`},
		{Language: "loki", Expr: `{service_name=api}`},
		{Language: "loki", Expr: `count_over_time({service_name="api"} | lock_action="x")`},
		{Language: "loki", Expr: ``},
		{Language: "tempo", Expr: `{ span.lock.outcome="contended" && }`},
		{Language: "tempo", Expr: `{ span.lock.outcome="contended"`},
		{Language: "tempo", Expr: `span.lock.outcome="contended"`},
		{Language: "tempo", Expr: ``},
	}
	for i, wrong := range parse(t, queries) {
		if wrong == "" {
			t.Errorf("parses: %s", queries[i].Expr)
		}
	}
	// Each rule without its last bracket.
	var cut []query
	for _, r := range rulesOf(t, "../loki/rules.yaml") {
		i := strings.LastIndex(r.Expr, ")")
		cut = append(cut, query{r.Alert, "loki", r.Expr[:i] + r.Expr[i+1:]})
	}
	for i, wrong := range parse(t, cut) {
		if wrong == "" {
			t.Errorf("%s parses without its last bracket", cut[i].where)
		}
	}
}

// A summary is INFO: a query that does not look at the severity pages when an outage is over. And one that selects every
// stream of a Loki reads all logs of everybody.
func TestEveryLogAlertSelectsServicesAndFiltersWarn(t *testing.T) {
	for _, r := range rulesOf(t, "../loki/rules.yaml") {
		selectors := strings.Split(r.Expr, `{service_name=~"httpapi|worker"}`)
		if n := strings.Count(r.Expr, "{"); n == 0 || n != len(selectors)-1 {
			t.Errorf("%s: %d of %d selectors name the services", r.Alert, len(selectors)-1, n)
		}
		for _, selected := range selectors[1:] {
			if !strings.Contains(selected, "| severity_number >= 13 | severity_number < 17 |") {
				t.Errorf("%s: a selector without the filter: %s", r.Alert, selected)
			}
		}
	}
}
