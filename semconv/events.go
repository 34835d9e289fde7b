// Code generated from semconv/registry. DO NOT EDIT.

package semconv

// Names of events: of the log records, and of the span events that go with them.
const (
	// EventLockBackendError: An acquire failed at the backend, and with policy
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

	// EventLockReportSummary: What a throttle held back after the last record
	// of its action and target.
	//
	// An INFO log record, at most one per action and target and window, so that
	// occurrences are complete once failures have stopped. No span carries it.
	EventLockReportSummary = "lock.report.summary"
)
