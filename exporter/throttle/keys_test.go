package throttle_test

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otellock/otellock-go/exporter/throttle"
)

func TestOtherKeysMakeAThrottleForAnyLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next, throttle.WithKeys("event", "peer", "error.type"))
		payment := func(peer, errorType string) []attribute.KeyValue {
			return []attribute.KeyValue{
				attribute.String("lock.target", "projects"), attribute.String("event", "payment_failed"),
				attribute.String("peer", peer), attribute.String("error.type", errorType), attribute.Int("amount", 7),
			}
		}
		emit(t, p, payment("stripe", "timeout")...)
		emit(t, p, payment("adyen", "timeout")...)
		emit(t, p, payment("stripe", "refused")...)
		if got := next.take(); len(got) != 3 {
			t.Fatalf("%d records passed, want the first of three keys", len(got))
		}
		emit(t, p, payment("stripe", "timeout")...)
		emit(t, p, payment("stripe", "timeout")...)
		next.none(t)
		wantPending(t, p, 2)

		fail(t, p, "projects", "timeout")
		fail(t, p, "projects", "timeout")
		emit(t, p, payment("stripe", "timeout")[:3]...)
		if got := next.take(); len(got) != 3 || got[0].AttributesLen() != len(warning("", "", "")) {
			t.Errorf("%d records without the key passed, want 3, untouched", len(got))
		}

		time.Sleep(time.Hour)
		summary := next.one(t)
		want := map[string]any{
			"event": "payment_failed", "peer": "stripe", "error.type": "timeout",
			"lock.report.suppressed_count":        int64(2),
			"lock.report.suppressed_since":        "2000-01-01T00:00:00.000Z",
			"lock.report.suppressed_until":        "2000-01-01T00:00:00.000Z",
			"lock.report.suppressed_error_types":  []string{"timeout"},
			"lock.report.suppressed_error_counts": []int64{2},
			"otel.event.name":                     "lock.report.summary",
		}
		if got := attributes(summary); !reflect.DeepEqual(got, want) {
			t.Errorf("summary %v, want %v", got, want)
		}
		if got, want := summary.Body().AsString(), "repeated warnings suppressed: payment_failed, stripe, timeout"; got != want {
			t.Errorf("summary %q, want %q", got, want)
		}
	})
}

func TestReportsHaveTheAttributesOfTheKey(t *testing.T) {
	for _, tt := range []struct {
		keys []string
		want []string // attributes and value of each series that is not zero
	}{
		{[]string{"event", "peer"}, []string{
			"event=x lock.report.result=emitted peer=a: 1",
			"event=x lock.report.result=suppressed peer=a: 2",
			"event=x lock.report.result=emitted peer=_OTHER: 1",
			"event=x lock.report.result=overflow peer=_OTHER: 2",
		}},
		{[]string{"peer"}, []string{
			"lock.report.result=emitted peer=a: 1",
			"lock.report.result=suppressed peer=a: 2",
			"lock.report.result=emitted peer=_OTHER: 1",
			"lock.report.result=overflow peer=_OTHER: 2",
		}},
	} {
		reader := sdkmetric.NewManualReader()
		p := newProcessor(t, nil, throttle.WithKeys(tt.keys...), throttle.WithMaxKeys(1),
			throttle.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
		for range 3 {
			for _, peer := range []string{"a", "b"} {
				emit(t, p, attribute.String("event", "x"), attribute.String("peer", peer))
			}
		}
		var rm metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, p := range rm.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints {
			if p.Value == 0 {
				continue
			}
			var attrs []string
			for _, kv := range p.Attributes.ToSlice() {
				attrs = append(attrs, string(kv.Key)+"="+kv.Value.AsString())
			}
			got[strings.Join(attrs, " ")+": "+string(rune('0'+p.Value))] = true
		}
		for _, series := range tt.want {
			if !got[series] {
				t.Errorf("%q: no series %s in %v", tt.keys, series, got)
			}
		}
		if len(got) != len(tt.want) {
			t.Errorf("%q: series %v, want %d", tt.keys, got, len(tt.want))
		}
	}
}

func TestSuppressAnswersOnlyWhereActionAndTargetAreTheKey(t *testing.T) {
	for _, tt := range []struct {
		keys []string
		want bool
	}{
		{[]string{"lock.action", "lock.target"}, true},
		{[]string{"lock.target", "lock.action"}, true},
		{[]string{"lock.target"}, true},
		{[]string{"lock.target", "error.type"}, false},
		{[]string{"lock.action", "lock.target", "lock.backend.name"}, false},
	} {
		p := newProcessor(t, nil, throttle.WithKeys(tt.keys...))
		suppress := gateOf(p, "backend_error", "projects")
		if suppress(time.Now(), "timeout") {
			t.Errorf("%q: suppressed before anything passed", tt.keys)
		}
		fail(t, p, "projects", "timeout")
		if got := suppress(time.Now(), "timeout"); got != tt.want {
			t.Errorf("%q: Suppress returned %v, want %v", tt.keys, got, tt.want)
		}
		if gateOf(p, "backend_error", "orders")(time.Now(), "timeout") {
			t.Errorf("%q: suppressed another target", tt.keys)
		}
	}
}
