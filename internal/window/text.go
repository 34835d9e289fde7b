package window

import (
	"strings"
	"time"
)

// timeLayout is RFC 3339 with milliseconds, always three digits of them, so that
// timestamps in UTC sort as text.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// FormatTime returns t as every record writes its suppressed_since: RFC 3339 in
// UTC, to the millisecond.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// SummaryMessage returns the text of a summary of the key, the same wherever a
// summary is written. It holds no count, so that equal summaries have equal
// texts.
func SummaryMessage(key ...string) string {
	return "repeated warnings suppressed: " + strings.Join(key, ", ")
}
