package test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const runbooks = "https://github.com/otellock/otellock-go/blob/main/collector-config/RUNBOOKS.md#"

// Every alert says what is wrong, how loud it is, and where to read and look on.
func TestEveryAlertHasItsTextsARunbookAndALink(t *testing.T) {
	text, err := os.ReadFile("../RUNBOOKS.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]string{} // by anchor: the section
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		headings[strings.ToLower(heading)] = body
	}
	used, n := map[string]bool{}, 0
	for _, r := range append(rules(t), rulesOf(t, "../loki/rules.yaml")...) {
		if r.Alert == "" {
			continue
		}
		n++
		anchor, ok := strings.CutPrefix(r.Annotations["runbook_url"], runbooks)
		body := headings[anchor]
		used[anchor] = true
		if !ok || body == "" {
			t.Errorf("%s: no heading for %q", r.Alert, r.Annotations["runbook_url"])
		}
		if anchor != strings.ToLower(r.Alert) && !strings.Contains(body, "`"+r.Alert+"`") {
			t.Errorf("%s: its runbook %s does not name it", r.Alert, anchor)
		}
		for _, part := range []string{"**Means** ", "\n**Look at** ", "\n**Do** "} {
			if !strings.Contains(body, part) {
				t.Errorf("%s: the runbook lacks %q", r.Alert, part)
			}
		}
		severity := r.Labels["severity"]
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(body)), severity) {
			t.Errorf("%s is a %s, and its runbook begins %.30q", r.Alert, severity, strings.TrimSpace(body))
		}
		if severity != "page" && severity != "ticket" {
			t.Errorf("%s: severity %q", r.Alert, severity)
		}
		for _, name := range []string{"summary", "description"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s: no %s", r.Alert, name)
			}
		}
		link := r.Annotations["dashboard_url"]
		if !strings.HasPrefix(link, "http://localhost:3000/d/"+readDashboard(t).UID) {
			t.Errorf("%s: dashboard_url %q", r.Alert, link)
		}
		for label, variable := range map[string]string{"service_name": "var-service", "lock_target": "var-target"} {
			if strings.Contains(r.Annotations["summary"], "$labels."+label+" ") && !strings.Contains(link, variable+"={{ $labels."+label+" }}") {
				t.Errorf("%s: its link does not choose %s", r.Alert, label)
			}
		}
	}
	for anchor := range headings {
		if !used[anchor] {
			t.Errorf("runbook %s belongs to no alert", anchor)
		}
	}
	t.Logf("%d alerts, %d runbooks", n, len(headings))
}

// A runbook that sends people to a panel that is not there costs minutes.
func TestRunbooksNamePanelsThatExist(t *testing.T) {
	text, err := os.ReadFile("../RUNBOOKS.md")
	if err != nil {
		t.Fatal(err)
	}
	panels := map[string]bool{}
	for _, p := range readDashboard(t).Panels {
		panels[p.Title] = true
	}
	other := map[string]bool{"projects-4711": true} // a name that somebody might give a target
	named := 0
	for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(regexp.MustCompile("`[^`]*`").ReplaceAllString(string(text), ""), -1) {
		name := strings.Join(strings.Fields(m[1]), " ")
		if other[name] {
			continue
		}
		named++
		if !panels[name] {
			t.Errorf("there is no panel %q", name)
		}
	}
	if named == 0 {
		t.Error("no panel is named")
	}
}
