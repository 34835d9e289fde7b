package otellock_test

import (
	"os/exec"
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
		{"otellock/redisbackend", []string{"go.opentelemetry.io/otel/sdk", module + "exporter"}},
		{"exporter", []string{module + "otellock", "github.com/redis/"}},
		{"exporter/throttle", []string{module + "otellock", "github.com/getsentry/"}},
		{"exporter/sentrylog", []string{module + "otellock"}},
		{"internal/window", []string{"go.opentelemetry.io/"}},
		{"semconv", []string{"go.opentelemetry.io/otel/sdk", module + "otellock", module + "exporter"}},
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
