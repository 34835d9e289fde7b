package e2e

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/internal/semconvregistry"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/otellock/otellock-go/semconv"
)

// TestTelemetryIsWhatTheRegistryDefines collects the telemetry of every row of
// "What happens, always", of every error type, and of the throttle, and holds it
// against the registry in both directions: nothing is emitted that the registry
// does not define, and nothing is defined that no path emits.
func TestTelemetryIsWhatTheRegistryDefines(t *testing.T) {
	registry, err := semconvregistry.Default()
	if err != nil {
		t.Fatal(err)
	}
	c := &conformance{registry: registry, seen: map[string]bool{}}
	for _, sc := range locktest.Scenes {
		t.Run(sc.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tel := newThrottledTelemetry(t, throttle.DefaultMaxKeys)
				sc.Perform(t, tel)
				c.collect(t, tel)
			})
		})
	}
	for _, member := range registry.Attribute("error.type").Members {
		t.Run("error type "+member.Value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.collect(t, failWith(t, locktest.Classed(member.Value))) })
		})
	}
	t.Run("an address of a single server", func(t *testing.T) { c.collect(t, failOnRedis(t)) })
	t.Run("a throttle that holds back and overflows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { c.collect(t, outage(t)) })
	})
	t.Run("a handler that panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { c.collect(t, panickingHandler(t)) })
	})
	t.Run("a logger of the call's own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { c.collect(t, ownLogger(t)) })
	})
	c.complete(t)
}

// newThrottledTelemetry has the throttle before the log records, as exporter has.
func newThrottledTelemetry(t *testing.T, keys int) *telemetry {
	tel := newTelemetry()
	p, err := throttle.NewProcessorWith(
		[]throttle.Option{throttle.WithMeterProvider(tel.Meters), throttle.WithMaxKeys(keys)},
		sdklog.NewSimpleProcessor(tel.Logs))
	if err != nil {
		t.Fatal(err)
	}
	tel.Loggers = sdklog.NewLoggerProvider(sdklog.WithProcessor(p))
	return tel
}

func ignore(context.Context) error { return nil }

func failWith(t *testing.T, err error) *telemetry {
	tel := newThrottledTelemetry(t, throttle.DefaultMaxKeys)
	b := newScripted()
	b.Script(func() { b.OnAcquire = slices.Repeat([]fault{answers(err)}, 100) }) // a full pool is asked again
	l := tel.Locker(t, b)
	_ = declare(t, l, "projects").Mutex("7").Do(t.Context(), ignore)
	_ = l.Close(context.Background())
	return tel
}

func failOnRedis(t *testing.T) *telemetry {
	server := miniredis.RunT(t)
	rdb := redis.NewClient(redisbackend.Options(server.Addr()))
	t.Cleanup(func() { _ = rdb.Close() })
	backend, err := redisbackend.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	tel := newThrottledTelemetry(t, throttle.DefaultMaxKeys)
	l := tel.Locker(t, backend)
	projects := declare(t, l, "projects")
	for _, fail := range []func(context.Context){
		func(context.Context) { server.FlushAll() }, // release
		func(ctx context.Context) { // extend
			server.FlushAll()
			_ = otellock.LeaseFromContext(ctx).Extend(ctx, time.Minute)
		},
	} {
		_ = projects.Mutex("7").Do(t.Context(), func(ctx context.Context) error { fail(ctx); return nil })
	}
	server.SetError("LOADING Redis is loading the dataset in memory")
	_ = projects.Mutex("7").Do(t.Context(), ignore)
	_ = l.Close(context.Background())
	return tel
}

// outage fails every operation many times over two targets, of which the
// throttle has room for one, twice with more than a window in between.
func outage(t *testing.T) *telemetry {
	tel := newThrottledTelemetry(t, 3)
	b := newScripted()
	l := tel.Locker(t, b)
	for _, name := range []string{"projects", "invoices"} {
		target := declare(t, l, name)
		for range 2 {
			for range 5 {
				b.Script(func() { b.OnAcquire = []fault{answers(errRefused)} })
				_ = target.Mutex("7").Do(t.Context(), ignore)
				b.Script(func() { b.OnExtend, b.OnRelease = []fault{answers(errRefused)}, []fault{answers(errRefused)} })
				_ = target.Mutex("8").Do(t.Context(), func(ctx context.Context) error {
					return otellock.LeaseFromContext(ctx).Extend(ctx, time.Minute)
				})
				b.Clear()
			}
			time.Sleep(61 * time.Second)
		}
		for range 2 {
			b.Script(func() { b.OnAcquire = []fault{answers(errRefused)} })
			_ = target.Mutex("7").Do(t.Context(), ignore)
		}
	}
	_ = l.Close(context.Background())
	_ = tel.Loggers.Shutdown(context.Background())
	return tel
}

type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool { return true }

func (panicking) Handle(context.Context, slog.Record) error { panic("a handler that is broken") }

func panickingHandler(t *testing.T) *telemetry {
	tel := newThrottledTelemetry(t, throttle.DefaultMaxKeys)
	b := newScripted()
	b.Script(func() { b.OnAcquire = []fault{answers(errRefused)} })
	l := tel.Locker(t, b, otellock.WithLogger(slog.New(panicking{slog.DiscardHandler})))
	_ = declare(t, l, "projects").Mutex("7").Do(t.Context(), ignore)
	_ = l.Close(context.Background())
	return tel
}

func ownLogger(t *testing.T) *telemetry {
	tel := newThrottledTelemetry(t, throttle.DefaultMaxKeys)
	b := newScripted()
	logger := otelslog.NewLogger(otellock.ScopeName, otelslog.WithLoggerProvider(tel.Loggers))
	l := tel.Locker(t, b, otellock.WithLogger(logger))
	target := declare(t, l, "projects")
	for range 3 {
		b.Script(func() { b.OnAcquire = []fault{answers(errRefused)} })
		_ = target.Mutex("7").Do(t.Context(), ignore)
	}
	_ = l.Close(context.Background())
	_ = tel.Loggers.Shutdown(context.Background())
	return tel
}

// conformance remembers what of the registry has been emitted.
type conformance struct {
	registry *semconvregistry.Registry
	seen     map[string]bool
}

func (c *conformance) see(words ...string) { c.seen[strings.Join(words, " ")] = true }

func (c *conformance) attributes(t *testing.T, where string, uses semconvregistry.Uses, attrs []attribute.KeyValue) {
	t.Helper()
	if err := uses.Check(attrs); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	for _, kv := range attrs {
		c.see(where, string(kv.Key))
		c.see(where, string(kv.Key), kv.Value.String())
		c.see("value", string(kv.Key), kv.Value.String())
	}
}

func (c *conformance) collect(t *testing.T, tel *telemetry) {
	for _, s := range tel.Spans.Ended() {
		c.span(t, s)
	}
	for _, scope := range tel.Collect(t).ScopeMetrics {
		for _, m := range scope.Metrics {
			if strings.HasPrefix(scope.Scope.Name, "github.com/otellock/") {
				c.metric(t, m)
			}
		}
	}
	for _, r := range tel.Logs.All() {
		c.record(t, r)
	}
}

func (c *conformance) span(t *testing.T, s sdktrace.ReadOnlySpan) {
	var operation, target string
	for _, kv := range s.Attributes() {
		switch kv.Key {
		case semconv.LockOperationNameKey:
			operation = kv.Value.AsString()
		case semconv.LockTargetKey:
			target = kv.Value.AsString()
		}
	}
	def := c.registry.Span(operation)
	if def == nil {
		t.Errorf("span %q has the operation %q, which is not defined", s.Name(), operation)
		return
	}
	if want := operation + " " + target; s.Name() != want {
		t.Errorf("span %q, want %q", s.Name(), want)
	}
	if s.SpanKind().String() != def.Kind {
		t.Errorf("span %q is of kind %s", s.Name(), s.SpanKind())
	}
	if scope := s.InstrumentationScope(); scope.Name != otellock.ScopeName || scope.SchemaURL != c.registry.SchemaURL {
		t.Errorf("span %q has the scope %v", s.Name(), scope)
	}
	c.see("span " + operation)
	c.attributes(t, "span "+operation, def.Attributes, s.Attributes())
	for _, event := range s.Events() {
		i := slices.IndexFunc(def.Events, func(e *semconvregistry.Group) bool { return e.Name == event.Name })
		if i < 0 {
			t.Errorf("span %q has the event %q, which is not defined for it", s.Name(), event.Name)
			continue
		}
		c.see("span event " + event.Name)
		c.attributes(t, "span event "+event.Name, def.Events[i].Attributes, event.Attributes)
	}
	for _, link := range s.Links() {
		c.see("link.lock.holder")
		c.attributes(t, "link.lock.holder", c.registry.Group("link.lock.holder").Attributes, link.Attributes)
	}
}

func (c *conformance) metric(t *testing.T, m metricdata.Metrics) {
	def := c.registry.Metric(m.Name)
	if def == nil {
		t.Errorf("metric %s is not defined", m.Name)
		return
	}
	if m.Unit != def.Unit || m.Description != def.Brief {
		t.Errorf("metric %s has the unit %q and the description %q", m.Name, m.Unit, m.Description)
	}
	c.see("metric " + m.Name)
	var instrument, valueType string
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		instrument, valueType = "updowncounter", "int"
		if data.IsMonotonic {
			instrument = "counter"
		}
		for _, p := range data.DataPoints {
			c.attributes(t, "metric "+m.Name, def.Attributes, p.Attributes.ToSlice())
		}
	case metricdata.Histogram[float64]:
		instrument, valueType = "histogram", "double"
		for _, p := range data.DataPoints {
			c.attributes(t, "metric "+m.Name, def.Attributes, p.Attributes.ToSlice())
			if !slices.Equal(p.Bounds, def.Boundaries) {
				t.Errorf("metric %s has the boundaries %v", m.Name, p.Bounds)
			}
		}
	}
	if instrument != def.Instrument || valueType != def.ValueType {
		t.Errorf("metric %s is a %T, want a %s of %s", m.Name, m.Data, def.Instrument, def.ValueType)
	}
}

func (c *conformance) record(t *testing.T, r sdklog.Record) {
	name := r.EventName()
	var attrs []attribute.KeyValue
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		attrs = append(attrs, kv)
		if kv.Key == "otel.event.name" && name == "" {
			name = kv.Value.AsString()
		}
		return true
	})
	def := c.registry.Event(name)
	if def == nil {
		t.Errorf("a record %q has the event name %q, which is not defined", r.Body().AsString(), name)
		return
	}
	if !strings.HasPrefix(r.Severity().String(), def.Severity) {
		t.Errorf("a record of %s has the severity %s", name, r.Severity())
	}
	c.see("event " + name)
	c.attributes(t, "event "+name, def.Attributes, attrs)
	if name != semconv.EventLockReportSummary {
		c.logOnly(t, name, attrs)
	}
}

// logOnly holds the record to what a span event of the same name may leave out.
func (c *conformance) logOnly(t *testing.T, name string, attrs []attribute.KeyValue) {
	for _, want := range []string{"exception.type", "exception.message", "code.function.name", "code.file.path",
		"code.line.number", "lock.report.suppressed_count", "otel.event.name"} {
		if !slices.ContainsFunc(attrs, func(kv attribute.KeyValue) bool { return string(kv.Key) == want }) {
			t.Errorf("a record of %s has no %s", name, want)
		}
	}
}

func (c *conformance) complete(t *testing.T) {
	want := func(words ...string) {
		if what := strings.Join(words, " "); !c.seen[what] {
			t.Errorf("the registry defines %s, and nothing emitted it", what)
		}
	}
	uses := func(where string, uses semconvregistry.Uses) {
		want(where)
		for _, use := range uses {
			if use.Level == semconvregistry.OptIn {
				continue
			}
			want(where, use.ID)
			for _, value := range use.Values {
				want(where, use.ID, value)
			}
		}
	}
	for _, m := range c.registry.Metrics {
		uses("metric "+m.Name, m.Attributes)
	}
	for _, s := range c.registry.Spans {
		uses("span "+s.Name, s.Attributes)
		for _, e := range s.Events {
			want("span event " + e.Name)
		}
	}
	for _, l := range c.registry.Links {
		uses(l.ID, l.Attributes)
	}
	for _, e := range c.registry.Events {
		uses("event "+e.Name, e.Attributes)
	}
	for _, a := range c.registry.Attributes {
		for _, member := range a.Members {
			want("value", a.ID, member.Value)
		}
	}
}
