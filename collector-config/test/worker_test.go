package test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/otellock/otellock-go/internal/redistest"
)

// runWorker runs examples/worker to its end. It has no exporter.
func runWorker(t *testing.T, binary, redis string) string {
	t.Helper()
	cmd := exec.Command(binary, "-work", "50ms")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "REDIS_ADDR=" + redis}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestTheWorkersWarningsGoToTheConsole(t *testing.T) {
	binary := buildExample(t, "worker")
	redis := redistest.Start(t)

	if out := runWorker(t, binary, redis.Addr); !strings.Contains(out, "protected=true") || strings.Contains(out, "WARN") {
		t.Errorf("with Redis:\n%s", out)
	}

	if err := redis.Client().Set(t.Context(), "lock:worker:nightly", "another replica's", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if out := runWorker(t, binary, redis.Addr); !strings.Contains(out, "skipped") || strings.Contains(out, "WARN") {
		t.Errorf("while another replica is at it:\n%s", out)
	}

	redis.Kill()
	out := runWorker(t, binary, redis.Addr)
	for _, want := range []string{"protected=false", "done", "lock.action=backend_error", "lock.target=nightly", "error.type=connection_refused"} {
		if !strings.Contains(out, want) {
			t.Errorf("without Redis, %q is missing:\n%s", want, out)
		}
	}
	if strings.Contains(out, "redis: ") {
		t.Errorf("go-redis prints its dials:\n%s", out)
	}
	if n := strings.Count(out, " WARN "); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, out)
	}
}
