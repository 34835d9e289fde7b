// Code generated from semconv/registry. DO NOT EDIT.

package semconv

import "go.opentelemetry.io/otel/attribute"

// Keys of the attributes that locks define.
const (
	// LockTargetKey is the attribute "lock.target". The declared name of a
	// family of locks.
	//
	// Chosen by the program, or derived from the pattern of a key. Names beyond
	// the cap on targets are reported as `_OTHER`.
	//
	// Type: string
	// Examples: "projects", "cron.nightly", "_OTHER"
	LockTargetKey = attribute.Key("lock.target")

	// LockKeyPatternKey is the attribute "lock.key_pattern". The pattern of the
	// target's keys, with `*` for every variable part.
	//
	// The key itself is never reported.
	//
	// Type: string
	// Examples: "lock:projects:*", "lock:cron:nightly"
	LockKeyPatternKey = attribute.Key("lock.key_pattern")

	// LockOperationNameKey is the attribute "lock.operation.name". The
	// operation on the lock.
	//
	// Type: enum
	LockOperationNameKey = attribute.Key("lock.operation.name")

	// LockModeKey is the attribute "lock.mode". Whether the caller waits for a
	// busy lock.
	//
	// Type: enum
	LockModeKey = attribute.Key("lock.mode")

	// LockOutcomeKey is the attribute "lock.outcome". How the operation ended.
	//
	// Type: enum
	LockOutcomeKey = attribute.Key("lock.outcome")

	// LockFailurePolicyKey is the attribute "lock.failure_policy". What a
	// failure means for the caller's work.
	//
	// Type: enum
	LockFailurePolicyKey = attribute.Key("lock.failure_policy")

	// LockActionKey is the attribute "lock.action". The kind of failure that a
	// record reports.
	//
	// The last part of the event name, as an attribute: some log stores drop
	// the event name. Reports are throttled by this attribute and
	// `lock.target`, unless the throttle is given other keys.
	//
	// Type: enum
	LockActionKey = attribute.Key("lock.action")

	// LockBackendNameKey is the attribute "lock.backend.name". The name of the
	// backend that stores the locks.
	//
	// A name, not an address. Two backends in one process need two names to be
	// told apart.
	//
	// Type: string
	// Examples: "redis", "memory"
	LockBackendNameKey = attribute.Key("lock.backend.name")

	// LockWaitTimeoutKey is the attribute "lock.wait.timeout". How long the
	// caller is willing to wait for a busy lock, in seconds.
	//
	// Type: double
	// Examples: 3, 0.5
	LockWaitTimeoutKey = attribute.Key("lock.wait.timeout")

	// LockRetriesKey is the attribute "lock.retries". The number of attempts
	// after the first.
	//
	// Type: int
	// Examples: 0, 4
	LockRetriesKey = attribute.Key("lock.retries")

	// LockWakeUpKey is the attribute "lock.wake_up". What made a waiter ask for
	// the lock at the time when it got it.
	//
	// Many `poll` after long waits say that wake-ups do not arrive: the server
	// forbids them, or they are switched off.
	//
	// Type: enum
	LockWakeUpKey = attribute.Key("lock.wake_up")

	// LockTTLKey is the attribute "lock.ttl". The requested time to live of the
	// lease, in seconds.
	//
	// Type: double
	// Examples: 10, 0.25
	LockTTLKey = attribute.Key("lock.ttl")

	// LockHoldDurationKey is the attribute "lock.hold.duration". How long the
	// lock had been held, in seconds.
	//
	// Counted from the reply that granted it.
	//
	// Type: double
	// Examples: 0.042, 12.7
	LockHoldDurationKey = attribute.Key("lock.hold.duration")

	// LockHoldUtilizationKey is the attribute "lock.hold.utilization". The time
	// for which the lease was held, as a ratio of its time to live.
	//
	// Counted from the start of the request that acquired it, where its time to
	// live begins too. Above 1 the lease ran out while it was held. For a lease
	// that the library extends on its own it is a ratio of the longest time for
	// which it does so.
	//
	// Type: double
	// Examples: 0.04, 1.3
	LockHoldUtilizationKey = attribute.Key("lock.hold.utilization")

	// LockRenewalsKey is the attribute "lock.renewals". The number of times
	// that the library has extended the lease on its own, successfully or not.
	//
	// Type: int
	// Examples: 1, 1080
	LockRenewalsKey = attribute.Key("lock.renewals")

	// LockLinkTypeKey is the attribute "lock.link.type". What a linked span is
	// to this one.
	//
	// Type: enum
	LockLinkTypeKey = attribute.Key("lock.link.type")

	// LockReportResultKey is the attribute "lock.report.result". What became of
	// a report.
	//
	// Type: enum
	LockReportResultKey = attribute.Key("lock.report.result")

	// LockReportSuppressedCountKey is the attribute
	// "lock.report.suppressed_count". The number of records of this action and
	// target that were suppressed since the last emitted one.
	//
	// Zero is written too. The number of occurrences is the number of records
	// plus the sum of this attribute.
	//
	// Type: int
	// Examples: 0, 9421
	LockReportSuppressedCountKey = attribute.Key("lock.report.suppressed_count")

	// LockReportSuppressedSinceKey is the attribute
	// "lock.report.suppressed_since". When the last record of this action and
	// target was emitted, RFC 3339 in UTC with milliseconds.
	//
	// Type: string
	// Examples: "2026-11-22T03:14:07.000Z"
	LockReportSuppressedSinceKey = attribute.Key("lock.report.suppressed_since")

	// LockReportSuppressedUntilKey is the attribute
	// "lock.report.suppressed_until". When the last of the suppressed records
	// occurred, RFC 3339 in UTC with milliseconds.
	//
	// Together with `lock.report.suppressed_since` it says how long an outage
	// lasted for this action and target in one process.
	//
	// Type: string
	// Examples: "2026-11-22T03:19:52.310Z"
	LockReportSuppressedUntilKey = attribute.Key("lock.report.suppressed_until")

	// LockReportSuppressedErrorTypesKey is the attribute
	// "lock.report.suppressed_error_types". The distinct `error.type` values of
	// the suppressed records, at most 8.
	//
	// A rare fault that hides behind a frequent one is named here. Those that
	// an operator must act on come first (`stolen`, `NOAUTH`, `READONLY` and
	// the like), then the most frequent.
	//
	// Type: string[]
	// Examples: ["NOAUTH", "pool_exhausted"]
	LockReportSuppressedErrorTypesKey = attribute.Key("lock.report.suppressed_error_types")

	// LockReportSuppressedErrorCountsKey is the attribute
	// "lock.report.suppressed_error_counts". How many of the suppressed records
	// had each of `lock.report.suppressed_error_types`, in the same order.
	//
	// Zero where only an earlier throttle knows the number. The sum may be
	// below `lock.report.suppressed_count`, because records without an
	// `error.type` and types beyond the eighth are not counted here.
	//
	// Type: int[]
	// Examples: [1, 5166]
	LockReportSuppressedErrorCountsKey = attribute.Key("lock.report.suppressed_error_counts")
)

// Keys of OpenTelemetry's attributes to which locks give values of their own.
const (
	// ErrorTypeKey is the attribute "error.type" of OpenTelemetry 1.43.0. The
	// class of the failure.
	//
	// One of the values listed, `_OTHER` for everything else. The text of an
	// error is never a value.
	//
	// Type: enum
	// Examples: "expired", "timeout", "READONLY"
	ErrorTypeKey = attribute.Key("error.type")
)

// LockTarget returns the attribute "lock.target". The declared name of a
// family of locks.
//
// Chosen by the program, or derived from the pattern of a key. Names beyond
// the cap on targets are reported as `_OTHER`.
func LockTarget(val string) attribute.KeyValue {
	return LockTargetKey.String(val)
}

// LockKeyPattern returns the attribute "lock.key_pattern". The pattern of
// the target's keys, with `*` for every variable part.
//
// The key itself is never reported.
func LockKeyPattern(val string) attribute.KeyValue {
	return LockKeyPatternKey.String(val)
}

// LockBackendName returns the attribute "lock.backend.name". The name of
// the backend that stores the locks.
//
// A name, not an address. Two backends in one process need two names to be
// told apart.
func LockBackendName(val string) attribute.KeyValue {
	return LockBackendNameKey.String(val)
}

// LockWaitTimeout returns the attribute "lock.wait.timeout". How long the
// caller is willing to wait for a busy lock, in seconds.
func LockWaitTimeout(val float64) attribute.KeyValue {
	return LockWaitTimeoutKey.Float64(val)
}

// LockRetries returns the attribute "lock.retries". The number of attempts
// after the first.
func LockRetries(val int) attribute.KeyValue {
	return LockRetriesKey.Int(val)
}

// LockTTL returns the attribute "lock.ttl". The requested time to live of
// the lease, in seconds.
func LockTTL(val float64) attribute.KeyValue {
	return LockTTLKey.Float64(val)
}

// LockHoldDuration returns the attribute "lock.hold.duration". How long the
// lock had been held, in seconds.
//
// Counted from the reply that granted it.
func LockHoldDuration(val float64) attribute.KeyValue {
	return LockHoldDurationKey.Float64(val)
}

// LockHoldUtilization returns the attribute "lock.hold.utilization". The
// time for which the lease was held, as a ratio of its time to live.
//
// Counted from the start of the request that acquired it, where its time to
// live begins too. Above 1 the lease ran out while it was held. For a lease
// that the library extends on its own it is a ratio of the longest time for
// which it does so.
func LockHoldUtilization(val float64) attribute.KeyValue {
	return LockHoldUtilizationKey.Float64(val)
}

// LockRenewals returns the attribute "lock.renewals". The number of times
// that the library has extended the lease on its own, successfully or not.
func LockRenewals(val int) attribute.KeyValue {
	return LockRenewalsKey.Int(val)
}

// LockReportSuppressedCount returns the attribute
// "lock.report.suppressed_count". The number of records of this action and
// target that were suppressed since the last emitted one.
//
// Zero is written too. The number of occurrences is the number of records
// plus the sum of this attribute.
func LockReportSuppressedCount(val int) attribute.KeyValue {
	return LockReportSuppressedCountKey.Int(val)
}

// LockReportSuppressedSince returns the attribute
// "lock.report.suppressed_since". When the last record of this action and
// target was emitted, RFC 3339 in UTC with milliseconds.
func LockReportSuppressedSince(val string) attribute.KeyValue {
	return LockReportSuppressedSinceKey.String(val)
}

// LockReportSuppressedUntil returns the attribute
// "lock.report.suppressed_until". When the last of the suppressed records
// occurred, RFC 3339 in UTC with milliseconds.
//
// Together with `lock.report.suppressed_since` it says how long an outage
// lasted for this action and target in one process.
func LockReportSuppressedUntil(val string) attribute.KeyValue {
	return LockReportSuppressedUntilKey.String(val)
}

// LockReportSuppressedErrorTypes returns the attribute
// "lock.report.suppressed_error_types". The distinct `error.type` values of
// the suppressed records, at most 8.
//
// A rare fault that hides behind a frequent one is named here. Those that
// an operator must act on come first (`stolen`, `NOAUTH`, `READONLY` and
// the like), then the most frequent.
func LockReportSuppressedErrorTypes(val ...string) attribute.KeyValue {
	return LockReportSuppressedErrorTypesKey.StringSlice(val)
}

// LockReportSuppressedErrorCounts returns the attribute
// "lock.report.suppressed_error_counts". How many of the suppressed records
// had each of `lock.report.suppressed_error_types`, in the same order.
//
// Zero where only an earlier throttle knows the number. The sum may be
// below `lock.report.suppressed_count`, because records without an
// `error.type` and types beyond the eighth are not counted here.
func LockReportSuppressedErrorCounts(val ...int) attribute.KeyValue {
	return LockReportSuppressedErrorCountsKey.IntSlice(val)
}

// Values of lock.operation.name.
var (
	// Taking the lock, waiting included.
	LockOperationNameAcquire = LockOperationNameKey.String("acquire")
	// Giving the lock back.
	LockOperationNameRelease = LockOperationNameKey.String("release")
	// Prolonging a lease that is still held.
	LockOperationNameExtend = LockOperationNameKey.String("extend")
	// Handling of a lease that nobody will release, by the library on its own.
	//
	// Counted in `lock.attempts` only. It makes no span and is never reported.
	LockOperationNameCleanup = LockOperationNameKey.String("cleanup")
)

// Values of lock.mode.
var (
	// The caller waits for a busy lock, up to `lock.wait.timeout`.
	LockModeWait = LockModeKey.String("wait")
	// The caller tries once and skips its work where the lock is busy.
	LockModeTry = LockModeKey.String("try")
)

// Values of lock.outcome.
var (
	// The lock was taken.
	LockOutcomeAcquired = LockOutcomeKey.String("acquired")
	// Another holder kept the lock to the end of the wait. Not an error.
	LockOutcomeContended = LockOutcomeKey.String("contended")
	// Another holder had the lock and the caller did not want to wait. Not an
	// error.
	LockOutcomeSkipped = LockOutcomeKey.String("skipped")
	// The caller's context ended while the lock was busy, or before the call.
	LockOutcomeCanceled = LockOutcomeKey.String("canceled")
	// Locking is switched off. The work ran unprotected, the backend was not
	// asked.
	LockOutcomeDisabled = LockOutcomeKey.String("disabled")
	// The backend failed to answer whether the lock is free.
	// `lock.failure_policy` says what happened then.
	LockOutcomeBackendError = LockOutcomeKey.String("backend_error")
	// The lock was given back in time.
	LockOutcomeReleased = LockOutcomeKey.String("released")
	// The lock was given back in time, and its key stays busy for what is left
	// of its shortest hold.
	//
	// Counts as `released` wherever releases are counted.
	LockOutcomeKept = LockOutcomeKey.String("kept")
	// The lease was gone at release, or the backend failed. `error.type` says
	// which.
	LockOutcomeReleaseError = LockOutcomeKey.String("release_error")
	// The lease was prolonged.
	LockOutcomeExtended = LockOutcomeKey.String("extended")
	// The lease was gone, or the backend failed. `error.type` says which.
	LockOutcomeExtendError = LockOutcomeKey.String("extend_error")
	// A lease that nobody would have released was removed from the backend.
	LockOutcomeCleaned = LockOutcomeKey.String("cleaned")
	// A lease that nobody will release could not be removed. It blocks others
	// until it expires.
	LockOutcomeCleanupError = LockOutcomeKey.String("cleanup_error")
	// A lease was garbage-collected without a release. The backend was not
	// touched.
	LockOutcomeAbandoned = LockOutcomeKey.String("abandoned")
)

// Values of lock.failure_policy.
var (
	// The work goes on as if nothing had failed, without protection.
	LockFailurePolicyOpen = LockFailurePolicyKey.String("open")
	// The caller gets an error. An acquire that fails this way runs nothing.
	LockFailurePolicyClosed = LockFailurePolicyKey.String("closed")
)

// Values of lock.action.
var (
	// An acquire failed at the backend.
	LockActionBackendError = LockActionKey.String("backend_error")
	// A release failed, or found its lease gone.
	LockActionReleaseError = LockActionKey.String("release_error")
	// An extend failed, or found its lease gone.
	LockActionExtendError = LockActionKey.String("extend_error")
	// Several actions, counted together by a throttle whose table is full.
	LockActionOther = LockActionKey.String("_OTHER")
)

// Values of lock.wake_up.
var (
	// A release in the same process.
	LockWakeUpRelease = LockWakeUpKey.String("release")
	// A message about the release by another process.
	LockWakeUpMessage = LockWakeUpKey.String("message")
	// Nothing but time. Its pause between two attempts was over, or whoever
	// came before it has gone.
	LockWakeUpPoll = LockWakeUpKey.String("poll")
)

// Values of lock.link.type.
var (
	// The span that acquired the lease which keeps this one waiting.
	LockLinkTypeHolder = LockLinkTypeKey.String("holder")
)

// Values of lock.report.result.
var (
	// The record was emitted.
	LockReportResultEmitted = LockReportResultKey.String("emitted")
	// The record was suppressed within its window. The next one of its key
	// carries the count.
	LockReportResultSuppressed = LockReportResultKey.String("suppressed")
	// The record was suppressed together with those of other keys, because the
	// throttle's table was full.
	LockReportResultOverflow = LockReportResultKey.String("overflow")
	// A log handler was stuck or panicked. The report is lost, the caller's
	// request is not.
	LockReportResultDropped = LockReportResultKey.String("dropped")
)

// Values of error.type.
var (
	// The lease ran out while it was held. Another holder may have run at the
	// same time.
	ErrorTypeExpired = ErrorTypeKey.String("expired")
	// The key vanished before the lease ran out, for example by FLUSHALL, a
	// restart or a failover.
	ErrorTypeLost = ErrorTypeKey.String("lost")
	// Another token holds the key. Two holders are proven.
	ErrorTypeStolen = ErrorTypeKey.String("stolen")
	// No answer in time. Nobody knows whether the backend carried the command
	// out.
	ErrorTypeTimeout = ErrorTypeKey.String("timeout")
	// Nothing listens at the backend's address.
	ErrorTypeConnectionRefused = ErrorTypeKey.String("connection_refused")
	// The connection broke. Nobody knows whether the backend carried the
	// command out.
	ErrorTypeEOF = ErrorTypeKey.String("eof")
	// No free connection in the client's pool. The command was not sent.
	ErrorTypePoolExhausted = ErrorTypeKey.String("pool_exhausted")
	// The server has left several attempts in a row unanswered. The command was
	// not sent.
	ErrorTypeBreakerOpen = ErrorTypeKey.String("breaker_open")
	// The client was closed. The command was not sent.
	ErrorTypeClosed = ErrorTypeKey.String("closed")
	// The server is a read-only replica, as after a failover that the client
	// has not noticed.
	ErrorTypeReadOnly = ErrorTypeKey.String("READONLY")
	// The server is still loading its dataset.
	ErrorTypeLoading = ErrorTypeKey.String("LOADING")
	// The server reached `maxmemory` and refuses writes.
	ErrorTypeOOM = ErrorTypeKey.String("OOM")
	// The server asks for a password and got none.
	ErrorTypeNoAuth = ErrorTypeKey.String("NOAUTH")
	// Wrong user name or password.
	ErrorTypeWrongPass = ErrorTypeKey.String("WRONGPASS")
	// The user may not run the command or touch the key.
	ErrorTypeNoPerm = ErrorTypeKey.String("NOPERM")
	// The server runs in protected mode and takes local connections only.
	ErrorTypeDenied = ErrorTypeKey.String("DENIED")
	// The key holds something that is not a lock.
	ErrorTypeWrongType = ErrorTypeKey.String("WRONGTYPE")
	// The cluster does not serve this slot.
	ErrorTypeClusterDown = ErrorTypeKey.String("CLUSTERDOWN")
	// The server cannot be reached, or its cluster has no leader. Nobody knows
	// whether it carried the command out.
	ErrorTypeUnavailable = ErrorTypeKey.String("UNAVAILABLE")
	// The slot is on another node and the client did not follow.
	ErrorTypeMoved = ErrorTypeKey.String("MOVED")
	// The slot is migrating to another node and the client did not follow.
	ErrorTypeAsk = ErrorTypeKey.String("ASK")
	// The slot is migrating to another node and the keys are on both.
	ErrorTypeTryAgain = ErrorTypeKey.String("TRYAGAIN")
	// One command named keys of two slots.
	ErrorTypeCrossSlot = ErrorTypeKey.String("CROSSSLOT")
	// The replica lost its master and does not serve stale data.
	ErrorTypeMasterDown = ErrorTypeKey.String("MASTERDOWN")
	// The server cannot persist to disk and refuses writes.
	ErrorTypeMisconf = ErrorTypeKey.String("MISCONF")
	// A long script blocks the server.
	ErrorTypeBusy = ErrorTypeKey.String("BUSY")
	// The server does not know the script and the client did not send it again.
	ErrorTypeNoScript = ErrorTypeKey.String("NOSCRIPT")
	// A cleanup that was not attempted, because too many were waiting or the
	// Locker was closed.
	ErrorTypeNotTried = ErrorTypeKey.String("not_tried")
	// The server accepts no writes, because it reaches too few replicas.
	ErrorTypeNoReplicas = ErrorTypeKey.String("NOREPLICAS")
	// An error for which the server has no code of its own, such as too many
	// clients.
	ErrorTypeErr = ErrorTypeKey.String("ERR")
	// Anything else.
	ErrorTypeOther = ErrorTypeKey.String("_OTHER")
)

// IsErrorType reports whether value is one that the registry defines for
// error.type. What it refuses is not for telemetry: text of a server can be a key,
// and any text can become a series.
func IsErrorType(value string) bool {
	switch value {
	case "expired",
		"lost",
		"stolen",
		"timeout",
		"connection_refused",
		"eof",
		"pool_exhausted",
		"breaker_open",
		"closed",
		"READONLY",
		"LOADING",
		"OOM",
		"NOAUTH",
		"WRONGPASS",
		"NOPERM",
		"DENIED",
		"WRONGTYPE",
		"CLUSTERDOWN",
		"UNAVAILABLE",
		"MOVED",
		"ASK",
		"TRYAGAIN",
		"CROSSSLOT",
		"MASTERDOWN",
		"MISCONF",
		"BUSY",
		"NOSCRIPT",
		"not_tried",
		"NOREPLICAS",
		"ERR",
		"_OTHER":
		return true
	}
	return false
}
