package sentrylog

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/log/logtest"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otellock/otellock-go/internal/envelopetest"
	"github.com/otellock/otellock-go/internal/sentryissue"
)

func TestAnExportKeepsNoAttributeOfItsRecords(t *testing.T) {
	e, err := New(envelopetest.NewServer(t).DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Shutdown(t.Context()) }()
	record := func(attrs ...attribute.KeyValue) sdklog.Record {
		return logtest.RecordFactory{Severity: log.SeverityWarn, Resource: resource.Empty(),
			Attributes: append(attrs, attribute.String("lock.action", "backend_error"))}.NewRecord()
	}
	long, short := record(attribute.String("a", "b"), attribute.String("c", "d")), record()
	if err := e.Export(t.Context(), []sdklog.Record{long, short}); err != nil {
		t.Fatal(err)
	}
	kept := e.scratch.Attributes[:cap(e.scratch.Attributes)]
	if len(kept) < 3 {
		t.Fatalf("room for %d attributes, want it to be reused", len(kept))
	}
	for _, a := range kept {
		if a != (sentryissue.Attribute{}) {
			t.Errorf("kept %v", a)
		}
	}
}
