package otellock

import (
	"errors"
	"strings"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A Holder describes who holds a lock, as the stored value tells it. Anybody who can
// write to the backend can forge it.
type Holder struct {
	TraceID  string // of the span that acquired the lock, in hex; empty if there was none
	SpanID   string
	Instance string // the process, as number@host
	// Since is the latest time at which the lock can have been acquired, on the
	// local clock: it has been held for that long or for longer, because an extend
	// makes a lease look younger. It is zero if that is not known.
	Since time.Time
}

// Holder returns who held the lock that the error is about: for [ErrContended] who
// was found last, or whose release keeps the key by [WithMinHold]; for [ErrStolen]
// who has the key now. It is false if the backend does not tell, or if the holder
// does not, see [WithHolderInfo]. The text of the error never names the holder.
func (e *Error) Holder() (Holder, bool) {
	if e.holder == nil {
		return Holder{}, false
	}
	return *e.holder, true
}

// holderOf reads what a backend has found in a key. It returns nil where that says
// nothing.
func holderOf(held Held, now time.Time) (*Holder, value) {
	v, ok := parseValue(held.Token)
	if !ok {
		return nil, value{}
	}
	h := &Holder{Instance: v.instance}
	if v.span != "" {
		h.TraceID, h.SpanID = v.span[3:35], v.span[36:52]
	}
	if age, known := v.age(held.Left); known {
		h.Since = now.Add(-age)
	}
	return h, v
}

// meet notes who has the key that was found busy, and links the span of the acquire
// to theirs, once for each.
func (l *lease) meet(held Held, op *observe.Acquire) {
	token := strings.TrimPrefix(held.Token, keptPrefix)
	if token == "" || token == l.met {
		return
	}
	var v value
	l.met = token
	l.holder, v = holderOf(held, time.Now())
	if v.span != "" {
		op.HeldBy(v.span)
	}
}

// agePrecision is how far an age can be off: the time to live and what is left of it
// are rounded to whole milliseconds.
const agePrecision = 2 * time.Millisecond

// isTheft reports whether the key that a release found with another token was taken
// before that release was first sent. If it was taken later, it was a waiter's turn.
// A tenth is added for clocks that run at different speeds.
func isTheft(err error, sent, now time.Time) bool {
	var stolen *StolenError
	if !errors.As(err, &stolen) {
		return false
	}
	v, ok := parseValue(stolen.Held.Token)
	age, known := v.age(stolen.Held.Left)
	return ok && known && age > now.Sub(sent)*11/10+agePrecision
}
