package sentrylog

import (
	"sync"
	"time"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

const capWindow = time.Minute

// quota holds the caps. The window slides: no minute, wherever it begins, has
// more events than the cap.
type quota struct {
	mu     sync.Mutex
	limits [2]int         // by sentryissue.Class; 0 means none
	let    [2][]time.Time // when events were let through, the oldest first; those of the last window
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
	let := q.let[class]
	for len(let) > 0 && now.Sub(let[0]) >= capWindow {
		let = let[1:]
	}
	admitted := len(let) < q.limits[class]
	if admitted {
		let = append(let, now)
	}
	q.let[class] = let
	return admitted
}
