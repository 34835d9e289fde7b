package sentrylog

import (
	"sync"
	"time"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

const capWindow = time.Minute

// quota holds the caps: a window per class, anchored at the first event that it
// let through.
type quota struct {
	mu      sync.Mutex
	limits  [2]int // by sentryissue.Class; 0 means none
	used    [2]int
	started [2]time.Time
}

func newQuota(events, lostLeases int) *quota {
	q := &quota{}
	q.limits[sentryissue.Other], q.limits[sentryissue.LostLease] = events, lostLeases
	return q
}

func (q *quota) admit(class sentryissue.Class, now time.Time) bool {
	if q.limits[class] == 0 {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used[class] == 0 || now.Sub(q.started[class]) >= capWindow {
		q.started[class], q.used[class] = now, 0
	}
	if q.used[class] >= q.limits[class] {
		return false
	}
	q.used[class]++
	return true
}
