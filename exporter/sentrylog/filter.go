package sentrylog

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/semconv"
)

// LockWarnings is the default filter: records of severity WARN and above that
// carry a lock.action, at the top level or in a group of log/slog. The INFO
// summaries of package throttle are not among them.
func LockWarnings(record *sdklog.Record) bool {
	if record.Severity() < log.SeverityWarn {
		return false
	}
	found := false
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		found = isAction(kv) || kv.Value.Type() == attribute.MAP && hasAction(kv.Value.AsMap())
		return !found
	})
	return found
}

func hasAction(group []attribute.KeyValue) bool {
	for _, kv := range group {
		if isAction(kv) {
			return true
		}
	}
	return false
}

func isAction(kv attribute.KeyValue) bool {
	return kv.Key == semconv.LockActionKey && kv.Value.Type() == attribute.STRING && kv.Value.AsString() != ""
}
