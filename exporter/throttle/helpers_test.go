package throttle_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/log/logtest"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/otellock/otellock-go/exporter/throttle"
)

func TestMain(m *testing.M) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) // many tests break what comes next
	goleak.VerifyTestMain(m)
}

var errBroken = errors.New("broken")

// sink is a processor that keeps what it gets. Set fail, or a hook to do
// anything else before a record is kept.
type sink struct {
	hook atomic.Pointer[func(*sdklog.Record) error]

	mu       sync.Mutex
	fail     error
	records  []sdklog.Record
	flushes  int
	shutdown int
	disabled bool
}

func (s *sink) Enabled(context.Context, sdklog.EnabledParameters) bool { return !s.disabled }

func (s *sink) OnEmit(_ context.Context, r *sdklog.Record) error {
	if hook := s.hook.Load(); hook != nil {
		if err := (*hook)(r); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.records = append(s.records, r.Clone())
	return nil
}

func (s *sink) ForceFlush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushes++
	return s.fail
}

func (s *sink) Shutdown(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shutdown++
	return s.fail
}

// before sets what runs before a record is kept; nil for nothing.
func (s *sink) before(hook func(*sdklog.Record) error) *sink {
	s.hook.Store(nil)
	if hook != nil {
		s.hook.Store(&hook)
	}
	return s
}

// broken sets what everything returns.
func (s *sink) broken(err error) *sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
	return s
}

// take returns what came since the last take.
func (s *sink) take() []sdklog.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := s.records
	s.records = nil
	return records
}

// one returns the only record that came since the last take.
func (s *sink) one(t testing.TB) *sdklog.Record {
	t.Helper()
	records := s.take()
	if len(records) != 1 {
		t.Fatalf("%d records, want 1", len(records))
	}
	return &records[0]
}

func (s *sink) none(t testing.TB) {
	t.Helper()
	if records := s.take(); len(records) != 0 {
		t.Fatalf("%d records, want none; the first is %v %v", len(records), records[0].Severity(), attributes(&records[0]))
	}
}

func newProcessor(t testing.TB, next sdklog.Processor, opts ...throttle.Option) *throttle.Processor {
	t.Helper()
	p, err := throttle.NewProcessorWith(opts, next)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return p
}

// gateOf is Suppress for one key.
func gateOf(p *throttle.Processor, action, target string) func(time.Time, string) bool {
	return func(at time.Time, errorType string) bool { return p.Suppress(at, action, target, errorType) }
}

// factory makes records as the SDK does: with a time of observation, a resource
// and a scope.
func factory(attrs ...attribute.KeyValue) logtest.RecordFactory {
	now := time.Now()
	return logtest.RecordFactory{
		Timestamp: now, ObservedTimestamp: now,
		EventName: "lock.backend_error",
		Severity:  log.SeverityWarn, SeverityText: "WARN",
		Body:       attribute.StringValue("lock backend failed: projects runs unprotected"),
		Attributes: attrs,
		TraceID:    trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
		Resource:             resource.NewSchemaless(attribute.String("service.name", "shop")),
		InstrumentationScope: &instrumentation.Scope{Name: "otellock"},
	}
}

// warning is the attributes of a realistic warning: those of DESIGN, with what
// the throttle reads first.
func warning(action, target, errorType string) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("lock.action", action),
		attribute.String("lock.target", target),
		attribute.String("error.type", errorType),
		attribute.String("lock.key_pattern", "lock:project:*"),
		attribute.String("lock.operation.name", "acquire"),
		attribute.String("lock.mode", "wait"),
		attribute.String("lock.outcome", "backend_error"),
		attribute.String("lock.failure_policy", "open"),
		attribute.String("lock.backend.name", "redis"),
		attribute.Float64("lock.ttl", 10),
		attribute.Float64("lock.hold.duration", 0),
		attribute.Int("lock.retries", 1),
		attribute.String("exception.type", "*otellock.Error"),
		attribute.String("exception.message", "otellock: acquire projects: timeout"),
		attribute.String("exception.stacktrace", "main.handler\n\tmain.go:17\n"),
		attribute.String("code.function.name", "main.handler"),
		attribute.String("code.file.path", "main.go"),
		attribute.Int("code.line.number", 17),
		attribute.String("server.address", "redis.internal"),
		attribute.Int("server.port", 6379),
		attribute.String("otel.event.name", "lock.backend_error"),
	}
}

// emit gives the processor a record of the attributes.
func emit(t testing.TB, p sdklog.Processor, attrs ...attribute.KeyValue) {
	t.Helper()
	r := factory(attrs...).NewRecord()
	if err := p.OnEmit(context.Background(), &r); err != nil {
		t.Fatal(err)
	}
}

// fail emits a realistic warning.
func fail(t testing.TB, p sdklog.Processor, target, errorType string) {
	t.Helper()
	emit(t, p, warning("backend_error", target, errorType)...)
}

func attributes(r *sdklog.Record) map[string]any {
	m := map[string]any{}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		m[string(kv.Key)] = kv.Value.AsInterface()
		return true
	})
	return m
}

// suppressed returns the count on a record, or fails.
func suppressed(t testing.TB, r *sdklog.Record) uint64 {
	t.Helper()
	n, ok := attributes(r)["lock.report.suppressed_count"].(int64)
	if !ok || n < 0 {
		t.Fatalf("no lock.report.suppressed_count on %v", attributes(r))
	}
	return uint64(n)
}

// accounted is what records say: each warning is an occurrence, and each count.
func accounted(t testing.TB, records []sdklog.Record) (n uint64) {
	t.Helper()
	for i := range records {
		n += suppressed(t, &records[i])
		if records[i].Severity() >= log.SeverityWarn {
			n++
		}
	}
	return n
}

func wantPending(t testing.TB, p *throttle.Processor, want uint64) {
	t.Helper()
	if got := p.Pending(); got != want {
		t.Errorf("Pending() = %d, want %d", got, want)
	}
}
