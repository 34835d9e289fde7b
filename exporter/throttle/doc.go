// Package throttle suppresses log records that repeat themselves: one warning
// for each key and window goes out, and it says how many did not.
//
// A [Processor] stands before everything that exports. It looks at records of
// severity WARN to WARN4 that have the string attributes lock.action and
// lock.target, at the top level or both in one group there; [WithKeys] chooses
// others. Every other record passes untouched; ERROR always does.
//
// The first record of a key passes, at t. Those in [t, t+W) are suppressed and
// counted, and the first at or after t+W passes and begins the next window, by
// the monotonic clock and under any concurrency. What passes carries, on a copy
// of the record, lock.report.suppressed_count, lock.report.suppressed_since and
// lock.report.suppressed_error_types: how many were suppressed since the last
// record or summary, when that was, and the distinct error.type of those.
//
// When failures stop, what is pending follows one window after the last of them,
// as an INFO record with the event name lock.report.summary, which also says
// until when (lock.report.suppressed_until) and otherwise only what is true of
// the whole key; so it does at ForceFlush and Shutdown. At any quiet moment
//
//	occurrences = warnings + suppressed counts of warnings and summaries + Pending
//
// If the next processor returns an error, panics or calls Goexit, the record and
// what it carried are suppressed, and go out with the next record or summary;
// the window stays taken. One that blocks holds up only the caller whose record
// it has, and of summaries at most 32, for a second each.
//
// A record that has been through a window elsewhere carries
// lock.report.suppressed_count already. Its count joins the count here, and the
// record is left out of the metric lock.reports, where it is counted already.
//
// The table holds 4,096 keys by default. When it is full, keys that hold no
// count and had no record for a window make room. Where there is none, and for
// keys longer than 512 bytes, records share one more window: a flood of keys is
// suppressed, never let through. Their summary has _OTHER for a key.
//
// The observable counter lock.reports has the attributes of the key and
// lock.report.result: emitted, suppressed or overflow. Each occurrence counts
// once, summaries never, and no series falls when keys are evicted; keys after
// the first 4,096 count under their first attribute and _OTHER.
//
// To suppress a record takes no lock and allocates nothing (a key in a group
// costs the SDK one copy). Producers put the key, lock.report.suppressed_count
// and error.type first: walking over an attribute is a tenth of the whole cost.
// BENCHMARKS.md has the figures. With [Processor.Suppress] the record is not even
// built.
package throttle

// ScopeName is the name of this package's instrumentation scope.
const ScopeName = "github.com/otellock/otellock-go/exporter/throttle"
