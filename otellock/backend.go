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

// A Notifier is a [Backend] that tells waiters when a key is free, those of other
// processes too, in the order in which their processes came.
//
// Where Acquire finds the key busy, the claim's Waiter gets a place among those who
// wait for the key, and Grant.Queued is true. Acquire is repeated while the Waiter
// waits; a place that was not asked for again within two seconds is nobody's. A
// Release that removes the key takes whoever waits longest from its place and wakes
// it. Where Release has a Waiter, that gets the last place first. One that waits in a
// process that is gone is skipped. A Release with Claim.Keep wakes nobody. A grant
// ends the place of the claim's Waiter.
//
// A wake-up may be lost: the Locker asks twice a second. While a backend cannot wake
// waiters, it does not set Grant.Queued, so that the Locker asks more often, and
// Release calls WakeAlone.
type Notifier interface {
	Backend
	// Forget ends the place of a Waiter of the key, and wakes the next one if it was
	// this one's turn. It returns at once. The Locker calls it when the last waiter
	// has gone, for a Waiter that Acquire or Release may have been told of.
	Forget(key string, w Waiter)
}

// A Waiter is everybody who waits for one key in one Locker. It is comparable.
type Waiter interface {
	// Wake says that the key may be free and that it is the turn of this Waiter:
	// remote if a message said so, or else a Release of this process. It returns at
	// once.
	Wake(remote bool)
	// WakeAlone says that a Release of this process has freed the key, and that the
	// backend cannot tell whose turn it is, so that others poll. It returns at once.
	WakeAlone()
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
	// Waiter is who waits for the key in this process, for a [Notifier]: Acquire wakes
	// it, where the key is busy, once it is free, and Release as soon as nobody else's
	// turn is earlier. Nil where nobody waits.
	Waiter Waiter
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
	// Queued says that a [Notifier] will wake Claim.Waiter, where the key was not
	// granted. The Locker asks all the same, twice a second.
	Queued bool
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
