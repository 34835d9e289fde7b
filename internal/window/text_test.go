package window

import (
	"testing"
	"time"
)

func TestTimesAreInUTCAndSortAsText(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	for want, at := range map[string]time.Time{
		"2026-11-22T03:14:07.000Z": time.Date(2026, 11, 22, 8, 44, 7, 999_999, zone),
		"2026-11-22T03:14:07.120Z": time.Date(2026, 11, 22, 3, 14, 7, 120_000_000, time.UTC),
	} {
		if got := FormatTime(at); got != want {
			t.Errorf("FormatTime(%v) = %s, want %s", at, got, want)
		}
		if back, err := time.Parse(time.RFC3339, FormatTime(at)); err != nil || !back.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("%v reads back as %v, %v", at, back, err)
		}
	}
}
