// Package peer runs the tests of etcd's package concurrency, as they lie in the
// module cache, through oteletcd. Its go.mod is what `go mod tidy -e` makes of it:
// tests of etcd that are not run here import a module of etcd's that the module proxy
// does not have.
package peer

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/stretchr/testify/assert" // what etcd's tests import
	_ "github.com/stretchr/testify/require"
	_ "go.etcd.io/etcd/tests/v3/framework/integration"
	_ "go.etcd.io/etcd/tests/v3/integration"

	"github.com/otellock/otellock-go/internal/locktest/pipeline"
	_ "github.com/otellock/otellock-go/otellock/oteletcd"
)

const (
	tests = "integration/clientv3"
	swap  = `"go.etcd.io/etcd/client/v3/concurrency"`
	by    = `concurrency "github.com/otellock/otellock-go/otellock/oteletcd"`
)

// Nothing of etcd's tests is copied here: directories that do not exist have them by
// the go command's overlay, with one line changed, the import.
func TestEtcdsOwnTestsPassWithTheImportSwapped(t *testing.T) {
	module := strings.TrimSpace(output(t, "go", "list", "-m", "-f", "{{.Dir}}", "go.etcd.io/etcd/tests/v3"))
	install, err := os.ReadFile("testdata/install_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ pkg, run string }{
		{"concurrency", "."},
		{"experimental/recipes", "^TestMutex"},
	} {
		name := filepath.Base(test.pkg)
		here, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		overlay, temporary := map[string]string{}, t.TempDir()
		add := func(file string, text []byte) {
			to := filepath.Join(temporary, file)
			if err := os.WriteFile(to, text, 0o600); err != nil {
				t.Fatal(err)
			}
			overlay[filepath.Join(here, file)] = to
		}
		files, err := filepath.Glob(filepath.Join(module, tests, test.pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		swapped := 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			swapped += bytes.Count(text, []byte(swap))
			add(filepath.Base(file), bytes.ReplaceAll(text, []byte(swap), []byte(by)))
		}
		if swapped == 0 {
			t.Fatalf("no test of %s imports etcd's package", test.pkg)
		}
		add("install_test.go", bytes.Replace(install, []byte("package peer_test"), []byte("package "+name+"_test"), 1))
		text, err := json.Marshal(map[string]any{"Replace": overlay})
		if err != nil {
			t.Fatal(err)
		}
		list := filepath.Join(temporary, "overlay.json")
		if err := os.WriteFile(list, text, 0o600); err != nil {
			t.Fatal(err)
		}
		binary := filepath.Join(temporary, "peer.test")
		output(t, "go", "test", "-overlay", list, "-vet=off", "-c", "-o", binary, "./"+name)
		for pipeline, p := range pipeline.All {
			if p.Console != nil {
				continue // etcd's server writes to it too
			}
			t.Run(test.pkg+"/"+pipeline, func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.run", test.run, "-test.timeout", "5m")
				cmd.Dir, cmd.Env = temporary, append(os.Environ(), "OTELLOCK_TEST_PIPELINE="+pipeline)
				out, err := cmd.CombinedOutput()
				passed := bytes.Count(out, []byte("--- PASS"))
				if err != nil || passed < 3 {
					t.Errorf("%d passed: %v\n%s", passed, err, out)
				}
				t.Logf("%d tests and examples passed", passed)
			})
		}
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	return string(out)
}
