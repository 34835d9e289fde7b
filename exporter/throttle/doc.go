// Package throttle suppresses log records that repeat themselves: one warning
// for each key and window goes out, and it says how many did not.
//
// A [Processor] stands before everything that exports. It looks at records of
// severity WARN to WARN4 that have the string attributes lock.action and
// lock.target ([WithKeys] chooses others), at the top level or in one group there;
// every other record passes untouched. Of a key the first record passes, at t.
// Those in [t, t+W) are suppressed and counted, and the next one passes with their
// count, since when, and their error types, on a copy of the record.
//
// When failures stop, what is pending follows one window later as an INFO record
// with the event name lock.report.summary; so it does at ForceFlush and Shutdown.
// At any quiet moment
//
//	occurrences = warnings + suppressed counts of warnings and summaries + Pending
//
// A record that carries a count from a window elsewhere adds it to the count here.
// A record that no next processor takes is suppressed. A flood of keys is
// suppressed too: those without room in the table share one window, and _OTHER is
// their key in the summary and in the metric lock.reports, which counts each
// occurrence once.
//
// To suppress a record takes no lock and allocates nothing, except for a key in a
// group. Producers put the key, lock.report.suppressed_count and error.type first.
package throttle

// ScopeName is the name of this package's instrumentation scope.
const ScopeName = "github.com/otellock/otellock-go/exporter/throttle"
