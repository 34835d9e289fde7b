package throttle_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/semconv"
)

// collect returns lock.reports as "action target result" to value.
func collect(t testing.TB, reader sdkmetric.Reader) (map[string]int64, metricdata.Metrics) {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	if len(rm.ScopeMetrics) != 1 || len(rm.ScopeMetrics[0].Metrics) != 1 {
		t.Fatalf("scopes %+v, want one with lock.reports", rm.ScopeMetrics)
	}
	if s := rm.ScopeMetrics[0].Scope; s.Name != throttle.ScopeName || s.Version != throttle.Version || s.SchemaURL != semconv.SchemaURL {
		t.Errorf("scope %+v", s)
	}
	m := rm.ScopeMetrics[0].Metrics[0]
	values := map[string]int64{}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		var l []string
		for _, k := range []attribute.Key{"lock.action", "lock.target", "lock.report.result"} {
			v, ok := p.Attributes.Value(k)
			if !ok || p.Attributes.Len() != 3 {
				t.Errorf("attributes %v", p.Attributes.ToSlice())
			}
			l = append(l, v.AsString())
		}
		values[strings.Join(l, " ")] = p.Value
	}
	return values, m
}

func TestReportsAreCountedByWhatBecameOfThem(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	next := &sink{}
	p := newProcessor(t, next, throttle.WithMaxKeys(1), throttle.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	gate := gateOf(p, "backend_error", "projects")
	for range 5 {
		fail(t, p, "projects", "timeout")
		fail(t, p, "orders", "timeout")
	}
	emit(t, p, warning("release_error", "projects", "lost")...)
	gate(time.Now(), "timeout")
	got, m := collect(t, reader)
	want := map[string]int64{
		"backend_error projects emitted":    1,
		"backend_error projects suppressed": 5,
		"backend_error _OTHER emitted":      1,
		"backend_error _OTHER suppressed":   0,
		"backend_error _OTHER overflow":     4,
		"release_error _OTHER emitted":      0,
		"release_error _OTHER suppressed":   0,
		"release_error _OTHER overflow":     1,
		"_OTHER _OTHER emitted":             0,
		"_OTHER _OTHER suppressed":          0,
		"_OTHER _OTHER overflow":            0,
	}
	if !maps.Equal(got, want) {
		t.Errorf("lock.reports %v, want %v", got, want)
	}
	sum := m.Data.(metricdata.Sum[int64])
	if m.Name != "lock.reports" || m.Unit != "{report}" || m.Description == "" || !sum.IsMonotonic {
		t.Errorf("%q in %q, monotonic %v: %q", m.Name, m.Unit, sum.IsMonotonic, m.Description)
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got, _ := collect(t, reader); !maps.Equal(got, want) {
		t.Errorf("after the summaries %v, want the same: they are no occurrences", got)
	}
}

func TestAReportThatFailedIsCountedAsSuppressed(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	next := new(sink).broken(errBroken)
	p := newProcessor(t, next, throttle.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	r := factory(warning("backend_error", "projects", "timeout")...).NewRecord()
	_ = p.OnEmit(t.Context(), &r)
	next.broken(nil)
	got, _ := collect(t, reader)
	if got["backend_error projects emitted"] != 0 || got["backend_error projects suppressed"] != 1 {
		t.Errorf("lock.reports %v", got)
	}
}

func TestAReportCountedUpstreamIsNotCountedAgain(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	p := newProcessor(t, &sink{}, throttle.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	w := warning("backend_error", "projects", "timeout")
	for range 3 {
		emit(t, p, append([]attribute.KeyValue{w[0], w[1], attribute.Int("lock.report.suppressed_count", 9)}, w[2:]...)...)
	}
	got, _ := collect(t, reader)
	if got["backend_error projects emitted"] != 0 || got["backend_error projects suppressed"] != 0 {
		t.Errorf("lock.reports %v, want nothing: it was counted upstream", got)
	}
	wantPending(t, p, 20)
}

func TestReportsAreCountedWithoutAWindowToo(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	p := newProcessor(t, &sink{}, throttle.WithWindow(0), throttle.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	for range 3 {
		fail(t, p, "projects", "timeout")
	}
	if got, _ := collect(t, reader); got["backend_error projects emitted"] != 3 {
		t.Errorf("lock.reports %v", got)
	}
}

func TestReportsNeverFallThoughKeysAreEvicted(t *testing.T) {
	for _, temporality := range []metricdata.Temporality{metricdata.CumulativeTemporality, metricdata.DeltaTemporality} {
		synctest.Test(t, func(t *testing.T) {
			reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(func(sdkmetric.InstrumentKind) metricdata.Temporality { return temporality }))
			p := newProcessor(t, nil, throttle.WithMaxKeys(2), throttle.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
			last, sum, occurrences := map[string]int64{}, int64(0), int64(0)
			for i := range 300 {
				fail(t, p, fmt.Sprint("t", i%7), "timeout")
				occurrences++
				if i%10 == 9 {
					got, _ := collect(t, reader)
					for k, v := range got {
						if temporality == metricdata.CumulativeTemporality {
							sum += v - last[k]
							if v < last[k] {
								t.Errorf("%s fell from %d to %d", k, last[k], v)
							}
						} else {
							sum += v
							if v < 0 {
								t.Errorf("%s fell by %d", k, -v)
							}
						}
					}
					last = got
					if sum != occurrences {
						t.Fatalf("%d reports, want %d", sum, occurrences)
					}
				}
				time.Sleep(11 * time.Second)
			}
		})
	}
}

func TestReportsAreReadWhileTheyAreCountedConcurrentSafe(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	p := newProcessor(t, nil, throttle.WithWindow(time.Millisecond), throttle.WithMaxKeys(3), throttle.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	const emitters, each = 4, 5000
	var wg sync.WaitGroup
	for g := range emitters {
		wg.Go(func() {
			for i := range each {
				fail(t, p, fmt.Sprint("t", (g+i)%5), "timeout")
			}
		})
	}
	last := map[string]int64{}
	for range 100 {
		got, _ := collect(t, reader)
		for k, v := range got {
			if v < last[k] {
				t.Errorf("%s fell from %d to %d", k, last[k], v)
			}
		}
		last = got
	}
	wg.Wait()
	got, _ := collect(t, reader)
	sum := int64(0)
	for _, v := range slices.Collect(maps.Values(got)) {
		sum += v
	}
	if sum != emitters*each {
		t.Errorf("%d reports, want %d", sum, emitters*each)
	}
}
