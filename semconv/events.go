// Code generated from semconv/registry. DO NOT EDIT.

package semconv

// Names of events: of the log records, and of the span events that go with them.
const (
	// EventLockBackendError: An acquire failed at the backend. With policy
	// `open` the work runs unprotected.
	//
	// A WARN log record, and an event of the acquire span.
	EventLockBackendError = "lock.backend_error"

	// EventLockReleaseError: A release failed, or found that the lease had
	// expired, was lost or was stolen.
	//
	// A WARN log record, and an event of the release span.
	EventLockReleaseError = "lock.release_error"

	// EventLockExtendError: An extend failed, or found that the lease had
	// expired, was lost or was stolen.
	//
	// A WARN log record, and an event of the extend span.
	EventLockExtendError = "lock.extend_error"

	// EventLockReportSummary: The records that a throttle suppressed after the
	// last emitted one of an action and target.
	//
	// An INFO log record, at most one per action and target and window. It
	// completes the count of occurrences once failures have stopped. No span
	// carries it. A throttle with other keys sets those attributes instead of
	// `lock.action` and `lock.target`.
	EventLockReportSummary = "lock.report.summary"
)
