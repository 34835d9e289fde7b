package exporter_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/internal/otlptest"
)

func resourceOf(t *testing.T, opts ...exporter.Option) map[string]any {
	t.Helper()
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	tel := setup(t, append(opts, exporter.WithoutGlobals())...)
	emit(context.Background(), t, tel)
	mustShutdown(t, tel)
	return otlptest.Attrs(r.Spans()[0].Resource.GetAttributes())
}

func TestResourceSaysWhoEmits(t *testing.T) {
	isolate(t)
	got := resourceOf(t)
	if want := "unknown_service:" + filepath.Base(os.Args[0]); got["service.name"] != want {
		t.Errorf("service.name is %v, want %s", got["service.name"], want)
	}
	uuid4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if id, _ := got["service.instance.id"].(string); !uuid4.MatchString(id) {
		t.Errorf("service.instance.id is %q, want a UUID version 4", id)
	}
	if host, _ := os.Hostname(); got["host.name"] != host {
		t.Errorf("host.name is %v, want %s", got["host.name"], host)
	}
	if got["process.pid"] != int64(os.Getpid()) || got["telemetry.sdk.language"] != "go" {
		t.Errorf("resource is %v", got)
	}
	for key := range got {
		if strings.HasPrefix(key, "process.command") {
			t.Errorf("%s is there, and may carry secrets", key)
		}
	}
}

func TestInstanceIDStandsForTheProcess(t *testing.T) {
	isolate(t)
	first, second := resourceOf(t), resourceOf(t)
	if first["service.instance.id"] != second["service.instance.id"] {
		t.Errorf("two set-ups of one process report as %v and %v", first["service.instance.id"], second["service.instance.id"])
	}
}

func TestResourceSourcesInOrderOfPrecedence(t *testing.T) {
	isolate(t)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=generic,service.instance.id=pod-7,host.name=given,team=a%2Cb,service.version=1")
	t.Setenv("OTEL_SERVICE_NAME", "specific")
	got := resourceOf(t,
		exporter.WithResourceAttributes(attribute.String("service.version", "2")),
		exporter.WithResourceAttributes(attribute.Int("shard", 4)))
	for key, want := range map[string]any{
		"service.name":        "specific",
		"service.instance.id": "pod-7",
		"host.name":           "given",
		"team":                "a,b",
		"service.version":     "2",
		"shard":               int64(4),
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
}
