package otellock

import (
	"context"
	"log/slog"
	"time"
)

// A Backend stores leases. It makes single attempts: the [Locker] waits,
// retries, measures and reports.
//
// Every method must return by the deadline of its context, which is always set,
// must send its command at most once, and must be safe for concurrent use. A
// context that has ended already is an error that wraps its Err, and nothing is
// sent.
//
// A Backend that can do more than this has a method Capabilities() [Capabilities].
//
// An error other than [ErrLost] and [ErrStolen] means that the backend could not
// do what was asked, or that nobody knows whether it did. Such an error may name
// its class by a method ErrorType() string, one of the values of the error.type
// attribute in package semconv; without it the class is derived from the errors
// of packages context, net, io and syscall. A panic is taken for an attempt that
// was never answered. A method must not call [runtime.Goexit].
//
// Package backendtest holds the conformance suite for implementations.
type Backend interface {
	// Acquire takes the key for the token if the key is free. If Claim.Again is
	// set and this very token holds it already, it grants again and sets the
	// expiry anew. A key held by another token is not an error: the answer is
	// Grant{}, nil.
	Acquire(ctx context.Context, c Claim) (Grant, error)
	// Extend sets the time to live of a key that the token still holds. It
	// returns ErrLost where the key is absent and ErrStolen where another token
	// holds it. It never creates a key.
	Extend(ctx context.Context, c Claim) error
	// Release removes a key that the token still holds, and nothing else. It
	// returns ErrLost where the key is absent and ErrStolen where another token
	// holds it. Claim.TTL is not looked at.
	//
	// With Claim.Keep the key stays, busy for everybody, for that long from now,
	// and no Acquire, Extend or Release of the claim's token matches it any more,
	// except this very Release repeated, which succeeds.
	Release(ctx context.Context, c Claim) error
}

// Capabilities tells which fields of a [Claim] a Backend honours beyond the ones
// that every Backend must. The Locker refuses options that need another.
type Capabilities struct {
	Fence bool // Claim.Fence
	Keep  bool // Claim.Keep
}

// A Claim is what one holder asks of one key. Key and token are secret: a Claim that
// is printed or logged by itself shows neither, but one inside another value may.
type Claim struct {
	Key   string        // the full key as stored
	Token string        // unique to the holder; proves ownership; stored as it is
	TTL   time.Duration // time to live, at least one millisecond

	// Again is set for Acquire when the Locker has tried to take this key
	// before, perhaps with this token and without an answer: the backend has to
	// recognise its own token. Where it is not set, the token is new, and a
	// cheaper command may do. A backend may always behave as if it were set.
	Again bool
	// Fence asks Acquire for Grant.Fence.
	Fence bool
	// Keep is how long Release leaves the key busy. Zero removes it.
	Keep time.Duration
}

// String returns the time to live alone: a Claim that is printed shows neither key
// nor token.
func (c Claim) String() string { return "claim for " + c.TTL.String() }

// GoString returns String.
func (c Claim) GoString() string { return c.String() }

// LogValue returns String, for package log/slog.
func (c Claim) LogValue() slog.Value { return slog.StringValue(c.String()) }

// A Grant is the answer to [Backend.Acquire].
type Grant struct {
	Acquired bool // the claim's token holds the key now
	// Fence is above that of every earlier grant of the key, in whole numbers,
	// where Claim.Fence asked for it. A grant that is repeated to the same token
	// may have a higher one.
	Fence uint64
	// Held says who has the key, where it was not granted and the backend knows.
	Held Held
}

// Held is what a backend found in a key that another token holds.
type Held struct {
	Token string        // as it is stored, by whomever: do not trust it
	Left  time.Duration // until it expires; zero if that is not known
}

// A StolenError is the [ErrStolen] of a Backend that can say who has the key. Its
// text is that of ErrStolen.
type StolenError struct{ Held Held }

// Error returns the text of ErrStolen.
func (*StolenError) Error() string { return ErrStolen.Error() }

// Unwrap returns ErrStolen.
func (*StolenError) Unwrap() error { return ErrStolen }
