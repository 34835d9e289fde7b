package otellock

import "context"

// A session is one Do: the lease, and the context that fn runs in. They are one
// value, so that a Do costs one allocation for all of it.
type session struct {
	context.Context // the caller's
	lease           Lease
	hold            hold
	acquiring       attemptContext // the first attempt's; a later one gets its own
	releasing       attemptContext
}

type leaseKey struct{}

func (s *session) Value(key any) any {
	if key == (leaseKey{}) {
		return &s.lease
	}
	return s.Context.Value(key)
}

// String hides the key and the token from %v of the context.
func (s *session) String() string { return "otellock: lease of " + s.hold.settings.family.name }

// GoString is String.
func (s *session) GoString() string { return s.String() }

// LeaseFromContext is the lease that fn runs under: the innermost Do's or
// TryDo's. It is nil outside of them, which all methods of a Lease allow.
func LeaseFromContext(ctx context.Context) *Lease {
	lease, _ := ctx.Value(leaseKey{}).(*Lease)
	return lease
}

// heldBy reports whether the context runs under a lease of this Locker and key
// that has not ended: to wait for it would be to wait for oneself.
func heldBy(outer *Lease, l *Locker, key string) bool {
	for ; outer != nil; outer = outer.hold.outer {
		h := outer.hold
		if h.key == key && h.settings.family.locker == l && h.holds() {
			return true
		}
	}
	return false
}
