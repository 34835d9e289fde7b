package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/internal/redistest"
)

// buildExample compiles one of the examples.
func buildExample(t *testing.T, name string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", "build", "-o", binary, "./"+name)
	cmd.Dir = "../../examples"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// An httpapi is one process of examples/httpapi.
type httpapi struct {
	t      *testing.T
	addr   string
	cmd    *exec.Cmd
	exited chan error
	log    *lockedBuilder
}

func startHTTPAPI(t *testing.T, binary string, env ...string) *httpapi {
	t.Helper()
	a := &httpapi{t: t, addr: freeAddr(t), exited: make(chan error, 1), log: &lockedBuilder{}}
	a.cmd = exec.Command(binary)
	a.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HTTP_ADDR=" + a.addr}, env...)
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { a.exited <- a.cmd.Wait() }()
	t.Cleanup(func() { _ = a.cmd.Process.Kill() })
	eventually(t, 15*time.Second, "httpapi listens", func() error { return getOK("http://" + a.addr + "/healthz") })
	return a
}

// An answer is what a PUT came to.
type answer struct {
	status     int
	retryAfter string
	Protected  bool
}

// put updates a project. The trace is the caller's, sampled.
func (a *httpapi) put(project, work, trace string) answer {
	a.t.Helper()
	req, err := http.NewRequest(http.MethodPut, "http://"+a.addr+"/projects/"+project+"?work="+work, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if trace != "" {
		req.Header.Set("traceparent", "00-"+trace+"-00000000000000aa-01")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatalf("%v\n%s", err, a.log)
	}
	defer res.Body.Close()
	got := answer{status: res.StatusCode, retryAfter: res.Header.Get("Retry-After")}
	if got.status == http.StatusOK {
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
			a.t.Fatal(err)
		}
	}
	return got
}

// stop ends the process with SIGTERM and expects a clean end.
func (a *httpapi) stop() {
	a.t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		a.t.Fatal(err)
	}
	select {
	case err := <-a.exited:
		if err != nil {
			a.t.Fatalf("httpapi: %v\n%s", err, a.log)
		}
	case <-time.After(20 * time.Second):
		a.t.Fatalf("httpapi does not stop:\n%s", a.log)
	}
}

func TestSIGTERMFinishesTheRequestReleasesItsLockAndFlushes(t *testing.T) {
	redis, backend := redistest.Start(t), otlptest.Start(t)
	a := startHTTPAPI(t, buildExample(t, "httpapi"),
		"REDIS_ADDR="+redis.Addr, "OTEL_EXPORTER_OTLP_ENDPOINT="+backend.Endpoint(), "OTEL_SERVICE_NAME=httpapi",
		// Nothing is exported before the end.
		"OTEL_BSP_SCHEDULE_DELAY=60000", "OTEL_BLRP_SCHEDULE_DELAY=60000", "OTEL_METRIC_EXPORT_INTERVAL=60000")

	running := make(chan answer)
	go func() { running <- a.put("7", "1500ms", "") }()
	client := redis.Client()
	held := func() (int64, error) { return client.Exists(t.Context(), "lock:projects:7").Result() }
	eventually(t, 10*time.Second, "the request holds its lock", func() error {
		if n, err := held(); n != 1 {
			return fmt.Errorf("%d keys, err %v", n, err)
		}
		return nil
	})
	a.stop()

	if got := <-running; got.status != http.StatusOK || !got.Protected {
		t.Errorf("the running request got %+v", got)
	}
	if n, err := held(); n != 0 || err != nil {
		t.Errorf("the lock is still held: %d, err %v", n, err)
	}
	for _, name := range []string{"acquire projects", "release projects", "PUT /projects/{id}"} {
		if len(backend.SpansNamed(name)) != 1 {
			t.Errorf("%d spans %q have been flushed, want 1", len(backend.SpansNamed(name)), name)
		}
	}
	if got := backend.Total("lock.attempts", map[string]string{"lock.outcome": "released"}); got != 1 {
		t.Errorf("lock.attempts has %v released, want 1", got)
	}
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func traceID(i int) string { return fmt.Sprintf("%032x", 0xabc000+i) }
