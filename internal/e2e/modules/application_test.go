package modules

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// newApplication returns the directory of a new module that imports the packages
// of this repository, and others at a version of its own. It is tidy and builds.
func newApplication(t *testing.T, imports []string, others ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var mod, sum, code bytes.Buffer
	mod.WriteString("module example.com/application\n\ngo 1.26.0\n\n")
	for _, other := range others {
		mod.WriteString("require " + other + "\n")
	}
	for _, m := range workspace(t) {
		mod.WriteString("replace " + m.path + " => " + m.dir + "\n")
		if slices.ContainsFunc(imports, func(pkg string) bool { return pkg == m.path || strings.HasPrefix(pkg, m.path+"/") }) {
			mod.WriteString("require " + m.path + " " + released + "\n")
		}
		// What is verified once need not be looked up again.
		sums, err := os.ReadFile(filepath.Join(m.dir, "go.sum"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		sum.Write(sums)
	}
	code.WriteString("package application\n\nimport (\n")
	for _, pkg := range imports {
		code.WriteString("\t_ \"" + pkg + "\"\n")
	}
	for _, other := range others {
		path, _, _ := strings.Cut(other, " ")
		code.WriteString("\t_ \"" + path + "\"\n")
	}
	code.WriteString(")\n")
	for name, text := range map[string][]byte{"go.mod": mod.Bytes(), "go.sum": sum.Bytes(), "application.go": code.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "go", "mod", "tidy")
	run(t, dir, "go", "build", ".")
	return dir
}

// graph returns the paths of all modules that the application's graph has.
func graph(t *testing.T, dir string) []string {
	t.Helper()
	return strings.Fields(run(t, dir, "go", "list", "-m", "-f", "{{.Path}}", "all"))
}

func TestAnApplicationThatLocksOnRedisGetsNoModulesThatItDoesNotNeed(t *testing.T) {
	t.Parallel()
	modules := graph(t, newApplication(t, []string{repository + "/otellock", repository + "/otellock/redisbackend"}))
	const most = 40
	t.Logf("%d modules:\n%s", len(modules), strings.Join(modules, "\n"))
	if len(modules) > most {
		t.Errorf("%d modules, want at most %d", len(modules), most)
	}
	for _, never := range []string{"getsentry/sentry-go", "google.golang.org/grpc", "google.golang.org/protobuf",
		"github.com/prometheus/", "toxiproxy", "miniredis", "zerolog"} {
		if slices.ContainsFunc(modules, func(path string) bool { return strings.Contains(path, never) }) {
			t.Errorf("it gets %s", never)
		}
	}
}

// A wrapper of somebody else's lock needs no more than its peer, and must not lift
// the application's Redis client. The tests of the wrappers have a module of their
// own for that reason.
func TestAnApplicationKeepsItsOldRedisClientWithPackagesThatDoNotNeedOne(t *testing.T) {
	t.Parallel()
	const client, version = "github.com/redis/go-redis/v9", "v9.7.0"
	for pkg, peer := range map[string]string{
		"semconv": "", "otellock": "", "otellock/observe": "",
		"otellock/otelredislock": "github.com/bsm/redislock v0.9.4",
	} {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			others := []string{client + " " + version}
			if peer != "" { // the application imports it besides
				others = append(others, peer)
			}
			dir := newApplication(t, []string{repository + "/" + pkg}, others...)
			if got := strings.TrimSpace(run(t, dir, "go", "list", "-m", "-f", "{{.Version}}", client)); got != version {
				t.Errorf("%s is lifted from %s to %s", client, version, got)
			}
		})
	}
}

func TestEveryPublishedModuleBuildsInAnApplication(t *testing.T) {
	t.Parallel()
	for name, packages := range map[string][]string{
		"root":                  {"semconv", "semconv/registry", "otellock", "otellock/observe", "otellock/memorybackend", "otellock/backendtest"},
		"otellock/redisbackend": {"otellock/redisbackend"},
		"exporter":              {"exporter", "exporter/throttle", "exporter/sentrylog"},

		"otellock/otelredislock":   {"otellock/otelredislock"},
		"otellock/otelredsync":     {"otellock/otelredsync"},
		"otellock/otelrueidislock": {"otellock/otelrueidislock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var imports []string
			for _, pkg := range packages {
				imports = append(imports, repository+"/"+pkg)
			}
			t.Logf("%d modules", len(graph(t, newApplication(t, imports))))
		})
	}
}

// The modules that wrap other people's locks bring those locks, and nobody else gets them.
func TestTheLocksHalfHasNoneOfTheLocksThatAreWrapped(t *testing.T) {
	t.Parallel()
	modules := graph(t, newApplication(t, []string{repository + "/semconv", repository + "/otellock", repository + "/otellock/observe"}))
	const most = 33
	if len(modules) > most {
		t.Errorf("%d modules, want at most %d:\n%s", len(modules), most, strings.Join(modules, "\n"))
	}
	for _, path := range modules {
		if strings.Contains(path, "redis") || strings.Contains(path, "redsync") || strings.Contains(path, "etcd") {
			t.Errorf("it gets %s", path)
		}
	}
}
