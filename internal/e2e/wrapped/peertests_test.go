package wrapped

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otellock/otellock-go/internal/locktest/pipeline"
	"github.com/otellock/otellock-go/internal/redistest"
)

// redislock's own tests, as they are in the module cache, pass when they import the
// wrapper, with every pipeline. Nothing of them is copied here: a directory that does
// not exist has them by the go command's overlay, with two lines changed, the import
// and the server's address.
func TestRedislocksOwnTests(t *testing.T) {
	const peer, wrapper = `"github.com/bsm/redislock"`, `"github.com/otellock/otellock-go/otellock/otelredislock"`
	dir := strings.TrimSpace(command(t, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/bsm/redislock"))
	server := redistest.Start(t)
	here, err := filepath.Abs("redislocktests")
	if err != nil {
		t.Fatal(err)
	}
	files, temporary := map[string]string{}, t.TempDir()
	add := func(from string, change *strings.Replacer) string {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(temporary, filepath.Base(from))
		if err := os.WriteFile(to, []byte(change.Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		files[filepath.Join(here, filepath.Base(from))] = to
		return string(text)
	}
	swap := strings.NewReplacer(". "+peer, ". "+wrapper, peer, "redislock "+wrapper, "127.0.0.1:6379", server.Addr)
	tests := 0
	for _, name := range []string{"redislock_test.go", "retry_strategy_test.go", "example_test.go"} {
		text := add(filepath.Join(dir, name), swap)
		tests += strings.Count(text, "\nfunc Test") + strings.Count(text, "// Output:")
	}
	if tests < 17 {
		t.Fatalf("redislock has %d tests and examples", tests)
	}
	add(filepath.Join("testdata", "main_test.go"), strings.NewReplacer())
	overlay, err := json.Marshal(map[string]any{"Replace": files})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile, binary := filepath.Join(temporary, "overlay.json"), filepath.Join(temporary, "redislock.test")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "go", "test", "-overlay", overlayFile, "-vet=off", "-c", "-o", binary, "./redislocktests")
	for name := range pipeline.All {
		t.Run(name, func(t *testing.T) {
			// Three of them race a lock of 20 or 50 ms, which a busy machine can lose.
			const tries = 10
			for try := 1; ; try++ {
				cmd := exec.CommandContext(t.Context(), binary, "-test.v")
				cmd.Env = append(os.Environ(), "OTELLOCK_TEST_PIPELINE="+name)
				output, err := cmd.CombinedOutput()
				passed := strings.Count(string(output), "\n--- PASS")
				if err == nil && passed == tests {
					return
				}
				if try == tries {
					t.Fatalf("%d of redislock's %d tests pass, %v:\n%s", passed, tests, err, output)
				}
			}
		})
	}
}

// command returns what the command prints.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	return string(output)
}
