package sentryissue

import "testing"

func TestRetryAfterIsReadLeniently(t *testing.T) {
	for header, want := range map[string]int{"": -1, "x": -1, "-5": -1, "NaN": -1, "0": 0, "7": 7, " 7 ": 7, "1.5": 2, "1e12": 86400, "Inf": 86400} {
		d, told := parseSeconds(header)
		if !told {
			d = -1e9
		}
		if got := int(d.Seconds()); got != want {
			t.Errorf("%q: %d s, want %d", header, got, want)
		}
	}
}
