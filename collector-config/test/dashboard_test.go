package test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

func TestTheDashboardIsWhatTheGeneratorMakes(t *testing.T) {
	cmd := exec.Command("go", "run", ".")
	cmd.Dir = "../grafana/generate"
	made, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, text) {
		t.Error("grafana/dashboard.json is not what grafana/generate makes: make dashboard")
	}
}

// A rate over less than four exports has holes. With a smallest step of a minute $__rate_interval is four at least,
// whatever the data source is told; windows that are written out are five or more.
func TestNoQueryOfTheDashboardHasHolesWhereExportsAreAMinuteApart(t *testing.T) {
	for _, p := range readDashboard(t).Panels {
		for _, q := range p.Targets {
			if q.Datasource.Type != "prometheus" {
				continue
			}
			if strings.Contains(q.Expr, "$__rate_interval") && q.Interval != "1m" {
				t.Errorf("%s: the smallest step is %q", p.Title, q.Interval)
			}
			for _, m := range regexp.MustCompile(`\[(\d+[a-z]+)\]`).FindAllStringSubmatch(q.Expr, -1) {
				if d, err := time.ParseDuration(m[1]); err != nil || d < 5*time.Minute {
					t.Errorf("%s: a window of %s, err %v", p.Title, m[1], err)
				}
			}
		}
	}
	for _, r := range rules(t) {
		for _, m := range regexp.MustCompile(`\[(\d+[a-z]+)\]`).FindAllStringSubmatch(r.Expr, -1) {
			if d, err := time.ParseDuration(m[1]); err != nil || d < 5*time.Minute {
				t.Errorf("%s: a window of %s, err %v", r.name(), m[1], err)
			}
		}
	}
}

// A join on target_info has several matches after a deploy that keeps the instance id, and breaks the whole panel.
func TestNothingJoinsOnTargetInfo(t *testing.T) {
	for _, q := range dashboardQueries(t, "prometheus") {
		if strings.Contains(q.expr, "target_info") {
			t.Errorf("%s: %s", q.panel, q.expr)
		}
	}
	for _, r := range rules(t) {
		if strings.Contains(r.Expr, "target_info") {
			t.Errorf("%s: %s", r.name(), r.Expr)
		}
	}
}

// Grafana itself cannot be run here; test/schema compiles the JSON against its
// types. This is what no schema says.
func TestTheDashboardHoldsTogether(t *testing.T) {
	text, err := os.ReadFile("../grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID          int
			Type, Title string
			Description string
			GridPos     struct{ X, Y, W, H int }
		}
		Templating struct {
			List []struct{ Name, Type, AllValue string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}

	declared := map[string]bool{"__all": true, "__rate_interval": true, "__range": true, "__interval": true, "__url_time_range": true, "prometheus": true, "__field": true, "__value": true}
	for _, v := range d.Templating.List {
		declared[v.Name] = true
		// Grafana makes of All what there is, by name. Loki then reads the streams of services that have locks.
		if v.Name == "service" && v.AllValue != "" {
			t.Errorf("%s: All is %q, which makes Loki read every stream", v.Name, v.AllValue)
		}
	}
	for _, m := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(string(text), -1) {
		if !declared[m[1]] {
			t.Errorf("variable %s is not declared", m[0])
		}
	}

	ids := map[int]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: id %d twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 {
			t.Errorf("%s: outside of the grid", p.Title)
		}
		if p.Type != "row" && p.Description == "" {
			t.Errorf("%s: no description", p.Title)
		}
		for _, o := range d.Panels[:i] {
			if p.GridPos.X < o.GridPos.X+o.GridPos.W && o.GridPos.X < p.GridPos.X+p.GridPos.W &&
				p.GridPos.Y < o.GridPos.Y+o.GridPos.H && o.GridPos.Y < p.GridPos.Y+p.GridPos.H {
				t.Errorf("%s lies on %s", p.Title, o.Title)
			}
		}
	}
	warnings := 0
	for _, p := range d.Panels {
		if p.Type == "logs" {
			warnings = p.ID
		}
	}
	for _, m := range regexp.MustCompile(`viewPanel=(\d+)`).FindAllStringSubmatch(string(text), -1) {
		if m[1] != strconv.Itoa(warnings) {
			t.Errorf("a link leads to %s, which is not the warnings", m[0])
		}
	}

	// The way from a number to a trace.
	exemplars := map[string]bool{}
	for _, p := range readDashboard(t).Panels {
		for _, q := range p.Targets {
			if q.Exemplar {
				exemplars[p.Title] = true
			}
		}
	}
	if absent := missing([]string{"Failures by error.type and backend", "Wait", "Hold utilization", "Lost leases by target"}, exemplars); len(absent) > 0 {
		t.Errorf("no exemplars in %v", absent)
	}
	for _, q := range dashboardQueries(t, "tempo") {
		if !strings.HasPrefix(q.expr, "{ ") || !strings.HasSuffix(q.expr, " }") || !strings.Contains(q.expr, "span.lock.") {
			t.Errorf("%s: %s", q.panel, q.expr)
		}
	}
}

// What compose.yaml mounts has to exist, and its gateway has to be a stage that
// the tests boot.
func TestTheComposeFileMountsAndRunsWhatIsTested(t *testing.T) {
	text, err := os.ReadFile("../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Command     any
			Volumes     []string
			Environment map[string]string
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	mounted := 0
	for name, s := range compose.Services {
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(source, ".") {
				if _, ok := compose.Volumes[source]; !ok {
					t.Errorf("%s: volume %s is not declared", name, source)
				}
				continue
			}
			mounted++
			if _, err := os.Stat(filepath.Join("..", source)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if mounted == 0 {
		t.Error("nothing is mounted")
	}

	gateway := compose.Services["gateway"]
	var files []string
	for _, arg := range gateway.Command.([]any) {
		files = append(files, strings.TrimSuffix(strings.TrimPrefix(arg.(string), "--config="), ".yaml"))
	}
	i := slices.IndexFunc(stages, func(s stage) bool { return slices.Equal(s.files, files) })
	if i < 0 {
		t.Fatalf("its gateway runs %v, which is no stage of the tests", files)
	}
	for _, name := range stages[i].required {
		if gateway.Environment[name] == "" {
			t.Errorf("its gateway lacks %s", name)
		}
	}
}
