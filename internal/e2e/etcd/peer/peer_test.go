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

	_ "github.com/otellock/otellock-go/otellock/oteletcd"
)

const (
	tests = "go.etcd.io/etcd/tests/v3/integration/clientv3/"
	swap  = `"go.etcd.io/etcd/client/v3/concurrency"`
	by    = `concurrency "github.com/otellock/otellock-go/otellock/oteletcd"`
)

func TestEtcdsOwnTestsPassWithTheImportSwapped(t *testing.T) {
	pipelines, err := os.ReadFile("../pipelines.go")
	if err != nil {
		t.Fatal(err)
	}
	install, err := os.ReadFile("testdata/install.go")
	if err != nil {
		t.Fatal(err)
	}
	link, modfile := linked(t)
	for _, test := range []struct{ pkg, run string }{
		{"concurrency", "."},
		{"experimental/recipes", "^TestMutex"},
	} {
		overlay := map[string]string{}
		into := t.TempDir()
		add := func(file string, text []byte) {
			to := filepath.Join(into, filepath.Base(file))
			if err := os.WriteFile(to, text, 0o600); err != nil {
				t.Fatal(err)
			}
			overlay[file] = to
		}
		dir := filepath.Join(link, "integration/clientv3", test.pkg)
		swapped, name := 0, ""
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(text, []byte(swap)); n > 0 {
				swapped += n
				_, rest, _ := strings.Cut(string(text), "\npackage ")
				name, _, _ = strings.Cut(rest, "\n")
				add(file, bytes.ReplaceAll(text, []byte(swap), []byte(by)))
			}
		}
		if swapped == 0 {
			t.Fatalf("no test of %s imports etcd's package", test.pkg)
		}
		inPackage := func(text []byte) []byte {
			_, rest, _ := bytes.Cut(text, []byte("\npackage etcd\n"))
			return append([]byte("package "+name+"\n"), rest...)
		}
		add(filepath.Join(dir, "pipelines_test.go"), inPackage(pipelines))
		add(filepath.Join(dir, "install_test.go"), inPackage(install))
		text, err := json.Marshal(map[string]any{"Replace": overlay})
		if err != nil {
			t.Fatal(err)
		}
		list := filepath.Join(into, "overlay.json")
		if err := os.WriteFile(list, text, 0o600); err != nil {
			t.Fatal(err)
		}
		binary := filepath.Join(into, "peer.test")
		output(t, "go", "test", "-c", "-modfile", modfile, "-overlay", list, "-o", binary, tests+test.pkg)
		for _, pipeline := range []string{"no SDK", "an SDK", "a sampler that panics", "a span processor that panics at start",
			"a span processor that panics at end", "a log handler that blocks"} {
			t.Run(test.pkg+"/"+pipeline, func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.run", test.run, "-test.timeout", "5m")
				cmd.Dir, cmd.Env = into, append(os.Environ(), "PIPELINE="+pipeline)
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

// linked returns a link to the module of etcd's tests, and a go.mod that finds it
// there: the go command lays nothing over files below the module cache.
func linked(t *testing.T) (link, modfile string) {
	t.Helper()
	const module = "go.etcd.io/etcd/tests/v3"
	into := t.TempDir()
	link, modfile = filepath.Join(into, "tests"), filepath.Join(into, "go.mod")
	if err := os.Symlink(strings.TrimSpace(output(t, "go", "list", "-m", "-f", "{{.Dir}}", module)), link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(into, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output(t, "go", "mod", "edit", "-replace", module+"="+link, modfile)
	return link, modfile
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
