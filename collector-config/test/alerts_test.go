package test

import (
	"strings"
	"testing"
)

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
