package test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	collectorBinary = "../distribution/otellock-collector"
	configDir       = "../config"
)

// A collector is one process of the distribution, with the files of ../config
// as they are and ports of its own.
type collector struct {
	t       *testing.T
	args    []string
	env     []string
	cmd     *exec.Cmd
	exited  chan struct{}
	log     string // its file of stderr
	http    string // OTLP over HTTP, host:port
	grpc    string
	health  string
	metrics string // its own
	prom    string // the page that Prometheus scrapes
}

// newCollector prepares a collector with the named files (without .yaml) and
// the variables that they need. Nothing runs yet.
func newCollector(t *testing.T, files []string, env map[string]string) *collector {
	t.Helper()
	dir := t.TempDir()
	c := &collector{
		t:       t,
		log:     filepath.Join(dir, "collector.log"),
		http:    freeAddr(t),
		grpc:    freeAddr(t),
		health:  freeAddr(t),
		metrics: freeAddr(t),
		prom:    freeAddr(t),
	}
	for _, f := range files {
		c.args = append(c.args, "--config", f+".yaml")
	}
	_, metricsPort, _ := net.SplitHostPort(c.metrics)
	c.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"COLLECTOR_STORAGE_DIR=" + filepath.Join(dir, "storage"),
		"COLLECTOR_OTLP_HTTP=" + c.http,
		"COLLECTOR_OTLP_GRPC=" + c.grpc,
		"COLLECTOR_HEALTH=" + c.health,
		"COLLECTOR_METRICS_HOST=127.0.0.1",
		"COLLECTOR_METRICS_PORT=" + metricsPort,
		"COLLECTOR_PROMETHEUS=" + c.prom,
	}
	for k, v := range env {
		c.env = append(c.env, k+"="+v)
	}
	return c
}

// startCollector runs a collector until the test ends, and returns once it is
// healthy.
func startCollector(t *testing.T, files []string, env map[string]string) *collector {
	t.Helper()
	c := newCollector(t, files, env)
	c.start()
	return c
}

func (c *collector) command(ctx context.Context, args ...string) *exec.Cmd {
	binary, err := filepath.Abs(collectorBinary)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env = configDir, c.env
	return cmd
}

func (c *collector) start() {
	c.t.Helper()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	cmd := c.command(context.Background(), c.args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatalf("%v: build it first: make -C .. collector", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	c.cmd, c.exited = cmd, exited
	c.t.Cleanup(c.kill)
	eventually(c.t, 20*time.Second, "the Collector is healthy", func() error {
		select {
		case <-exited:
			c.t.Fatalf("the Collector ended:\n%s", c.output())
		default:
		}
		return getOK("http://" + c.health)
	})
}

// kill ends the process as kill -9 does.
func (c *collector) kill() {
	_ = c.cmd.Process.Kill()
	<-c.exited
}

// stop ends the process as an orchestrator does, and waits for it.
func (c *collector) stop() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.exited:
	case <-time.After(20 * time.Second):
		c.t.Fatalf("the Collector did not stop:\n%s", c.output())
	}
}

func (c *collector) output() string {
	b, err := os.ReadFile(c.log)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func getOK(url string) error {
	res, err := http.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	return nil
}

// eventually polls a condition until it holds, and fails the test with its
// last error when it does not within the limit.
func eventually(t *testing.T, limit time.Duration, what string, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s: %v", limit, what, err)
		}
		<-tick.C
	}
}

// missing lists what is absent from a set, for messages.
func missing[K comparable](want []K, have map[K]bool) []string {
	var absent []string
	for _, k := range want {
		if !have[k] {
			absent = append(absent, fmt.Sprint(k))
		}
	}
	return absent
}

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }
