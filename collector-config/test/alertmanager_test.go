package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A notification is what Alertmanager sends to a webhook.
type notification struct {
	path     string
	GroupKey string
	Alerts   []struct{ Labels map[string]string }
}

// startAlertmanager runs a real one with ../alertmanager/alertmanager.yaml, with shorter waits, and answers what its two
// receivers got.
func startAlertmanager(t *testing.T) (addr string, received func() []notification) {
	t.Helper()
	var (
		mu  sync.Mutex
		all []notification
	)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n := notification{path: r.URL.Path}
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Errorf("a notification: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, n)
	}))
	t.Cleanup(receiver.Close)
	config, err := os.ReadFile("../alertmanager/alertmanager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.yaml")
	faster := strings.NewReplacer("http://localhost:9099", receiver.URL, "group_wait: 30s", "group_wait: 2s", "group_interval: 5m", "group_interval: 2s")
	if err := os.WriteFile(file, []byte(faster.Replace(string(config))), 0o600); err != nil {
		t.Fatal(err)
	}
	addr = freeAddr(t)
	run(t, addr+"/-/ready", exec.Command("prometheus-alertmanager", "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--cluster.listen-address=", "--log.level=warn"))
	return addr, func() []notification {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// fire posts alerts as Prometheus does, with the severity that the rules give them.
func fire(t *testing.T, addr string, alerts ...map[string]string) {
	t.Helper()
	severity := map[string]string{}
	for _, r := range rules(t) {
		severity[r.Alert] = r.Labels["severity"]
	}
	type alert struct {
		Labels   map[string]string `json:"labels"`
		StartsAt time.Time         `json:"startsAt"`
		EndsAt   time.Time         `json:"endsAt"`
	}
	var body []alert
	for _, labels := range alerts {
		if severity[labels["alertname"]] == "" {
			t.Fatalf("no rule is called %s", labels["alertname"])
		}
		labels["severity"] = severity[labels["alertname"]]
		body = append(body, alert{labels, time.Now(), time.Now().Add(time.Hour)})
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post("http://"+addr+"/api/v2/alerts", "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
}

func TestOneOutageOverFortyTargetsIsOnePage(t *testing.T) {
	addr, received := startAlertmanager(t)
	labels := func(alert, service string, more ...string) map[string]string {
		l := map[string]string{"alertname": alert, "service_name": service, "lock_backend_name": "redis"}
		for i := 0; i < len(more); i += 2 {
			l[more[i]] = more[i+1]
		}
		return l
	}
	var outage []map[string]string
	for i := range 40 {
		alert := "LockRunningUnprotected"
		if i%4 == 0 {
			alert = "LockFailingClosed"
		}
		outage = append(outage, labels(alert, "api", "lock_target", fmt.Sprint("target", i)))
	}
	// What follows from it, and what has nothing to do with it.
	outage = append(outage, labels("LockBackendErrors", "api"), labels("LockContention", "api", "lock_target", "target1"), labels("LockLeasesLeaking", "api", "lock_target", "target2"))
	fire(t, addr, append(outage, labels("LockContention", "web", "lock_target", "cart"))...)

	// Whoever waits for the other service's ticket has waited as long as any of the outage's.
	got := func(path, service string) (found []notification) {
		for _, n := range received() {
			if n.path == path && n.Alerts[0].Labels["service_name"] == service {
				found = append(found, n)
			}
		}
		return found
	}
	eventually(t, 30*time.Second, "the page and the other service's ticket are sent", func() error {
		if len(got("/page", "api")) == 0 || len(got("/ticket", "web")) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	// One more target an interval later belongs to the same page.
	fire(t, addr, labels("LockRunningUnprotected", "api", "lock_target", "late"))
	eventually(t, 30*time.Second, "the late target is told", func() error {
		if n := got("/page", "api"); len(n[len(n)-1].Alerts) != 41 {
			return fmt.Errorf("%d alerts", len(n[len(n)-1].Alerts))
		}
		return nil
	})
	pages := got("/page", "api")
	if len(pages[0].Alerts) != 40 {
		t.Errorf("the page has %d alerts, want 40", len(pages[0].Alerts))
	}
	keys := map[string]bool{}
	for _, n := range pages {
		keys[n.GroupKey] = true
	}
	if len(keys) != 1 {
		t.Errorf("%d pages, want 1: %v", len(keys), keys)
	}
	if tickets := got("/ticket", "api"); len(tickets) != 0 {
		t.Errorf("tickets for what follows from the outage: %v", tickets)
	}
	if pages := got("/page", "web"); len(pages) != 0 {
		t.Errorf("a ticket that pages: %v", pages)
	}
}

// Grouping and inhibition stand on labels that the expressions must leave in place.
func TestEveryAlertOnTargetsHasTheLabelsThatAlertmanagerGroupsBy(t *testing.T) {
	for _, r := range rules(t) {
		if strings.Contains(r.Expr, "lock_target") && !strings.Contains(r.Expr, "service_name, lock_backend_name") {
			t.Errorf("%s: grouped without lock_backend_name: %s", r.name(), r.Expr)
		}
	}
}
