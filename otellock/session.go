package otellock

import "context"

type leaseKey struct{}

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
