package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const prometheusDir = "../prometheus"

// A prometheus is a real server with the files of ../prometheus, which scrapes one
// Collector and evaluates the rules every second.
type prometheus struct {
	t    *testing.T
	addr string
}

func startPrometheus(t *testing.T, c *collector) prometheus {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(prometheusDir, "prometheus.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(filepath.Join(prometheusDir, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yaml")
	faster := strings.NewReplacer("gateway:9464", c.prom, "gateway:8888", c.metrics, "interval: 15s", "interval: 1s", "interval: 30s", "interval: 1s")
	for name, text := range map[string][]byte{"prometheus.yaml": config, "rules.yaml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(faster.Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := prometheus{t, freeAddr(t)}
	run(t, p.addr+"/-/ready", exec.Command("prometheus",
		"--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+p.addr, "--enable-feature=exemplar-storage", "--log.level=warn"))
	// Its discovery takes 5 s, and what is counted before the first scrape is no
	// increase to it.
	eventually(t, 30*time.Second, "Prometheus scrapes the Collector", func() error {
		got, err := p.value("count(up == 1)")
		if err == nil && got != 2 {
			err = fmt.Errorf("%v of 2 targets", got)
		}
		return err
	})
	return p
}

// run keeps a server alive until the test ends, and returns once it is ready.
func run(t *testing.T, ready string, cmd *exec.Cmd) {
	t.Helper()
	log := &strings.Builder{}
	cmd.Stderr, cmd.Stdout = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (the README says what must be installed and built)", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	eventually(t, 30*time.Second, cmd.Path+" is ready", func() error {
		select {
		case <-exited:
			t.Fatalf("%s ended:\n%s", cmd.Path, log)
		default:
		}
		return getOK("http://" + ready)
	})
}

// A sample is one element of an instant vector.
type sample struct {
	labels map[string]string
	value  float64
}

// query runs PromQL as of now.
func (p prometheus) query(expr string) ([]sample, error) { return p.queryAt(expr, time.Now()) }

func (p prometheus) queryAt(expr string, at time.Time) ([]sample, error) {
	var body struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := p.get("query", url.Values{"query": {expr}, "time": {at.Format(time.RFC3339Nano)}}, &body); err != nil {
		return nil, err
	}
	var out []sample
	for _, r := range body.Result {
		v, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			return nil, err
		}
		out = append(out, sample{r.Metric, v})
	}
	return out, nil
}

// value is the answer to a query of one sample.
func (p prometheus) value(expr string) (float64, error) {
	got, err := p.query(expr)
	if err == nil && len(got) != 1 {
		err = fmt.Errorf("%d samples for %s", len(got), expr)
	}
	if err != nil {
		return 0, err
	}
	return got[0].value, nil
}

// get decodes the data of an answer of the HTTP API.
func (p prometheus) get(path string, form url.Values, data any) error {
	res, err := http.PostForm("http://"+p.addr+"/api/v1/"+path, form)
	if path == "rules" || path == "alerts" {
		res, err = http.Get("http://" + p.addr + "/api/v1/" + path)
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var body struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return err
	}
	if body.Status != "success" {
		return fmt.Errorf("%s %v: %s", path, form, body.Error)
	}
	return json.Unmarshal(body.Data, data)
}
