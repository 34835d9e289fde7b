// Package sentrylog turns lock warnings into Sentry issues: an exporter for the
// OpenTelemetry log SDK that sends through sentry-go.
//
//	e, err := sentrylog.New(os.Getenv("SENTRY_DSN"))
//	if err != nil {
//		return err
//	}
//	throttled, err := throttle.NewProcessor(sdklog.NewBatchProcessor(e))
//	if err != nil {
//		return err
//	}
//	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(throttled))
//
// Package exporter does this when SENTRY_DSN is set. The throttle in front
// matters: it makes one record a minute of an outage's thousands.
//
// Neither sentry-go's logging integrations nor Sentry's OTLP endpoint make
// issues of log records; an issue needs an event, and that is what an operator
// can be alerted by.
//
// # Mapping
//
// A record becomes an event if the filter keeps it: by default a record of
// severity WARN or above with a lock.action ([LockWarnings]). Field by field:
//
//   - level: the severity's range. WARN is warning; FATAL, ERROR, INFO are
//     fatal, error, info; DEBUG and TRACE are debug; unspecified is info.
//   - exception, one entry. Type: the event name, or else the attribute
//     otel.event.name, or else "lock." and lock.action. Value: lock.target and
//     the error.type in words, such as "projects: connection refused". Sentry
//     shows both as the title.
//   - exception stack trace: one frame, from code.function.name, code.file.path
//     and code.line.number, always in_app: it is the line that took the lock.
//   - exception mechanism: otel.log, handled.
//   - message: the body. logger: the instrumentation scope.
//   - transaction: code.function.name.
//   - timestamp: the record's, or else when it was observed.
//   - fingerprint, the group. Faults of the backend: lock.action, service.name,
//     lock.backend.name, so that an outage that hits forty targets is one
//     issue, or two or three; the tag lock.target slices it. Lost leases
//     (error.type expired, lost, stolen): lock.action, lock.target, error.type.
//   - tags: lock.target, lock.key_pattern, lock.action, lock.operation.name,
//     lock.backend.name, lock.failure_policy, error.type, service.name. A value
//     is one line and at most 200 characters; an empty one is left out.
//   - context lock: every attribute in the namespace lock, without the prefix:
//     ttl and hold.duration in seconds, retries, report.suppressed_count,
//     report.suppressed_since, report.suppressed_error_types and so on.
//   - context otel: the resource, and under attributes whatever the record has
//     besides. A value is cut at 8,192 characters. The process's command line is
//     left out. In both contexts, and in maps (groups of log/slog) at any depth, a
//     value whose key says that it is a credential is replaced by "[Filtered]":
//     password, secret, token, API key, access key, private key, authorization,
//     credential, cookie.
//   - trace: the record's trace and span id, in the event and, where the
//     protocol has a place for them, in the envelope's header. A record without
//     a trace gets one of its own, as every event of sentry-go does.
//   - release: [WithRelease], or else SENTRY_RELEASE, or else the resource's
//     service.version. environment: [WithEnvironment], or else
//     SENTRY_ENVIRONMENT, or else deployment.environment.name. Characters that
//     Sentry refuses in these two become hyphens.
//   - server_name: service.instance.id, or else host.name, or else what the
//     kernel calls the host.
//
// Records that are not about locks have their event name as the exception's
// type and exception.message or the body as its value, and are grouped by event
// name, service.name and error.type. Without an event name the type is
// exception.type; without that the event is a plain message. Both are grouped
// by Sentry itself.
//
// # Nothing is lost silently
//
// In any one minute an exporter begins to send no more than 60 events, and
// another 60 of lost leases ([WithCap]). What was cut, and what could not be delivered, is told by
// the next event: in the tag sentrylog.not_sent, and in the context sentrylog
// (cut_events, dropped_events, the occurrences that they stood for, since). An
// event that could not be delivered is also an error from [Exporter.Export],
// which the SDK hands to otel.Handle.
//
// Every record that the filter kept is counted once in
// otel.sdk.exporter.log.exported, OpenTelemetry's metric for exporters of logs:
// without error.type when Sentry took it, otherwise with rate_limited, timeout,
// connection_refused, an HTTP status such as 403, and so on; event_cap where the
// cap cut it. [Exporter.Sent], [Exporter.Dropped] and [Exporter.Cut] are the
// same counts without a metric pipeline.
//
// README.md shows what an issue looks like, the alert rules to set, and what
// users of Raygun, AppSignal and LogOwl do instead.
package sentrylog
