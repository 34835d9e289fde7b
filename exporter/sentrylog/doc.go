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
// # Mapping
//
// By default a record becomes an event if it is of [LockWarnings], or the summary
// in which the throttle says how often a lock failed after its last warning.
// [WithFilter] changes that.
//
//   - level: the severity's range.
//   - exception: the event name as its type, which for a summary is that of the
//     warnings; lock.target and the error.type in words as its value. A summary's
//     value has count, since, until and how many there were of each error type.
//     Error types that an operator must act upon (NOAUTH, WRONGPASS, NOPERM,
//     READONLY, stolen) and that the throttle suppressed are named in both.
//   - frames: exception.stacktrace, the oldest call first; code.* is the newest
//     frame that is in_app, and the transaction ([WithInApp]).
//   - fingerprint: lock.action, service.name and lock.backend.name for faults of
//     the backend, so that an outage is one issue; lock.action, lock.target and
//     error.type for leases that expired, were lost or stolen. A summary has the
//     fingerprint of its warnings.
//   - tags: target, key pattern, action, operation, backend and failure policy of
//     the lock, error.type, service.name, the hub's, and those of [WithTags].
//   - user, request, breadcrumbs, further contexts, and the trace of a record that
//     has none: those of the Sentry hub on the context. Cookies, addresses and the
//     like only as the client's SendDefaultPII allows. No attachments.
//   - contexts lock and otel: the attributes and the resource, without the
//     process's command line; a value whose key names a credential is "[Filtered]".
//   - contexts os, runtime, device, and modules: those of the process.
//   - release, environment: [WithRelease] and [WithEnvironment], or else
//     SENTRY_RELEASE and SENTRY_ENVIRONMENT, or else service.version and
//     deployment.environment.name. server_name: service.instance.id or host.name.
//
// An event has 200,000 bytes of JSON at most, whatever the record holds.
//
// # Nothing is lost silently
//
// An event waits in a queue ([WithQueueSize]) and is tried again for five minutes;
// a rate limit is waited for as long. [WithCap] bounds the events of a minute. What
// was cut or could not be delivered is in the tag sentrylog.not_sent and the
// context sentrylog of the next event, in the error of ForceFlush and Shutdown, or
// else of otel.Handle, and in otel.sdk.exporter.log.exported, with an error.type:
// rate_limited, timeout, queue_full, an HTTP status such as 403, event_cap, etc.
package sentrylog
