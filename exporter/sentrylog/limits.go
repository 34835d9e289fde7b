package sentrylog

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// bareBackoff is how long a 429 that names no time holds events back.
const bareBackoff = time.Minute

// limits remembers until when Sentry wants no events.
type limits struct {
	mu    sync.Mutex
	until time.Time
}

func (l *limits) remaining(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until.Sub(now)
}

// note reads an answer. Sentry announces limits on answers of 200 as well.
func (l *limits) note(resp *http.Response, now time.Time) {
	wait, told := errorLimit(resp.Header.Get("X-Sentry-Rate-Limits"))
	if !told && resp.StatusCode == http.StatusTooManyRequests {
		if wait, told = retryAfter(resp.Header.Get("Retry-After"), now); !told {
			wait = bareBackoff
		}
	}
	if wait <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := now.Add(wait); until.After(l.until) {
		l.until = until
	}
}

// errorLimit reads an X-Sentry-Rate-Limits header,
// "SECONDS:CATEGORY;CATEGORY:SCOPE:..., SECONDS:...", for the category of error
// events. An empty list of categories means all. The header being there is
// told, even where it limits other categories only.
func errorLimit(header string) (wait time.Duration, told bool) {
	for limit := range strings.SplitSeq(header, ",") {
		seconds, rest, _ := strings.Cut(strings.TrimSpace(limit), ":")
		categories, _, _ := strings.Cut(rest, ":")
		d, ok := parseSeconds(seconds)
		if !ok {
			continue
		}
		told = true
		if categories == "" {
			wait = max(wait, d)
			continue
		}
		for category := range strings.SplitSeq(categories, ";") {
			switch strings.ToLower(strings.TrimSpace(category)) {
			case "error", "default":
				wait = max(wait, d)
			}
		}
	}
	return wait, told
}

// retryAfter reads seconds or an HTTP date.
func retryAfter(header string, now time.Time) (wait time.Duration, told bool) {
	if d, ok := parseSeconds(header); ok {
		return d, true
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(0, date.Sub(now)), true
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
