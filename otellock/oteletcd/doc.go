// Package oteletcd is etcd's package concurrency with telemetry: the mutexes and
// elections of go.etcd.io/etcd/client/v3/concurrency, with a span for each
// operation, a metric for each outcome and one bounded warning for each failure.
// Import it under the old name, and nothing else changes:
//
//	import concurrency "github.com/otellock/otellock-go/otellock/oteletcd"
//
// Sessions, options, errors and STM are etcd's own, by aliases. A [Mutex] and an
// [Election] are etcd's with their operations observed: they send the same
// requests, return the same errors, and give etcd's own by Unwrap. All names come
// from the prefix of the lock by a declared pattern, see [New], or are derived from
// it; neither a prefix nor a key is ever emitted.
//
// # What it knows, and what it does not
//
// A session that ends by itself while it holds a mutex, because its lease has
// expired, was revoked or could not be kept alive, is a lost lease: a release with
// error.type lost and a warning, at that moment. A session that the program closes
// or orphans, whose context or whose client it ends, takes its mutexes with it: they
// are no longer counted as held, and nothing else is claimed of them.
//
// TryLock tells a busy mutex at once: skipped. Lock waits until its context ends:
// canceled if etcd had answered that the mutex is busy, and a failure of the backend
// with error.type timeout if etcd had not answered when the deadline passed. So
// contended is never counted. Lock does not tell when it waits either: everybody who
// is inside of it counts in lock.waiting.
//
// Unlock deletes a key without looking at what was there, so that "released" means
// that etcd has answered. A session is renewed as long as it lives: its leases
// have no time to live here, no utilization, and do not expire.
package oteletcd
