package main

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/log/logtest"

	"github.com/otellock/otellock-go/semconv"
)

// run fails by itself where two workers were inside at once, and where a lock does not
// tell of the contention and of the outage.
func TestEachLockTellsOfTheContentionAndOfTheOutage(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, name := range []string{"otellock", "redislock", "redsync", "rueidislock", "etcd"} {
		if want := "WARN lock backend failed: " + name + " was refused"; strings.Count(out.String(), want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, &out)
		}
	}
	t.Log(out.String())
}

func TestASummaryIsPrintedWithHowManyWereSuppressed(t *testing.T) {
	var out strings.Builder
	summary := logtest.RecordFactory{
		Severity:   log.SeverityInfo,
		Body:       attribute.StringValue("repeated warnings suppressed: backend_error, redsync"),
		Attributes: []attribute.KeyValue{semconv.LockReportSuppressedCount(9)},
	}.NewRecord()
	if err := (printer{&out}).Export(t.Context(), []sdklog.Record{summary}); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "   INFO repeated warnings suppressed: backend_error, redsync  9\n"; got != want {
		t.Errorf("it is printed as %q, want %q", got, want)
	}
}
