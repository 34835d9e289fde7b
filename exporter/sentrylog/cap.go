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
	mu      sync.Mutex
	limits  [sentryissue.Classes]int         // 0 means none
	emitted [sentryissue.Classes][]time.Time // those of the last window, the oldest first
}

func newQuota(c config) quota {
	return quota{limits: [...]int{
		sentryissue.Other: c.events, sentryissue.LostLease: c.lostLeases, sentryissue.Summary: c.events,
	}}
}

func (q *quota) admit(class sentryissue.Class, now time.Time) bool {
	if q.limits[class] == 0 {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	emitted := q.emitted[class]
	for len(emitted) > 0 && now.Sub(emitted[0]) >= capWindow {
		emitted = emitted[1:]
	}
	admitted := len(emitted) < q.limits[class]
	if admitted {
		emitted = append(emitted, now)
	}
	q.emitted[class] = emitted
	return admitted
}
