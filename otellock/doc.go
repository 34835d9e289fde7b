// Package otellock is a distributed lock whose every operation is a span, whose
// every outcome is counted, and whose failures are warnings.
//
// A [Locker] stands on a [Backend]: Redis by package redisbackend, or the memory
// of this process by package memorybackend. It declares a [Target] for each
// collection that is guarded, and a Target makes a [Mutex] for each request:
//
//	projects, err := locker.Target("projects", "lock:projects:*")
//	...
//	err = projects.Mutex(id).Do(ctx, func(ctx context.Context) error {
//		return store.Save(ctx, project)
//	})
//	switch {
//	case errors.Is(err, otellock.ErrContended):
//		http.Error(w, "somebody else is saving this project", http.StatusConflict)
//	case err != nil:
//		http.Error(w, "not saved", http.StatusInternalServerError)
//	}
//
// # What it promises
//
// The lock fails open: if the backend fails, the function runs, unprotected, and
// the failure is reported; [WithFailClosed] chooses the opposite where a stale
// write hurts more than a failed request. The function never runs twice, and its
// own errors are never taken for the lock's.
//
// An acquire ends by the caller's deadline, and by the wait plus one attempt
// timeout ([WithWait], [WithAttemptTimeout]). A release adds one attempt timeout
// at most, and happens although the caller has gone. These bounds hold for a
// backend that keeps to the deadlines of its contexts.
//
// Telemetry never breaks a lock: a warning is handed over in another goroutine,
// and the caller waits for it 50 ms at most. A handler that is stuck or panics
// costs warnings, and they are counted.
//
// # Longer work
//
// [WithAutoExtend] renews a lease while it is held, and [WithCancelOnLoss] ends the
// function's context when the lease is lost in spite of that:
//
//	reports, err := locker.Target("reports", "lock:report", otellock.WithFailClosed(true),
//		otellock.WithTTL(10*time.Second), otellock.WithAutoExtend(30*time.Minute))
//
// # What is stored
//
// The value of a key names its holder, so that an operator sees it by GET, and
// whoever waits links to it (see [WithHolderInfo]):
//
//	otellock/1 ZK5XQ7R2PUCJLWM3NDVTY4HAEB 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 10000ms 4711@web-1
//
// These are the version of the format, a random token, the span that acquired the
// lock as a W3C traceparent or "-", the time to live that was asked for, and the
// process, in at most 200 bytes; after "kept " in a key that [WithMinHold] keeps. It
// has no tracestate and no baggage. What others have written there is just busy.
//
// # What it does not promise
//
// A lease is not a fence: a holder that is stopped for longer than its time to
// live goes on writing when it wakes up, unless the store compares [Lease.Fence].
// Fail-open means unprotected. TryDo excludes others at the same time; with
// [WithMinHold] it also keeps the same work from being done twice in a row. A backend that replicates asynchronously can grant a lock
// twice around a failover.
//
// # What it emits
//
// Package semconv is the contract, and its README the reference. Package observe
// emits it, for this lock and for any other, and uses only the API of
// OpenTelemetry: whichever SDK the process sets up receives it, for example that
// of package exporter.
//
// Warnings go to the global logger provider, as it is at the time. Where there
// is none, they go to [log/slog.Default]: one a minute for each action and
// target, with the number of those that were suppressed. Contention, skips,
// cancellations and cleanups are counted and never reported.
//
// No id and no token is in any span, metric, record or error text, and no key that
// holds an id. [Locker.UndeclaredMutex] is the exception: it shows the plain words
// of its key.
package otellock
