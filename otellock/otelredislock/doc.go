// Package otelredislock is github.com/bsm/redislock, observed: each Obtain, Refresh
// and Release is a span, each outcome is counted in lock.attempts, and a failure is
// one warning a minute. Its names, methods, options and errors are redislock's, so
// that it takes the place of redislock by its import alone:
//
//	import redislock "github.com/otellock/otellock-go/otellock/otelredislock"
//
// What a lock does stays redislock's: the commands, the errors, the retries. A key
// is never emitted. [New] takes the options of package observe; those that matter
// most declare what the keys stand for:
//
//	locker := redislock.New(client, observe.WithTarget("projects", "lock:projects:*"))
//
// # What it tells, and what it cannot
//
// Obtain without a retry strategy asks once: a busy lock is skipped. With a strategy
// a busy lock is contended, also where the wait ended because redislock limits it to
// the time to live; it is canceled where the caller's context ended. Each back-off is
// counted as a retry once its attempt is made, and in lock.waiting meanwhile.
//
// redislock tells that a lock is not held any more, not why. It is lost here, and
// expired where its time to live had passed by the local clock. It is never called
// stolen: the client repeats a command whose reply was lost, and then a good release
// looks the same.
//
// The first Release ends the lease in telemetry, whatever it returns; what is called
// after it is redislock's alone. A Lock that became garbage unreleased is counted as
// abandoned, and nothing is done about its key. TTL is not observed.
package otelredislock
