package modules

import (
	"path/filepath"
	"strings"
	"testing"
)

// The halves of the house meet in OpenTelemetry's API, so that either can be
// replaced. What package otellock and its neighbours import is tested beside them.
func TestImportsAcrossModulesKeepTheHouse(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		pkg   string
		never []string
	}{
		{"otellock/redisbackend", []string{"go.opentelemetry.io/otel/sdk", repository + "/exporter"}},
		{"otellock/otelredislock", []string{"go.opentelemetry.io/otel/sdk", repository + "/exporter", repository + "/otellock\n"}},
		{"otellock/otelredsync", []string{"go.opentelemetry.io/otel/sdk", repository + "/exporter", repository + "/otellock\n"}},
		{"otellock/otelrueidislock", []string{"go.opentelemetry.io/otel/sdk", repository + "/exporter", repository + "/otellock\n"}},
		{"exporter", []string{repository + "/otellock", "github.com/redis/"}},
		{"exporter/throttle", []string{repository + "/otellock", "github.com/getsentry/"}},
		{"exporter/sentrylog", []string{repository + "/otellock"}},
		{"internal/sentryissue", []string{"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/log", "go.opentelemetry.io/collector"}},
	} {
		for dep := range strings.Lines(run(t, filepath.Join(root, test.pkg), "go", "list", "-deps", ".")) {
			for _, never := range test.never {
				if strings.HasPrefix(dep, never) {
					t.Errorf("%s imports %s", test.pkg, strings.TrimSpace(dep))
				}
			}
		}
	}
}
