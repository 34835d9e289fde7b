package test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/collector-config/lockthrottleprocessor"
	"github.com/otellock/otellock-go/exporter/throttle"
)

// TestTheCollectorsThrottleDecidesAsTheSDKs gives the same records, one by one, to
// both, for hours of virtual time, and compares all that comes out, and when.
func TestTheCollectorsThrottleDecidesAsTheSDKs(t *testing.T) {
	const seeds, steps = 40, 300
	compared, summaries := 0, 0
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 13))
			maxKeys := []int{2, 4096}[seed%2]
			var sdk, collector outbox
			p, err := throttle.NewProcessorWith([]throttle.Option{throttle.WithMaxKeys(maxKeys)}, &sdk)
			if err != nil {
				t.Fatal(err)
			}
			var input outbox // turns what the SDK emits into what the Collector gets
			provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(&input), sdklog.WithProcessor(p))
			q := newLockThrottle(t, &collector, maxKeys)

			for step := range steps {
				r := randomRecord(rng)
				ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
					TraceID: trace.TraceID{1, byte(step >> 8), byte(step)}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
				}))
				provider.Logger("lib").Emit(ctx, r)
				if err := q.ConsumeLogs(t.Context(), input.logs()); err != nil {
					t.Fatal(err)
				}
				if rng.IntN(12) == 0 {
					time.Sleep(time.Duration(rng.Int64N(int64(90 * time.Second))))
				}
				if rng.IntN(40) == 0 {
					time.Sleep(3 * time.Minute) // summaries
				}
				synctest.Wait()
				sdk.compare(t, &collector, fmt.Sprintf("seed %d, step %d", seed, step))
			}
			if err := p.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			if err := q.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			sdk.compare(t, &collector, fmt.Sprintf("seed %d, shut down", seed))
			compared += sdk.compared
			summaries += sdk.summaries
		})
	}
	t.Logf("%d records in: %d out of both, equal, of which %d are summaries", seeds*steps, compared, summaries)
}

func newLockThrottle(t *testing.T, next consumer.Logs, maxKeys int) processor.Logs {
	t.Helper()
	factory := lockthrottleprocessor.NewFactory()
	cfg := factory.CreateDefaultConfig().(*lockthrottleprocessor.Config)
	cfg.MaxKeys, cfg.Severities = maxKeys, []string{"warn"} // the SDK's takes no others
	cfg.ResourceKeys = nil                                  // it has one resource
	q, err := factory.CreateLogs(t.Context(), processortest.NewNopSettings(factory.Type()), cfg, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	return q
}

func randomRecord(rng *rand.Rand) log.Record {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	var r log.Record
	r.SetSeverity([]log.Severity{log.SeverityWarn, log.SeverityWarn, log.SeverityWarn4, log.SeverityInfo, log.SeverityError, log.SeverityUndefined}[rng.IntN(6)])
	r.SetEventName(one("lock.backend_error", ""))
	r.SetBody(attribute.StringValue(one("a", "b")))
	attrs := []attribute.KeyValue{
		attribute.String("lock.action", one("backend_error", "release_error")),
		attribute.String("lock.target", one("orders", "users", "tenants", strings.Repeat("x", 600))),
		attribute.String("error.type", one("timeout", "eof", "NOAUTH")),
		attribute.Int("n", rng.IntN(1000)),
	}
	switch rng.IntN(10) {
	case 0:
		attrs = attrs[1:] // no lock's
	case 1:
		attrs[0] = attribute.Int("lock.action", 1)
	case 2:
		r.AddAttributes(attribute.Map("app", attrs...))
		return r
	case 3, 4:
		attrs = slices.Insert(attrs, 2, // the SDK's asks that it comes before error.type
			attribute.Int("lock.report.suppressed_count", rng.IntN(9)),
			attribute.String("lock.report.suppressed_since", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano)),
			attribute.StringSlice("lock.report.suppressed_error_types", []string{"timeout", "OOM"}),
			attribute.Int64Slice("lock.report.suppressed_error_counts", []int64{rng.Int64N(3), rng.Int64N(3)}))
	case 5:
		attrs = slices.Insert(attrs, 2, attribute.Int("lock.report.suppressed_count", -1))
	case 6:
		attrs = append(attrs, attribute.String("lock.key_pattern", "lock:*"), attribute.String("lock.backend.name", "redis"))
	case 7:
		attrs = attrs[:2]
	}
	r.AddAttributes(attrs...)
	return r
}

// outbox takes records of both sides.
type outbox struct {
	mu                  sync.Mutex
	records             plog.Logs
	compared, summaries int
}

func (o *outbox) logs() plog.Logs {
	o.mu.Lock()
	defer o.mu.Unlock()
	logs := o.records
	o.records = plog.NewLogs()
	return logs
}

func (o *outbox) compare(t *testing.T, other *outbox, when string) {
	t.Helper()
	got, want := printed(other.logs()), printed(o.logs())
	if !slices.Equal(got, want) {
		t.Fatalf("%s: the Collector's\n%s\nthe SDK's\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	o.compared += len(want)
	for _, line := range want {
		if strings.Contains(line, summaryEvent) {
			o.summaries++
		}
	}
}

// printed prints records in an order that does not depend on how keys are hashed.
func printed(logs plog.Logs) (all []string) {
	if logs == (plog.Logs{}) {
		return nil
	}
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				attrs := r.Attributes().AsRaw()
				line := fmt.Sprintf("%v %v %q %v %v %s", r.SeverityNumber(), r.EventName(), r.Body().AsString(), r.TraceID(), r.Flags(), sl.Scope().Name())
				for _, name := range slices.Sorted(maps.Keys(attrs)) {
					line += fmt.Sprintf(" %s=%v", name, attrs[name])
				}
				all = append(all, line)
			}
		}
	}
	slices.Sort(all)
	return all
}

func (o *outbox) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (o *outbox) ConsumeLogs(_ context.Context, logs plog.Logs) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.room()
	logs.ResourceLogs().MoveAndAppendTo(o.records.ResourceLogs())
	return nil
}

func (o *outbox) room() {
	if o.records == (plog.Logs{}) {
		o.records = plog.NewLogs()
	}
}

func (*outbox) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (*outbox) ForceFlush(context.Context) error                       { return nil }
func (*outbox) Shutdown(context.Context) error                         { return nil }

func (o *outbox) OnEmit(_ context.Context, r *sdklog.Record) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.room()
	sl := o.records.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	sl.Scope().SetName(r.InstrumentationScope().Name)
	out := sl.LogRecords().AppendEmpty()
	out.SetSeverityNumber(plog.SeverityNumber(r.Severity()))
	out.SetEventName(r.EventName())
	out.SetTraceID(pcommon.TraceID(r.TraceID()))
	out.SetSpanID(pcommon.SpanID(r.SpanID()))
	out.SetFlags(plog.LogRecordFlags(r.TraceFlags()))
	put(out.Body(), r.Body())
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		put(out.Attributes().PutEmpty(string(kv.Key)), kv.Value)
		return true
	})
	return nil
}

// put is what OTLP makes of a value.
func put(to pcommon.Value, v attribute.Value) {
	switch v.Type() {
	case attribute.STRING:
		to.SetStr(v.AsString())
	case attribute.INT64:
		to.SetInt(v.AsInt64())
	case attribute.STRINGSLICE:
		list := to.SetEmptySlice()
		for _, s := range v.AsStringSlice() {
			list.AppendEmpty().SetStr(s)
		}
	case attribute.INT64SLICE:
		list := to.SetEmptySlice()
		for _, n := range v.AsInt64Slice() {
			list.AppendEmpty().SetInt(n)
		}
	case attribute.MAP:
		m := to.SetEmptyMap()
		for _, kv := range v.AsMap() {
			put(m.PutEmpty(string(kv.Key)), kv.Value)
		}
	default:
		panic(fmt.Sprintf("a value of type %v", v.Type()))
	}
}
