package throttle_test

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

// An outage that took the window a second before must not hide what somebody has
// to act on.
func TestWhatTheWindowHidIsNamedWithItsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		want := func(severity log.Severity, types []string, counts []int64) {
			t.Helper()
			r := next.one(t)
			got := attributes(r)
			if r.Severity() != severity || !reflect.DeepEqual(got["lock.report.suppressed_error_types"], types) ||
				!reflect.DeepEqual(got["lock.report.suppressed_error_counts"], counts) {
				t.Errorf("%v names %v with %v, want %v with %v", r.Severity(), got["lock.report.suppressed_error_types"],
					got["lock.report.suppressed_error_counts"], types, counts)
			}
		}
		fail(t, p, "projects", "timeout")
		want(log.SeverityWarn, []string{}, []int64{})
		time.Sleep(time.Second)
		suppress := func() {
			for range 500 {
				fail(t, p, "projects", "timeout")
			}
			for range 5000 {
				fail(t, p, "projects", "pool_exhausted")
			}
			for _, errorType := range []string{"READONLY", "NOAUTH", "READONLY", "a", "b", "c", "d", "e", ""} {
				fail(t, p, "projects", errorType)
			}
		}
		suppress()
		time.Sleep(59 * time.Second)
		fail(t, p, "projects", "timeout")
		types := []string{"NOAUTH", "READONLY", "pool_exhausted", "timeout", "a", "b", "c", "d"}
		counts := []int64{1, 2, 5000, 500, 1, 1, 1, 1}
		want(log.SeverityWarn, types, counts)
		suppress()
		time.Sleep(time.Hour)
		want(log.SeverityInfo, types, counts)
	})
}

func TestCountsOfErrorTypesJoinThoseOfAnUpstreamWindow(t *testing.T) {
	for name, counts := range map[string]attribute.KeyValue{
		"as a list of integers": attribute.IntSlice("lock.report.suppressed_error_counts", []int{30, 9}),
		"as a list of values":   attribute.Slice("lock.report.suppressed_error_counts", attribute.Int64Value(30), attribute.Int64Value(9)),
	} {
		synctest.Test(t, func(t *testing.T) {
			next := &sink{}
			p := newProcessor(t, next)
			w := warning("backend_error", "projects", "timeout")
			fail(t, p, "projects", "timeout")
			fail(t, p, "projects", "timeout")
			emit(t, p, append([]attribute.KeyValue{w[0], w[1], attribute.Int("lock.report.suppressed_count", 40),
				attribute.StringSlice("lock.report.suppressed_error_types", []string{"timeout", "READONLY"}), counts}, w[2:]...)...)
			next.take()
			time.Sleep(time.Hour)
			got := attributes(next.one(t))
			if got["lock.report.suppressed_count"] != int64(42) ||
				!reflect.DeepEqual(got["lock.report.suppressed_error_types"], []string{"READONLY", "timeout"}) ||
				!reflect.DeepEqual(got["lock.report.suppressed_error_counts"], []int64{9, 32}) {
				t.Errorf("%s: the summary says %v", name, got)
			}
		})
	}
}
