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
	return record.Severity() >= log.SeverityWarn && has(record, isAction)
}

// lockReport is the default filter.
func lockReport(record *sdklog.Record) bool {
	if record.Severity() >= log.SeverityWarn {
		return has(record, isAction)
	}
	return record.Severity() >= log.SeverityInfo &&
		(record.EventName() == semconv.EventLockReportSummary || has(record, isSummary)) && has(record, isAction)
}

// has reports whether an attribute, or one in a group, satisfies is.
func has(record *sdklog.Record, is func(attribute.KeyValue) bool) (found bool) {
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		found = is(kv) || kv.Value.Type() == attribute.MAP && groupHas(kv.Value.AsMap(), is)
		return !found
	})
	return found
}

func groupHas(group []attribute.KeyValue, is func(attribute.KeyValue) bool) bool {
	for _, kv := range group {
		if is(kv) {
			return true
		}
	}
	return false
}

func isAction(kv attribute.KeyValue) bool {
	return kv.Key == semconv.LockActionKey && kv.Value.Type() == attribute.STRING && kv.Value.AsString() != ""
}

func isSummary(kv attribute.KeyValue) bool {
	return kv.Key == otelconv.OTelEventNameKey && kv.Value.Type() == attribute.STRING &&
		kv.Value.AsString() == semconv.EventLockReportSummary
}
