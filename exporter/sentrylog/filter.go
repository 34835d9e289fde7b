package sentrylog

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otellock/otellock-go/semconv"
)

// LockWarnings keeps records of severity WARN and above that carry a
// lock.action, at the top level or in a group of log/slog. The default filter
// keeps the INFO summaries of package throttle besides.
func LockWarnings(record *sdklog.Record) bool {
	return record.Severity() >= log.SeverityWarn && text(record, semconv.LockActionKey) != ""
}

func lockWarningsAndSummaries(record *sdklog.Record) bool {
	if record.Severity() < log.SeverityInfo || text(record, semconv.LockActionKey) == "" {
		return false
	}
	const summary = semconv.EventLockReportSummary
	return record.Severity() >= log.SeverityWarn || record.EventName() == summary || text(record, otelconv.OTelEventNameKey) == summary
}

// text returns an attribute that is a string, also one in a group of log/slog.
func text(record *sdklog.Record, key attribute.Key) (value string) {
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Value.Type() == attribute.MAP {
			value = textIn(kv.Value.AsMap(), key)
		} else {
			value = textIn([]attribute.KeyValue{kv}, key)
		}
		return value == ""
	})
	return value
}

func textIn(group []attribute.KeyValue, key attribute.Key) string {
	for _, kv := range group {
		if kv.Key == key && kv.Value.Type() == attribute.STRING {
			return kv.Value.AsString()
		}
	}
	return ""
}
