// Package observe emits the telemetry of locks: a span for each operation, a
// metric for each outcome, and one bounded warning for each failure. Package
// otellock is built on it, and any other lock can be.
//
// An [Observer] stands for one lock library on one backend. Its [Target]s are the
// collections that the locks guard. Each operation on a lock is begun and ended once:
//
//	ctx, acquire := target.Acquire(ctx)
//	acquire.Key(key)           // for the page of package lockz; never emitted
//	err := take(ctx, key)      // the lock's own work; acquire.Retry before each attempt after the first
//	lease := acquire.End(err)  // nil, unless err is nil
//	...
//	ctx, release := lease.Release(ctx)
//	err = drop(ctx, key)
//	release.End(err)
//
// End takes the error of the operation and does the rest: the span's outcome and
// status, the count in lock.attempts, the histograms, the gauges, the warning.
// [ErrContended], [ErrExpired], [ErrLost] and [ErrStolen] say what a lock knows;
// the error of a context that ended is a cancellation; every other error is a
// failure of the backend, and [ErrorType] bounds what is said of it.
//
// # Where its options go
//
// A package that wraps a lock takes the options of this one after the parameters of its
// peer, or by With where those are variadic:
//
//	otelredislock    New(client, opts...)
//	otelredsync      New(pools...).With(opts...)
//	otelrueidislock  NewLocker(option, opts...), which returns the error of a bad one
//	oteletcd         New(opts...), and SetDefault for the package's own functions
//	otelgocron       New(locker, busy, opts...)
//	your own lock    New(opts...), which returns the error; Target(name, pattern, opts...)
//
// The others panic at a bad option, as their peers' constructors return no error.
//
// # What it promises
//
// Telemetry never breaks the lock. A warning is handed over in another goroutine,
// and the caller waits for it 50 ms at most. A log handler, sampler, span processor,
// meter or throttle that panics costs telemetry and nothing else. All of these except
// the log handler run in the caller's goroutine: if one blocks, the caller blocks.
//
// Nothing unbounded is emitted: the name and the pattern of a target are what the
// program declares, and error.type is a closed list. No text of an error is read,
// and no key but that of [Observer.KeyTarget] and [Acquire.Key], which keep none.
//
// Warnings go to the logger of the operation, else to the OpenTelemetry logger
// provider, else, where there is none, to [log/slog.Default]. The first and the
// last get one record a minute for each action and target.
//
// All types are safe for concurrent use, except an operation between its begin and
// its end. A nil *Lease allows every method and does nothing.
package observe
