package semconvregistry_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"gopkg.in/yaml.v3"

	"github.com/otellock/otellock-go/internal/semconvregistry"
	"github.com/otellock/otellock-go/semconv"
)

func TestConstructorsMakeTheRegistrysAttributes(t *testing.T) {
	r, err := semconvregistry.Default()
	if err != nil {
		t.Fatal(err)
	}
	made := []attribute.KeyValue{
		semconv.LockTarget("projects"),
		semconv.LockKeyPattern("lock:project:*"),
		semconv.LockBackendName("redis"),
		semconv.LockWaitTimeout(3),
		semconv.LockRetries(2),
		semconv.LockRenewals(8),
		semconv.LockTTL(10),
		semconv.LockHoldDuration(0.1),
		semconv.LockHoldUtilization(0.01),
		semconv.LockReportSuppressedCount(7),
		semconv.LockReportSuppressedSince("2026-11-22T03:14:07.000Z"),
		semconv.LockReportSuppressedUntil("2026-11-22T03:19:52.310Z"),
		semconv.LockReportSuppressedErrorTypes("timeout", "eof"),
		semconv.LockReportSuppressedErrorCounts(2, 1),
		semconv.LockOperationNameAcquire,
		semconv.LockModeTry,
		semconv.LockOutcomeAcquired,
		semconv.LockFailurePolicyOpen,
		semconv.LockActionBackendError,
		semconv.LockReportResultEmitted,
		semconv.LockLinkTypeHolder,
		semconv.ErrorTypeReadOnly,
	}
	byName := map[attribute.Key]bool{}
	for _, kv := range made {
		byName[kv.Key] = true
		a := r.Attribute(string(kv.Key))
		if a == nil {
			t.Errorf("%s is not in the registry", kv.Key)
			continue
		}
		if err := (semconvregistry.Uses{{Attribute: a, Level: semconvregistry.Required}}).Check([]attribute.KeyValue{kv}); err != nil {
			t.Error(err)
		}
	}
	for _, a := range r.Attributes {
		if !a.Referenced && !byName[attribute.Key(a.ID)] {
			t.Errorf("%s has no constructor in this test", a.ID)
		}
	}
}

func TestMetricsAreTheRegistrys(t *testing.T) {
	r, err := semconvregistry.Default()
	if err != nil {
		t.Fatal(err)
	}
	metrics := []semconv.Metric{
		semconv.MetricLockAttempts,
		semconv.MetricLockAcquireDuration,
		semconv.MetricLockHoldDuration,
		semconv.MetricLockHoldUtilization,
		semconv.MetricLockHeld,
		semconv.MetricLockWaiting,
		semconv.MetricLockReports,
	}
	if len(metrics) != len(r.Metrics) {
		t.Errorf("this test has %d metrics, the registry %d", len(metrics), len(r.Metrics))
	}
	for _, m := range metrics {
		want := r.Metric(m.Name)
		if want == nil {
			t.Errorf("%s is not in the registry", m.Name)
			continue
		}
		if m.Unit != want.Unit || m.Description != want.Brief || !slices.Equal(m.Boundaries, want.Boundaries) {
			t.Errorf("%s is %+v, the registry says %+v", m.Name, m, want)
		}
	}
}

func TestOnlyTheRegistrysErrorTypesAreErrorTypes(t *testing.T) {
	r, err := semconvregistry.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Attribute("error.type").Members {
		if !semconv.IsErrorType(m.Value) {
			t.Errorf("%s is refused", m.Value)
		}
	}
	for _, text := range []string{"", "READONLY You can't write against a read only replica.", "readonly", "lock:project:42"} {
		if semconv.IsErrorType(text) {
			t.Errorf("%q is taken for an error type", text)
		}
	}
}

func TestTheSchemaURLIsThatOfAFileInThisModule(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "semconv", "schemas", path.Base(semconv.SchemaURL)))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		FileFormat string `yaml:"file_format"`
		SchemaURL  string `yaml:"schema_url"`
		Resolved   string `yaml:"resolved_registry_uri"`
	}
	if err := yaml.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if schema.SchemaURL != semconv.SchemaURL {
		t.Errorf("the file says %s, the package %s", schema.SchemaURL, semconv.SchemaURL)
	}
	if schema.FileFormat != "manifest/2.0" {
		t.Errorf("the file is a %s", schema.FileFormat)
	}
	if _, err := os.Stat(filepath.Join("..", "..", "semconv", "resolved", path.Base(schema.Resolved))); err != nil {
		t.Errorf("the resolved registry: %v", err)
	}
}
