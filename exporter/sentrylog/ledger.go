package sentrylog

import (
	"strconv"
	"sync"
	"time"

	"github.com/getsentry/sentry-go"
)

// Where an event tells what was not sent before it.
const (
	ledgerContext = "sentrylog"
	ledgerTag     = "sentrylog.not_sent"
)

// unsent is what Sentry has not been told yet.
type unsent struct {
	cut, dropped int64 // events over the cap, events that could not be delivered
	occurrences  int64 // failures that those events stood for
	since        time.Time
}

func (u *unsent) add(v unsent) {
	u.cut += v.cut
	u.dropped += v.dropped
	u.occurrences += v.occurrences
	if u.since.IsZero() || !v.since.IsZero() && v.since.Before(u.since) {
		u.since = v.since
	}
}

// ledger keeps what was not sent until an event has told it.
type ledger struct {
	mu   sync.Mutex
	owed unsent
}

func (l *ledger) add(u unsent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owed.add(u)
}

// tell moves what is owed onto the event. The caller adds it again when the
// event is not delivered.
func (l *ledger) tell(e *sentry.Event) unsent {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.owed
	if u == (unsent{}) {
		return u
	}
	l.owed = unsent{}
	e.Tags[ledgerTag] = strconv.FormatInt(u.cut+u.dropped, 10)
	e.Contexts[ledgerContext] = sentry.Context{
		"cut_events":     u.cut,
		"dropped_events": u.dropped,
		"occurrences":    u.occurrences,
		"since":          u.since.UTC().Format(time.RFC3339),
	}
	return u
}
