package otellock

import (
	"errors"
	"strings"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A Holder is somebody who holds a lock, as its value tells. Whoever can write to
// the backend can have made it up.
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
// was found last, or has it kept by [WithMinHold]; for [ErrStolen] who has the key now. It is false where the
// backend does not tell, or the holder does not, see [WithHolderInfo]. The text of
// the error never says it.
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

// agePrecision is that of a time to live: whole milliseconds, at both ends.
const agePrecision = 2 * time.Millisecond

// isTheft tells a thief from a waiter who took the key after the release that was
// first sent at that time: a lease that is older than that was there before. A tenth
// is for clocks that do not run at the same speed.
func isTheft(err error, sent, now time.Time) bool {
	var stolen *StolenError
	if !errors.As(err, &stolen) {
		return false
	}
	v, ok := parseValue(stolen.Held.Token)
	age, known := v.age(stolen.Held.Left)
	return ok && known && age > now.Sub(sent)*11/10+agePrecision
}
