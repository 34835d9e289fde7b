// Package throttle suppresses log records that repeat themselves: one warning
// for each key and window goes out, and it says how many did not.
//
// A [Processor] looks at records of severity WARN to WARN4 that have the string
// attributes lock.action and lock.target ([WithKeys] chooses others), at the top
// level or in one group there; every other record passes untouched. Of a key the
// first record passes, and those of the window after it are counted. The next one
// passes on a copy with their count, since when, and their error types.
//
// When failures stop, what is pending follows one window later as an INFO record
// with the event name lock.report.summary; so it does at ForceFlush and Shutdown.
// At any quiet moment
//
//	occurrences = warnings + suppressed counts of warnings and summaries + Pending
//
// A count that a window elsewhere has written on a record joins the count here. A
// flood of keys is suppressed too: those without room in the table share one
// window, and have _OTHER for a key in summaries and in the metric lock.reports.
//
// To suppress a record takes no lock and allocates nothing, except for a key in a
// group. Producers put the key, lock.report.suppressed_count and error.type first.
package throttle

// ScopeName is the name of this package's instrumentation scope.
const ScopeName = "github.com/otellock/otellock-go/exporter/throttle"
