package sentryissue

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Limits remembers until when a Sentry wants no events. The zero value knows of
// no limit. Its methods are safe for concurrent use.
type Limits struct{ until atomic.Pointer[time.Time] }

// Remaining returns how long Sentry wants nothing yet: 0 or less when it does.
func (l *Limits) Remaining() time.Duration {
	if until := l.until.Load(); until != nil {
		return time.Until(*until)
	}
	return 0
}

// Note reads an answer. Sentry announces limits on answers of 200 as well. A 429
// that names no time holds events back for a minute.
func (l *Limits) Note(resp *http.Response) {
	wait, told := errorLimit(resp.Header.Get("X-Sentry-Rate-Limits"))
	if !told && resp.StatusCode == http.StatusTooManyRequests {
		if wait, told = RetryAfter(resp); !told {
			wait = time.Minute
		}
	}
	until := time.Now().Add(wait)
	for wait > 0 {
		known := l.until.Load()
		if known != nil && !until.After(*known) || l.until.CompareAndSwap(known, &until) {
			return
		}
	}
}

// errorLimit reads an X-Sentry-Rate-Limits header,
// "SECONDS:CATEGORY;CATEGORY:SCOPE:..., SECONDS:...", for the category of error
// events. An empty list of categories means all. told is true for a header that
// limits other categories only, too.
func errorLimit(header string) (wait time.Duration, told bool) {
	for limit := range strings.SplitSeq(header, ",") {
		fields := strings.Split(limit+"::", ":")
		d, ok := parseSeconds(fields[0])
		if !ok {
			continue
		}
		told = true
		for category := range strings.SplitSeq(fields[1], ";") {
			switch strings.ToLower(strings.TrimSpace(category)) {
			case "error", "default", "":
				wait = max(wait, d)
			}
		}
	}
	return wait, told
}

// RetryAfter reads the header of that name, seconds or an HTTP date.
func RetryAfter(resp *http.Response) (wait time.Duration, told bool) {
	header := resp.Header.Get("Retry-After")
	if d, ok := parseSeconds(header); ok {
		return d, true
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(date)), true
	}
	return 0, false
}

func parseSeconds(s string) (time.Duration, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) || f < 0 {
		return 0, false
	}
	const day = 24 * 60 * 60
	return time.Duration(math.Ceil(min(f, day))) * time.Second, true
}
