// Package backendtest is the conformance suite of [otellock.Backend]. A backend
// that passes it keeps the promises that the Locker is built on.
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, func(testing.TB) otellock.Backend { return memorybackend.New() })
//	}
//
// Run it under the race detector too.
package backendtest

import (
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// Run checks every promise of [otellock.Backend] in a subtest of its own, each
// with a backend from newBackend. The backends may share one server, and the
// server may be in use: every check has keys of its own, beginning with
// "backendtest:", and leaves none that outlives a minute.
//
// Time passes for real, a few seconds in all, unless [WithFastForward] is given.
func Run(t *testing.T, newBackend func(testing.TB) otellock.Backend, opts ...Option) {
	t.Helper()
	cfg := newConfig(opts)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(newSuite(t, newBackend(t), cfg)) })
	}
}

// An Option changes how the suite runs.
type Option interface{ apply(config) config }

type config struct {
	fastForward func(time.Duration)
	patience    time.Duration // how long a condition may take to come true
}

type option func(config) config

func (o option) apply(c config) config { return o(c) }

func newConfig(opts []Option) config {
	c := config{patience: 15 * time.Second}
	for _, o := range opts {
		c = o.apply(c)
	}
	return c
}

// WithFastForward is for a server whose leases do not expire as real time
// passes. The suite calls the function with the time that it would have waited.
func WithFastForward(advance func(time.Duration)) Option {
	return option(func(c config) config {
		c.fastForward = advance
		return c
	})
}

// A check is one promise.
type check struct {
	name string
	run  func(*suite)
}

var checks = []check{
	{"a free key is granted", freeKeyIsGranted},
	{"a held key is refused at once and without an error", heldKeyIsRefused},
	{"the same token is granted again and its expiry is set anew", sameTokenIsGrantedAgain},
	{"a later attempt is granted and refused as a first one is", laterAttempt},
	{"one token can acquire and release over and over", sameTokenOverAndOver},
	{"release frees the key", releaseFrees},
	{"release of an absent key says lost", releaseOfAbsentKey},
	{"release by the wrong token says stolen and changes nothing", releaseByWrongToken},
	{"one of many concurrent releases succeeds", concurrentReleases},
	{"extend sets the time to live", extendSetsTTL},
	{"extend of an absent key says lost and creates nothing", extendOfAbsentKey},
	{"extend by the wrong token says stolen and changes nothing", extendByWrongToken},
	{"a lease expires, neither early nor a second late", leaseExpires},
	{"a lease can be a millisecond", shortestLease},
	{"a holder whose lease expired has lost it", expiredLeaseIsLost},
	{"a holder whose key was taken after expiry is told stolen", expiredLeaseIsStolen},
	{"who is refused learns nothing wrong about the holder", holderIsTold},
	{"a fence rises with every grant", fenceRises},
	{"a key that is kept is busy for that long, and for everybody", keptKeyIsBusy},
	{"a release that keeps the key can be repeated and changes nothing", keepingIsRepeated},
	{"a release wakes who waits longest", waitersAreWoken},
	{"a release that keeps the key wakes nobody", keepingWakesNobody},
	{"a waiter that was forgotten is not woken", theForgottenAreSkipped},
	{"one holder at a time among 64 contenders, and all of them get through", mutualExclusion},
	{"different keys do not exclude one another", manyKeys},
	{"keys and tokens are any bytes", oddBytes},
	{"a context that has ended returns at once and does nothing", endedContext},
}
