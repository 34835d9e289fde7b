// Package throttle suppresses log records that repeat themselves: it lets one
// warning through for each key and window, and that one says how many were not.
//
// A [Processor] looks at records of severity WARN to WARN4 that have the string
// attributes lock.action and lock.target ([WithKeys] chooses others), at the top
// level or in one group there; every other record passes untouched. The first record
// of a key passes, and those within the window after it are suppressed and counted.
// The next one passes as a copy that says how many there were, since when, and of
// which error types.
//
// When failures stop, the pending count follows one window later as an INFO record
// with the event name lock.report.summary. ForceFlush and Shutdown send it earlier.
// At any quiet moment
//
//	occurrences = warnings + suppressed counts of warnings and summaries + Pending
//
// A count that a window elsewhere has written on a record joins the count here. A
// flood of keys is suppressed too: those without room in the table share one
// window, and have _OTHER for a key in summaries and in the metric lock.reports.
//
// Suppressing a record takes no lock and allocates nothing, except for a key in a
// group. It is fastest if the key, lock.report.suppressed_count and error.type are
// the record's first attributes.
package throttle

// ScopeName is the name of this package's instrumentation scope.
const ScopeName = "github.com/otellock/otellock-go/exporter/throttle"
