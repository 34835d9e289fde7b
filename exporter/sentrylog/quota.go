package sentrylog

import (
	"sync"
	"time"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

// quota holds the caps. The window slides: no minute, wherever it begins, has
// more events than the cap.
type quota struct {
	limits  [sentryissue.Classes]int // 0 means none
	mu      sync.Mutex
	emitted [sentryissue.Classes][]time.Time // those of the last minute, the oldest first
}

func (q *quota) admit(class sentryissue.Class, now time.Time) bool {
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
