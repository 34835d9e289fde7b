package sentryissue

import (
	"slices"
	"sync"
	"time"
)

// A Quota holds the caps of a destination. The window slides: no minute,
// wherever it begins, has more events than the cap. Its methods are safe for
// concurrent use.
type Quota struct {
	limits  [Classes]int // 0 means none
	mu      sync.Mutex
	emitted [Classes][]time.Time // those of the last minute, the oldest first
}

// NewQuota returns the caps of lost leases, and of everything else. Summaries
// have the latter to themselves. 0 means no cap.
func NewQuota(events, lostLeases int) *Quota {
	return &Quota{limits: [...]int{Other: events, LostLease: lostLeases, Summary: events}}
}

// Admit reports whether the minute has room for an event, and takes it.
func (q *Quota) Admit(class Class, now time.Time) bool {
	if q.limits[class] == 0 {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	emitted := &q.emitted[class]
	for len(*emitted) > 0 && now.Sub((*emitted)[0]) >= time.Minute {
		*emitted = (*emitted)[1:]
	}
	if len(*emitted) >= q.limits[class] {
		return false
	}
	*emitted = append(*emitted, now)
	return true
}

// Refund gives back the room of an event that was admitted at that time and is
// not sent after all, because its sender keeps it and comes again.
func (q *Quota) Refund(class Class, admitted time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.emitted[class], admitted); i >= 0 {
		q.emitted[class] = slices.Delete(q.emitted[class], i, i+1)
	}
}
