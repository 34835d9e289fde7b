package otellock_test

import (
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The halves of the house meet in OpenTelemetry's API, so that either can be
// replaced. internal/e2e/modules tests the other half.
func TestImportsKeepTheHouse(t *testing.T) {
	const module = "github.com/otellock/otellock-go/"
	for _, test := range []struct {
		pkg   string
		never []string
	}{
		{"otellock", []string{"go.opentelemetry.io/otel/sdk", "github.com/redis/", module + "exporter", "github.com/getsentry/"}},
		{"otellock/observe", []string{"go.opentelemetry.io/otel/sdk", "github.com/redis/", module + "exporter", module + "otellock\n"}},
		{"internal/window", []string{"go.opentelemetry.io/"}},
		{"semconv", []string{"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/log", module + "otellock", module + "exporter"}},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+test.pkg).Output()
		if err != nil {
			t.Fatalf("go list -deps %s: %v", test.pkg, err)
		}
		for dep := range strings.Lines(string(out)) {
			for _, never := range test.never {
				if strings.HasPrefix(dep, never) {
					t.Errorf("%s imports %s", test.pkg, strings.TrimSpace(dep))
				}
			}
		}
	}
}

// What a service gets with the lock is OpenTelemetry, and nothing else.
func TestTheLocksHalfImportsOpenTelemetryAndNothingElse(t *testing.T) {
	const module = "github.com/otellock/otellock-go"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{range .Imports}}{{$.ImportPath}} {{.}}{{"\n"}}{{end}}`,
		module+"/otellock/...", module+"/semconv/...", module+"/internal/window", module+"/internal/inflight").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(string(out)) {
		pkg, imported, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(pkg, module+"/otellock/redisbackend") || strings.HasPrefix(pkg, module+"/otellock/otel") { // modules of their own
			continue
		}
		domain, _, _ := strings.Cut(imported, "/")
		opentelemetry := domain == "go.opentelemetry.io" && !strings.HasPrefix(imported, "go.opentelemetry.io/otel/sdk")
		found = found || opentelemetry
		if strings.Contains(domain, ".") && !opentelemetry && !strings.HasPrefix(imported, module+"/") {
			t.Errorf("%s imports %s", pkg, imported)
		}
	}
	if !found {
		t.Error("no package imports OpenTelemetry: the test looks in the wrong place")
	}
}

// Waiting, failing open, holding and releasing are told apart from what is said
// of them: that is package observe's.
func TestTheLockImportsOpenTelemetryInItsOptionsOnly(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range file.Imports {
			if !strings.Contains(imported.Path.Value, "go.opentelemetry.io/") {
				continue
			}
			found = true
			if name != "options.go" {
				t.Errorf("%s imports %s", name, imported.Path.Value)
			}
		}
	}
	if !found {
		t.Error("no file imports OpenTelemetry: the test looks in the wrong place")
	}
}
