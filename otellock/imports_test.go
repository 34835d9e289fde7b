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
// replaced.
func TestImportsKeepTheHouse(t *testing.T) {
	const module = "github.com/otellock/otellock-go/"
	for _, test := range []struct {
		pkg   string
		never []string
	}{
		{"otellock", []string{"go.opentelemetry.io/otel/sdk", "github.com/redis/", module + "exporter", "github.com/getsentry/"}},
		{"otellock/observe", []string{"go.opentelemetry.io/otel/sdk", "github.com/redis/", module + "exporter", module + "otellock\n"}},
		{"otellock/redisbackend", []string{"go.opentelemetry.io/otel/sdk", module + "exporter"}},
		{"exporter", []string{module + "otellock", "github.com/redis/"}},
		{"exporter/throttle", []string{module + "otellock", "github.com/getsentry/"}},
		{"exporter/sentrylog", []string{module + "otellock"}},
		{"internal/sentryissue", []string{"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/log", "go.opentelemetry.io/collector"}},
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
