// Package otelrueidislock is github.com/redis/rueidis/rueidislock, observed: each lock
// is a span when it is taken and one when it ends, each outcome is counted in
// lock.attempts, and a failure is one warning a minute. Its names, methods, options
// and errors are rueidislock's, so that it takes the place of rueidislock by its import
// alone:
//
//	import rueidislock "github.com/otellock/otellock-go/otellock/otelrueidislock"
//
// What a lock does stays rueidislock's: the commands, the majority, the renewal. A
// lock's name is never emitted. [NewLocker] takes the options of package observe;
// those that matter most declare what the names stand for, without the prefix of
// their keys:
//
//	locker, err := rueidislock.NewLocker(option, observe.WithTarget("projects", "projects:*"))
//
// # What it tells, and what it cannot
//
// TryWithContext and ForceWithContext ask once: a busy lock is skipped. WithContext
// waits, and returns no error but that of its context and [ErrLockerClosed]; what
// Redis answered meanwhile is seen on the client. So a lock is canceled where its
// context ended while others held it, and a failure of the backend where the last
// attempt had no answer. A wait that Close ends is contended; a call on a Locker that
// is closed asks nobody, and is not counted. Each attempt after the first is a retry,
// and the lock is in lock.waiting from the first busy answer.
//
// The end of the context that a lock returns is a loss, told at that moment, unless
// cancel was called, the parent's context ended, or the Locker was closed. It is called
// lost, never expired or stolen: rueidislock does not tell why it gave a lock up. The
// cancel function returns no error, so that every end but a loss is released, and a
// release that failed is not told. Renewals are not observed, and a lock has no time to
// live of its own to be measured by: there is no utilization.
package otelrueidislock
