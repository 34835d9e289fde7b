// Package throttle holds back lock failures that repeat themselves: one warning
// per action, target and window goes out, and it says how many did not.
//
// A [Processor] wraps another [sdklog.Processor] and stands before everything
// that exports. It looks at records of severity WARN to WARN4 that have the
// string attributes lock.action and lock.target. Every other record passes
// untouched; ERROR always does.
//
// # Windows
//
// The pair (action, target) is the key. The first record of a key passes, at t.
// Those in [t, t+W) are held back and counted, and the first at or after t+W
// passes and starts the next window. That is exact under any concurrency.
//
// Time is the monotonic clock, so stepping the wall clock changes nothing. A
// record's time is its time of observation, which the SDK takes from the clock
// as the record is made; it is believed for holding a record back, and the clock
// is read again before one is let through. Where the time of observation is
// missing or carries no monotonic reading, the clock counts.
//
// # What a record that passes carries
//
//   - lock.report.suppressed_count: how many of its key were held back since the
//     last record or summary, 0 included
//   - lock.report.suppressed_since: when that was, RFC 3339 in UTC; on the first
//     record of a key, the time of the record itself
//   - lock.report.suppressed_error_types: the distinct error.type of those held
//     back, sorted, at most eight. Beyond 30 types in the life of a Processor,
//     and for names longer than 64 bytes, it says _OTHER.
//
// They are written on a copy: processors registered beside the Processor see the
// record as it was emitted. Where they would not fit the SDK's limit of
// attributes, the record's last attributes make room, after lock.action,
// lock.target, these three and error.type. A limit below three leaves no room.
//
// A record that carries lock.report.suppressed_count already has been through a
// window elsewhere (otellock has one before handlers that are not OpenTelemetry
// pipelines). Its count joins the count here, and the record is left out of
// lock.reports, where it is counted already. Where such a record is itself held
// back, the attribute has to stand before error.type to be seen.
//
// # Summaries
//
// When failures stop, what is pending goes out one window after the last of
// them, as an INFO record with the event name lock.report.summary; so it does at
// ForceFlush and at Shutdown. There is at most one summary per key and window,
// except at Shutdown, after which nothing could follow. A summary does not move
// a key's window. Therefore, at any quiet moment,
//
//	occurrences = warnings + suppressed counts of warnings and summaries + Pending
//
// A summary speaks of many occurrences, so it keeps only what is true of the key:
// lock.action, lock.target, lock.key_pattern, lock.backend.name, the resource
// and the scope, with the three attributes above and a body made of the key. Its
// times are its own. Trace and span, exception.*, code.*, server.*, error.type
// and the rest belong to the one record that passed, and are left out: they
// would send the reader to a request that the summary is not about.
//
// # Bounds
//
// The table holds 4,096 keys by default; [WithMaxKeys] changes that. When it is
// full, keys that hold no count and had no record and no summary within a window
// make room. Where there is none, all further keys share one window, the overflow
// gate: a flood of keys is held back, never let through. A record that passes
// there carries the count of all such keys, and its summaries have _OTHER for
// action and target. A key whose action and target are longer than 512 bytes
// together is never stored, nor cut, and shares that window too.
//
//   - empty strings are keys like any other
//   - attributes of another type than string count as absent
//   - both keys have to stand at the top level, or both in one group there
//     (log/slog's WithGroup): the first group that has both counts. Groups within
//     groups are not looked into.
//
// # When the next processor fails
//
// If it returns an error, panics or calls Goexit, the record and what it carried
// are counted as held back, and go out with the next record or summary. The
// error is returned, and so is the panic, as an error that names the panic's type
// and not its text; for a summary sent by the timer it goes to otel.Handle. The
// window stays taken, so that a broken destination is tried once per key and
// window. If the next processor fans out and fails for one destination of
// several, the others see those counts twice.
//
// A next processor that blocks holds up only the caller whose record it has.
// Summaries are sent on goroutines of their own, at most 32 at a time. The timer
// waits a second for each and goes on; one that comes through later still counts
// once, and until then [Processor.Pending] has it. With 32 stuck, the timer puts
// summaries off, a window at a time. ForceFlush and Shutdown wait until their
// context is done.
//
// # The metric lock.reports
//
// An observable counter with lock.action, lock.target and lock.report.result:
// emitted, suppressed (held back by the key's own window) or overflow (by the
// shared one). Each occurrence counts once, summaries never. Series never fall
// when keys are evicted; there are at most two for each of the first 4,096 keys,
// later keys count under the target _OTHER. The last collection should come
// after Shutdown, which is why Shutdown leaves the callback registered.
//
// # Speed
//
// Holding a record back takes no lock and allocates nothing. Reading a record's
// attributes costs the SDK about 4 ns for each, so producers put lock.action,
// lock.target, lock.report.suppressed_count if any, and error.type first; with
// error.type twelfth, OnEmit takes twice as long. Only keys in a group cost an
// allocation: the SDK hands a group out as a copy. With a gate
// ([Processor.ReportGate]) the record is not even built.
//
// All on the held-back path, 0 allocations each; medians of one run on a shared
// virtual machine with two AMD EPYC cores, Go 1.26, of
//
//	cd benchmarks && go test -bench Suppressed -benchmem -cpu 1,2 -count 7 -benchtime 200ms -run '^$' ./...
//
//	                                        ns, 1 cpu   2 cpus   to OnEmit
//	throttle, OnEmit                             33.9     35.1    1
//	throttle, OnEmit, no time of observation     61.6     68.4    1.8
//	throttle, gate, caller's timestamp            5.3      8.6    0.16
//	throttle, gate, time.Now                     54.3     40.5    1.6
//	walking to the three attributes alone         9.0      4.8    0.27
//	zap Sampler.Check, caller's timestamp        25.1     18.2    0.74
//	zap Sampler.Check, time.Now                  91.5     60.6    2.7
//	zap Logger.Check                             96.2     65.6    2.8
//	zerolog BurstSampler (one key)               52.2     51.9    1.5
//	rate.Sometimes (one key)                     32.4     38.3    0.96
//	rate.Limiter in a sync.Map                  114.6    117.3    3.4
//
// Of these only the throttle keeps, per key, an exact account of what it held
// back. With one P at a key the gate takes 4.8 ns (BenchmarkSuppressedGate here);
// two share a counter. Compare ratios, not machines.
package throttle

// ScopeName is the name of this package's instrumentation scope.
const ScopeName = "github.com/otellock/otellock-go/exporter/throttle"
