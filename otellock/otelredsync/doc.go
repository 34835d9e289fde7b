// Package otelredsync is github.com/go-redsync/redsync/v4, observed: each Lock, Extend
// and Unlock is a span, each outcome is counted in lock.attempts, and a failure is one
// warning a minute. Its names, methods, options and errors are redsync's, so that it
// takes the place of redsync by its import alone; the pools stay those of redsync:
//
//	import redsync "github.com/otellock/otellock-go/otellock/otelredsync"
//
// What a lock does stays redsync's: the commands, the quorum, the errors, the
// retries. A mutex's name is never emitted. [Redsync.With] takes the options of
// package observe; those that matter most declare what the names stand for:
//
//	rs := redsync.New(pool).With(observe.WithTarget("projects", "lock:projects:*"))
//
// # What it tells, and what it cannot
//
// A Lock is contended, and a TryLock skipped, where each node that did not grant it
// said that it is taken. Where a quorum said neither yes nor taken, the backend failed,
// with the error of the first node that did. A Lock is canceled where its context
// ended. Each attempt after the first is a retry, and the lock is in lock.waiting from
// the first that was refused.
//
// redsync tells that a quorum of nodes has the lock no more, not why. It is lost here,
// and expired where its expiry had passed by the local clock. It is never called
// stolen: a client repeats a command whose reply was lost, and then a good unlock
// looks the same.
//
// The first Unlock ends the lock in telemetry, whatever it returns; what is called
// after it is redsync's alone, and so is what is called on a Mutex that has a value by
// [WithValue] and was not locked here. A Mutex that was locked again, or became
// garbage, without an Unlock is counted as abandoned, and nothing is done about its
// key. Valid is not observed.
package otelredsync
