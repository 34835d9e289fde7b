package simulation

import (
	"cmp"
	"slices"
	"time"
)

// isLinearizable judges the history by what the clients saw, without looking into
// the server: some order of grants and releases must explain it.
//
// For the grants a search is not needed. A lease is granted somewhere between the
// call and its return, and ends somewhere after its holder lets go. If the times
// for which two holders were certain never overlap, then taking each grant at the
// return of its call, and each end at the moment when the holder was last certain,
// is such an order; if they do, there is none. What is left is that each refusal
// needs somebody who may have held the lock at some moment of the call.
func (w *world) isLinearizable() {
	uses := slices.Clone(w.truth.uses)
	slices.SortStableFunc(uses, func(a, b *use) int { return cmp.Compare(a.ran, b.ran) })
	last := map[string]*use{}
	for _, u := range uses {
		if !u.protected {
			continue
		}
		if before := last[u.key]; before != nil && before.live > u.ran {
			w.violate("the history is linearizable", "%s held %s until %v, and %s from %v", before.name, u.key, before.live, u.name, u.ran)
		}
		if last[u.key] == nil || u.live > last[u.key].live {
			last[u.key] = u
		}
	}
	for _, u := range uses {
		if (u.outcome == "contended" || u.outcome == "skipped") && !u.nested && !w.explained(u) {
			w.violate("the history is linearizable", "%s was refused %s, which nobody can have held", u.name, u.key)
		}
	}
}

// explained reports whether somebody may have held what u was refused.
func (w *world) explained(u *use) bool {
	return slices.ContainsFunc(w.truth.uses, func(other *use) bool {
		return other != u && other.key == u.key && other.begun <= u.done && w.mayHoldUntil(other) >= u.begun
	})
}

// mayHoldUntil is how long an operation may have kept the key from others: until
// its end if all was answered, and a while longer if not.
func (w *world) mayHoldUntil(u *use) time.Duration {
	switch {
	case u.kept:
		return w.now()
	case u.unsure:
		return max(u.done, w.weather.until) + patience
	}
	return u.done
}
