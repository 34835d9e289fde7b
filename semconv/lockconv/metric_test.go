package lockconv_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otellock/otellock-go/internal/semconvregistry"
	"github.com/otellock/otellock-go/semconv"
	"github.com/otellock/otellock-go/semconv/lockconv"
)

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

// everyInstrument records one measurement with each wrapper on m.
func everyInstrument(ctx context.Context, m metric.Meter) {
	attempts := must(lockconv.NewAttempts(m))
	attempts.Add(ctx, 1, lockconv.OperationNameAcquire, lockconv.OutcomeBackendError, "projects", "redis",
		attempts.AttrErrorType(lockconv.ErrorTypeReadOnly), attempts.AttrFailurePolicy(lockconv.FailurePolicyOpen))
	must(lockconv.NewAcquireDuration(m)).Record(ctx, 0.004, lockconv.OutcomeAcquired, "projects", "redis")
	must(lockconv.NewHoldDuration(m)).Record(ctx, 0.2, "projects", "redis")
	must(lockconv.NewHoldUtilization(m)).Record(ctx, 0.02, "projects", "redis")
	must(lockconv.NewHeld(m)).Add(ctx, 1, "projects", "redis")
	must(lockconv.NewWaiting(m)).Add(ctx, 1, "projects", "redis")
	reports := must(lockconv.NewReports(m))
	reports.Add(ctx, 1, lockconv.ActionReleaseError, "projects", lockconv.ReportResultEmitted, reports.AttrBackendName("redis"))
}

func collect(t *testing.T, record func(context.Context, metric.Meter)) []metricdata.Metrics {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	record(t.Context(), sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.ScopeMetrics) == 0 {
		return nil
	}
	return got.ScopeMetrics[0].Metrics
}

func TestWhatIsCollectedIsWhatTheRegistryDefines(t *testing.T) {
	r := must(semconvregistry.Default())
	collected := collect(t, everyInstrument)
	if len(collected) != len(r.Metrics) {
		t.Errorf("collected %d metrics, the registry defines %d", len(collected), len(r.Metrics))
	}
	for _, got := range collected {
		want := r.Metric(got.Name)
		if want == nil {
			t.Errorf("%s is not in the registry", got.Name)
			continue
		}
		if got.Unit != want.Unit || got.Description != want.Brief {
			t.Errorf("%s: unit %q and description %q, want %q and %q", got.Name, got.Unit, got.Description, want.Unit, want.Brief)
		}
		instrument, valueType, attrs, bounds := shape(t, got)
		if instrument != want.Instrument || valueType != want.ValueType {
			t.Errorf("%s is a %s of %s, want a %s of %s", got.Name, instrument, valueType, want.Instrument, want.ValueType)
		}
		if !slices.Equal(bounds, want.Boundaries) {
			t.Errorf("%s: bucket boundaries %v, want %v", got.Name, bounds, want.Boundaries)
		}
		if err := want.Attributes.Check(attrs.ToSlice()); err != nil {
			t.Errorf("%s: %v", got.Name, err)
		}
	}
}

func shape(t *testing.T, m metricdata.Metrics) (instrument, valueType string, attrs attribute.Set, bounds []float64) {
	t.Helper()
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		instrument = "updowncounter"
		if data.IsMonotonic {
			instrument = "counter"
		}
		return instrument, "int", data.DataPoints[0].Attributes, nil
	case metricdata.Histogram[float64]:
		return "histogram", "double", data.DataPoints[0].Attributes, data.DataPoints[0].Bounds
	}
	t.Fatalf("%s: unexpected data %T", m.Name, m.Data)
	return "", "", attribute.Set{}, nil
}

func TestEveryRequiredAttributeIsRecordedUnderItsOwnName(t *testing.T) {
	got := collect(t, func(ctx context.Context, m metric.Meter) {
		must(lockconv.NewAttempts(m)).Add(ctx, 3, lockconv.OperationNameRelease, lockconv.OutcomeReleaseError, "projects", "redis",
			semconv.ErrorTypeStolen, semconv.LockFailurePolicyClosed)
	})
	metricdatatest.AssertEqual(t, metricdata.Metrics{
		Name: "lock.attempts", Unit: "{attempt}", Description: "Operations on locks, by how they ended.",
		Data: metricdata.Sum[int64]{
			Temporality: metricdata.CumulativeTemporality, IsMonotonic: true,
			DataPoints: []metricdata.DataPoint[int64]{{Value: 3, Attributes: attribute.NewSet(
				semconv.LockOperationNameRelease, semconv.LockOutcomeReleaseError, semconv.LockTarget("projects"),
				semconv.LockBackendName("redis"), semconv.ErrorTypeStolen, semconv.LockFailurePolicyClosed,
			)}},
		},
	}, got[0], metricdatatest.IgnoreTimestamp())
}

func TestASetIsRecordedAsItIs(t *testing.T) {
	set := attribute.NewSet(semconv.LockTarget("projects"), semconv.LockBackendName("memory"))
	got := collect(t, func(ctx context.Context, m metric.Meter) {
		must(lockconv.NewHeld(m)).AddSet(ctx, -2, set)
		must(lockconv.NewHoldUtilization(m)).RecordSet(ctx, 1.2, set)
	})
	held := got[0].Data.(metricdata.Sum[int64]).DataPoints[0]
	if held.Value != -2 || !held.Attributes.Equals(&set) {
		t.Errorf("held is %v with %v", held.Value, held.Attributes.ToSlice())
	}
	utilization := got[1].Data.(metricdata.Histogram[float64]).DataPoints[0]
	if utilization.Sum != 1.2 || !utilization.Attributes.Equals(&set) {
		t.Errorf("utilization is %v with %v", utilization.Sum, utilization.Attributes.ToSlice())
	}
}

func TestACallersSliceOfAttributesIsNotWrittenTo(t *testing.T) {
	attrs := make([]attribute.KeyValue, 1, 8)
	attrs[0] = semconv.ErrorTypeTimeout
	collect(t, func(ctx context.Context, m metric.Meter) {
		must(lockconv.NewAttempts(m)).Add(ctx, 1, lockconv.OperationNameAcquire, lockconv.OutcomeBackendError, "projects", "redis", attrs...)
	})
	if spare := attrs[:cap(attrs)][1]; spare.Valid() {
		t.Errorf("the spare room of the slice now holds %v", spare)
	}
}

func TestACallersBucketBoundariesReplaceTheRegistrysAndNothingElse(t *testing.T) {
	got := collect(t, func(ctx context.Context, m metric.Meter) {
		must(lockconv.NewAcquireDuration(m,
			metric.WithExplicitBucketBoundaries(1, 2), metric.WithUnit("h"), metric.WithDescription("mine"),
		)).Record(ctx, 1.5, lockconv.OutcomeContended, "projects", "redis")
	})
	_, _, _, bounds := shape(t, got[0])
	if !slices.Equal(bounds, []float64{1, 2}) {
		t.Errorf("boundaries are %v", bounds)
	}
	if got[0].Unit != "s" || got[0].Description != (lockconv.AcquireDuration{}).Description() {
		t.Errorf("unit %q and description %q are not the registry's", got[0].Unit, got[0].Description)
	}
}

func TestWithoutAMeterEveryInstrumentDoesNothing(t *testing.T) {
	everyInstrument(t.Context(), nil)
	if inst := must(lockconv.NewAttempts(nil)).Inst(); inst != (noop.Int64Counter{}) {
		t.Errorf("the instrument is %T", inst)
	}
	if must(lockconv.NewHoldDuration(nil)).Enabled(t.Context()) {
		t.Error("an instrument that does nothing says that it is enabled")
	}
}

// refusing is a meter that makes no instrument.
type refusing struct{ noop.Meter }

var errRefused = errors.New("refused")

func (refusing) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, errRefused
}

func (refusing) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return nil, errRefused
}

func TestAnInstrumentThatTheMeterRefusesIsAnErrorAndStillUsable(t *testing.T) {
	attempts, err := lockconv.NewAttempts(refusing{})
	if !errors.Is(err, errRefused) {
		t.Errorf("error is %v", err)
	}
	attempts.Add(t.Context(), 1, lockconv.OperationNameAcquire, lockconv.OutcomeAcquired, "projects", "redis")
	duration, err := lockconv.NewAcquireDuration(refusing{})
	if !errors.Is(err, errRefused) {
		t.Errorf("error is %v", err)
	}
	duration.Record(t.Context(), 1, lockconv.OutcomeAcquired, "projects", "redis")
}

func TestInstIsTheInstrumentOfTheMeter(t *testing.T) {
	got := collect(t, func(ctx context.Context, m metric.Meter) {
		must(lockconv.NewWaiting(m)).Inst().Add(ctx, 5)
	})
	if value := got[0].Data.(metricdata.Sum[int64]).DataPoints[0].Value; got[0].Name != "lock.waiting" || value != 5 {
		t.Errorf("%s is %d", got[0].Name, value)
	}
}

func TestNameUnitAndDescriptionNeedNoMeter(t *testing.T) {
	r := must(semconvregistry.Default())
	for _, m := range []interface {
		Name() string
		Unit() string
		Description() string
	}{
		lockconv.Attempts{}, lockconv.AcquireDuration{}, lockconv.HoldDuration{}, lockconv.HoldUtilization{},
		lockconv.Held{}, lockconv.Waiting{}, lockconv.Reports{},
	} {
		want := r.Metric(m.Name())
		if want == nil {
			t.Errorf("%s is not in the registry", m.Name())
			continue
		}
		if m.Unit() != want.Unit || m.Description() != want.Brief {
			t.Errorf("%s: unit %q and description %q, want %q and %q", m.Name(), m.Unit(), m.Description(), want.Unit, want.Brief)
		}
	}
}
