package sentrylog

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// limits remembers until when Sentry wants no events. One goroutine notes.
type limits struct{ until atomic.Pointer[time.Time] }

func (l *limits) remaining() time.Duration {
	if until := l.until.Load(); until != nil {
		return time.Until(*until)
	}
	return 0
}

// note reads an answer. Sentry announces limits on answers of 200 as well. A 429
// that names no time holds events back for a minute.
func (l *limits) note(resp *http.Response) {
	wait, told := errorLimit(resp.Header.Get("X-Sentry-Rate-Limits"))
	if !told && resp.StatusCode == http.StatusTooManyRequests {
		if wait, told = retryAfter(resp.Header.Get("Retry-After")); !told {
			wait = time.Minute
		}
	}
	if wait > l.remaining() {
		until := time.Now().Add(wait)
		l.until.Store(&until)
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

// retryAfter reads seconds or an HTTP date.
func retryAfter(header string) (wait time.Duration, told bool) {
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
