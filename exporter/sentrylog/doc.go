// Package sentrylog turns lock warnings into Sentry issues: a processor for the
// OpenTelemetry log SDK that sends through sentry-go.
//
//	issues, err := sentrylog.New(os.Getenv("SENTRY_DSN"))
//	if err != nil {
//		return err
//	}
//	throttled, err := throttle.NewProcessor(issues)
//	if err != nil {
//		return err
//	}
//	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(throttled))
//
// Package exporter does this when SENTRY_DSN is set. The throttle in front
// matters: it makes one record a minute of an outage's thousands.
//
// Neither sentry-go's logging integrations nor Sentry's OTLP endpoint make
// issues of log records; an issue needs an event.
//
// # Mapping
//
// By default a record becomes an event if it has a lock.action and severity WARN
// or above ([LockWarnings]), or if it is the summary in which the throttle says
// how often a lock failed after its last warning. [WithFilter] changes that.
//
//   - level: the severity's range.
//   - exception: the event name as its type, which for a summary is that of the
//     warnings; lock.target and the error.type in words as its value. A summary's
//     value has count, since, until and the error types. Error types that an
//     operator must act upon (NOAUTH, WRONGPASS, NOPERM, READONLY, stolen) and
//     that the throttle suppressed are named in both.
//   - frames: exception.stacktrace, the oldest call first; code.* is the newest
//     frame that is in_app, and the transaction. Frames of the main module are
//     in_app ([WithInApp]).
//   - fingerprint: lock.action, service.name and lock.backend.name for faults of
//     the backend, so that an outage is one issue; lock.action, lock.target and
//     error.type for leases that expired, were lost or stolen. A summary has the
//     fingerprint of its warnings.
//   - tags: lock.target, lock.key_pattern, lock.action, lock.operation.name,
//     lock.backend.name, lock.failure_policy, error.type, service.name, those of
//     the hub, and those of [WithTags].
//   - user, request, breadcrumbs, further contexts: those of the Sentry hub on the
//     context (sentry.SetHubOnContext, sentry-go's middleware). Cookies, addresses
//     and the like only as the client's SendDefaultPII allows. Attachments are
//     left out.
//   - contexts lock and otel: the attributes and the resource. The process's
//     command line is left out, and a value whose key names a credential is
//     replaced by "[Filtered]".
//   - contexts os, runtime, device, and modules: those of the process.
//   - trace: the record's, or else the hub's.
//   - release, environment: [WithRelease] and [WithEnvironment], or else
//     SENTRY_RELEASE and SENTRY_ENVIRONMENT, or else service.version and
//     deployment.environment.name. server_name: service.instance.id or host.name.
//
// An event has 200,000 bytes of JSON at most, whatever the record holds.
//
// # Nothing is lost silently
//
// An event waits in a queue of 2,048 ([WithQueueSize]) and is tried again for
// five minutes; a rate limit is waited for as long. In any one minute no more
// than 60 events are emitted, and another 60 of lost leases ([WithCap]). What was
// cut or could not be delivered is in the tag sentrylog.not_sent and the context
// sentrylog of the next event, in the error of ForceFlush and Shutdown, or else
// of otel.Handle, and in otel.sdk.exporter.log.exported, OpenTelemetry's metric
// for exporters of logs, with an error.type: rate_limited, timeout, queue_full,
// an HTTP status such as 403, event_cap, and so on.
//
// README.md shows what an issue looks like, the alert rules to set, and what
// users of Raygun, AppSignal and LogOwl do instead.
package sentrylog
