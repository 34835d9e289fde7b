package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/throttle"
)

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for want, opt := range map[string]throttle.Option{
		"unit":          throttle.WithWindow(60),
		"longest":       throttle.WithWindow(25 * time.Hour),
		"0 attributes":  throttle.WithKeys(),
		"9 attributes":  throttle.WithKeys("1", "2", "3", "4", "5", "6", "7", "8", "9"),
		"once":          throttle.WithKeys("a", "b", "a"),
		"a name":        throttle.WithKeys("a", ""),
		"0 keys":        throttle.WithMaxKeys(0),
		"-1 keys":       throttle.WithMaxKeys(-1),
		"10000000 keys": throttle.WithMaxKeys(10_000_000),
	} {
		p, err := throttle.NewProcessorWith([]throttle.Option{opt}, &sink{})
		if p != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewProcessor = %v, %v, want an error with %q", p, err, want)
		}
	}
	newProcessor(t, &sink{}, throttle.WithWindow(time.Millisecond), throttle.WithMaxKeys(1), throttle.WithMeterProvider(nil), nil)
}

func TestWithoutANextProcessorItIsANoOp(t *testing.T) {
	p := newProcessor(t, nil)
	if p.Enabled(t.Context(), sdklog.EnabledParameters{Severity: log.SeverityWarn}) {
		t.Error("enabled")
	}
	fail(t, p, "projects", "timeout")
	fail(t, p, "projects", "timeout")
	if err := errors.Join(p.ForceFlush(t.Context()), p.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestEnabledIsTheNextProcessors(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	fail(t, p, "projects", "timeout") // what is held back makes no difference
	for _, disabled := range []bool{false, true} {
		next.disabled = disabled
		if got := p.Enabled(t.Context(), sdklog.EnabledParameters{Severity: log.SeverityWarn}); got == disabled {
			t.Errorf("Enabled = %v, next is %v", got, !disabled)
		}
	}
}

func TestOneWarningPerWindowAndTheOthersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		fail(t, p, "projects", "timeout")
		first := next.one(t)
		if n := suppressed(t, first); n != 0 {
			t.Errorf("the first carries %d", n)
		}
		fail(t, p, "projects", "timeout")
		fail(t, p, "projects", "NOAUTH")
		time.Sleep(time.Minute - time.Nanosecond)
		fail(t, p, "projects", "timeout")
		next.none(t)
		wantPending(t, p, 3)
		time.Sleep(time.Nanosecond)
		fail(t, p, "projects", "timeout")
		got := attributes(next.one(t))
		want := map[string]any{
			"lock.report.suppressed_count":       int64(3),
			"lock.report.suppressed_since":       "2000-01-01T00:00:00.000Z",
			"lock.report.suppressed_error_types": []string{"NOAUTH", "timeout"},
		}
		for k, v := range want {
			if !reflect.DeepEqual(got[k], v) {
				t.Errorf("%s = %v, want %v", k, got[k], v)
			}
		}
		wantPending(t, p, 0)
	})
}

func TestWhatPassesIsTheRecordAndWhatItCarries(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	original := factory(warning("backend_error", "projects", "timeout")...).NewRecord()
	before := attributes(&original)
	if err := p.OnEmit(t.Context(), &original); err != nil {
		t.Fatal(err)
	}
	if after := attributes(&original); !reflect.DeepEqual(before, after) {
		t.Errorf("the caller's record now has %v", after)
	}
	got := next.one(t)
	have := attributes(got)
	for _, k := range []string{"count", "since", "error_types", "error_counts"} {
		if _, ok := have["lock.report.suppressed_"+k]; !ok {
			t.Errorf("no lock.report.suppressed_%s", k)
		}
		delete(have, "lock.report.suppressed_"+k)
	}
	if !maps.EqualFunc(have, before, func(a, b any) bool { return a == b }) {
		t.Errorf("attributes %v, want %v", have, before)
	}
	if got.EventName() != original.EventName() || got.TraceID() != original.TraceID() || !got.Timestamp().Equal(original.Timestamp()) ||
		got.Severity() != log.SeverityWarn || got.Body().AsString() != original.Body().AsString() || got.Resource() != original.Resource() {
		t.Errorf("a field of the record has changed: %+v", got)
	}
}

func TestSiblingProcessorsSeeTheOriginalRecord(t *testing.T) {
	before, after, next := &sink{}, &sink{}, &sink{}
	p := newProcessor(t, next)
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(before), sdklog.WithProcessor(p), sdklog.WithProcessor(after))
	defer provider.Shutdown(context.Background())
	for range 3 {
		var r log.Record
		r.SetSeverity(log.SeverityWarn)
		r.AddAttributes(warning("backend_error", "projects", "timeout")...)
		provider.Logger("test").Emit(t.Context(), r)
	}
	next.one(t)
	for _, sibling := range []*sink{before, after} {
		records := sibling.take()
		if len(records) != 3 {
			t.Fatalf("a sibling saw %d records, want 3", len(records))
		}
		for i := range records {
			if _, ok := attributes(&records[i])["lock.report.suppressed_count"]; ok {
				t.Error("a sibling saw the throttle's attributes")
			}
		}
	}
}

func TestOnlyWarningsWithBothKeysAreThrottled(t *testing.T) {
	action, target := attribute.String("lock.action", "backend_error"), attribute.String("lock.target", "projects")
	group := func(name string, attrs ...attribute.KeyValue) attribute.KeyValue {
		return attribute.Map(name, attrs...)
	}
	padding := make([]attribute.KeyValue, 40)
	for i := range padding {
		padding[i] = attribute.Int(fmt.Sprint("p", i), i)
	}
	for name, tc := range map[string]struct {
		severity  log.Severity
		attrs     []attribute.KeyValue
		throttled bool
	}{
		"WARN":                    {log.SeverityWarn, []attribute.KeyValue{action, target}, true},
		"WARN4":                   {log.SeverityWarn4, []attribute.KeyValue{action, target}, true},
		"INFO4":                   {log.SeverityInfo4, []attribute.KeyValue{action, target}, false},
		"ERROR":                   {log.SeverityError, []attribute.KeyValue{action, target}, false},
		"FATAL4":                  {log.SeverityFatal4, []attribute.KeyValue{action, target}, false},
		"no severity":             {log.SeverityUndefined, []attribute.KeyValue{action, target}, false},
		"no attributes":           {log.SeverityWarn, nil, false},
		"no target":               {log.SeverityWarn, []attribute.KeyValue{action}, false},
		"no action":               {log.SeverityWarn, []attribute.KeyValue{target}, false},
		"keys last":               {log.SeverityWarn, append(padding[:40:40], target, action), true},
		"empty keys":              {log.SeverityWarn, []attribute.KeyValue{attribute.String("lock.action", ""), attribute.String("lock.target", "")}, true},
		"integer action":          {log.SeverityWarn, []attribute.KeyValue{attribute.Int("lock.action", 1), target}, false},
		"boolean target":          {log.SeverityWarn, []attribute.KeyValue{action, attribute.Bool("lock.target", true)}, false},
		"list target":             {log.SeverityWarn, []attribute.KeyValue{action, attribute.StringSlice("lock.target", []string{"projects"})}, false},
		"in a group":              {log.SeverityWarn, []attribute.KeyValue{group("app", action, target)}, true},
		"in the second group":     {log.SeverityWarn, []attribute.KeyValue{group("http", attribute.Int("status", 200)), group("app", action, target)}, true},
		"two groups deep":         {log.SeverityWarn, []attribute.KeyValue{group("a", group("b", action, target))}, false},
		"torn apart by a group":   {log.SeverityWarn, []attribute.KeyValue{action, group("app", target)}, false},
		"torn apart by groups":    {log.SeverityWarn, []attribute.KeyValue{group("a", action), group("b", target)}, false},
		"not strings, in a group": {log.SeverityWarn, []attribute.KeyValue{group("app", attribute.Int("lock.action", 1), target)}, false},
		"integer above, in group": {log.SeverityWarn, []attribute.KeyValue{attribute.Int("lock.action", 1), group("app", action, target)}, true},
		"key too long":            {log.SeverityWarn, []attribute.KeyValue{action, attribute.String("lock.target", strings.Repeat("x", 10_000))}, true},
	} {
		t.Run(name, func(t *testing.T) {
			next := &sink{}
			p := newProcessor(t, next)
			f := factory(tc.attrs...)
			f.Severity = tc.severity
			for range 3 {
				r := f.NewRecord()
				if err := p.OnEmit(t.Context(), &r); err != nil {
					t.Fatal(err)
				}
			}
			records := next.take()
			want := 3
			if tc.throttled {
				want = 1
			}
			if len(records) != want {
				t.Fatalf("%d of 3 passed, want %d", len(records), want)
			}
			if _, marked := attributes(&records[0])["lock.report.suppressed_count"]; marked != tc.throttled {
				t.Errorf("carries a count: %v, want %v", marked, tc.throttled)
			}
			if !tc.throttled && records[0].AttributesLen() != len(tc.attrs) {
				t.Error("what is not the throttle's was changed")
			}
		})
	}
}

func TestRecordsOfSlogAreThrottledEvenInAGroup(t *testing.T) {
	for _, group := range []string{"", "app"} {
		next := &sink{}
		p := newProcessor(t, next)
		provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(p))
		logger := slog.New(otelslog.NewHandler("test", otelslog.WithLoggerProvider(provider))).WithGroup(group)
		for range 5 {
			logger.Warn("lock backend failed", "lock.action", "backend_error", "lock.target", "projects", "error.type", "timeout")
		}
		logger.Error("lock backend failed", "lock.action", "backend_error", "lock.target", "projects")
		if records := next.take(); len(records) != 2 {
			t.Errorf("group %q: %d records, want a warning and the error", group, len(records))
		}
		wantPending(t, p, 4)
		if err := provider.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		summary := attributes(next.one(t))
		if summary["lock.target"] != "projects" || !reflect.DeepEqual(summary["lock.report.suppressed_error_types"], []string{"timeout"}) {
			t.Errorf("group %q: summary %v", group, summary)
		}
	}
}

func TestANonPositiveWindowLeavesRecordsAlone(t *testing.T) {
	for _, window := range []time.Duration{0, -time.Minute} {
		next := &sink{}
		p := newProcessor(t, next, throttle.WithWindow(window))
		gate := gateOf(p, "backend_error", "projects")
		for range 10 {
			if gate(time.Now(), "timeout") {
				t.Fatal("the gate holds back")
			}
			fail(t, p, "projects", "timeout")
		}
		records := next.take()
		if len(records) != 10 {
			t.Fatalf("%d of 10 passed", len(records))
		}
		if n := records[9].AttributesLen(); n != len(warning("", "", "")) {
			t.Errorf("%d attributes, want the record's own", n)
		}
		wantPending(t, p, 0)
	}
}

func TestACountFromAnUpstreamWindowJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		count := attribute.Int("lock.report.suppressed_count", 40)
		since := attribute.String("lock.report.suppressed_since", "1999-12-31T23:00:00Z")
		types := attribute.StringSlice("lock.report.suppressed_error_types", []string{"NOAUTH"})
		keys := warning("backend_error", "projects", "timeout")

		emit(t, p, append(keys[:21:21], since, types, count)...) // wherever it stands
		if got := attributes(next.one(t)); got["lock.report.suppressed_count"] != int64(40) || got["lock.report.suppressed_since"] != "1999-12-31T23:00:00.000Z" ||
			!reflect.DeepEqual(got["lock.report.suppressed_error_types"], []string{"NOAUTH"}) {
			t.Errorf("passes with %v", got)
		}
		time.Sleep(time.Second)
		emit(t, p, append([]attribute.KeyValue{keys[0], keys[1], count, types, since}, keys[2:]...)...) // held back: before error.type
		fail(t, p, "projects", "eof")
		wantPending(t, p, 42)
		time.Sleep(59 * time.Second)
		// As slog's bridge writes a list, and in a group.
		list := attribute.Slice("lock.report.suppressed_error_types", attribute.StringValue("closed"), attribute.Int64Value(1))
		emit(t, p, attribute.Map("app", keys[0], keys[1], attribute.Int("lock.report.suppressed_count", 8), list))
		if got := attributes(next.one(t)); got["lock.report.suppressed_count"] != int64(50) ||
			!reflect.DeepEqual(got["lock.report.suppressed_error_types"], []string{"NOAUTH", "eof", "timeout", "closed"}) {
			t.Errorf("passes with %v", got)
		}
		wantPending(t, p, 0)
		for _, v := range []attribute.KeyValue{
			attribute.Int("lock.report.suppressed_count", -5), attribute.String("lock.report.suppressed_count", "5"),
		} {
			emit(t, p, keys[0], keys[1], v) // no count that one could add
		}
		wantPending(t, p, 2)
	})
}

func TestNoCountIsLostAtTheLimitOfAttributes(t *testing.T) {
	attrs := warning("backend_error", "projects", "timeout")
	for limit := 3; limit <= len(attrs)+4; limit++ {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := &sink{}
				p := newProcessor(t, next)
				logger := sdklog.NewLoggerProvider(sdklog.WithProcessor(p), sdklog.WithAttributeCountLimit(limit)).Logger("test")
				var r log.Record
				r.SetSeverity(log.SeverityWarn)
				r.AddAttributes(attrs...)
				for range 5 {
					for range 10 {
						logger.Emit(t.Context(), r)
					}
					time.Sleep(59 * time.Second)
				}
				if err := p.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				records := next.take()
				if got := accounted(t, records); got != 50 {
					t.Errorf("%d accounted for, want 50", got)
				}
				for i := range records {
					a := attributes(&records[i])
					if a["lock.action"] != "backend_error" || a["lock.target"] != "projects" || len(a) > limit {
						t.Errorf("%d attributes: %v", len(a), a)
					}
					warned := records[i].Severity() == log.SeverityWarn
					if warned && limit >= 7 && a["error.type"] != "timeout" {
						t.Errorf("no error.type in %v", a)
					}
					if want := len(attrs) + 4 - limit; warned && limit > len(attrs) && (len(a) != limit || records[i].DroppedAttributes() != want) {
						t.Errorf("%d attributes and %d dropped, want %d and %d", len(a), records[i].DroppedAttributes(), limit, want)
					}
				}
			})
		})
	}
}

func TestTheGateAndTheProcessorCountEachOccurrenceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		gate := gateOf(p, "backend_error", "projects")
		built, occurrences := 0, 0
		for range 600 {
			occurrences++
			if !gate(time.Now(), "timeout") {
				built++
				fail(t, p, "projects", "timeout")
			}
			time.Sleep(time.Second)
		}
		records := next.take()
		if built != 10 || len(records) != 10 {
			t.Errorf("%d records built, %d passed, want 10 and 10", built, len(records))
		}
		if got := accounted(t, records) + p.Pending(); got != uint64(occurrences) {
			t.Errorf("%d accounted for, want %d", got, occurrences)
		}
	})
}

func TestANextProcessorThatFailsLosesNoCount(t *testing.T) {
	for name, hook := range map[string]func(*sdklog.Record) error{
		"error":         func(*sdklog.Record) error { return errBroken },
		"panic":         func(*sdklog.Record) error { panic(errBroken) },
		"key panic":     func(*sdklog.Record) error { panic(keyPanic{}) },
		"runtime panic": func(r *sdklog.Record) error { return next(nil).OnEmit(context.Background(), r) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := new(sink).before(hook)
				p := newProcessor(t, next)
				try := func() error {
					r := factory(warning("backend_error", "projects", "timeout")...).NewRecord()
					return p.OnEmit(t.Context(), &r)
				}
				for i := range 3 {
					err := try()
					if err == nil || name == "error" && !errors.Is(err, errBroken) {
						t.Errorf("OnEmit: %v", err)
					}
					if strings.HasSuffix(name, "panic") && !strings.Contains(err.Error(), "panicked") {
						t.Errorf("OnEmit: %v", err)
					}
					if name == "panic" && strings.Contains(err.Error(), errBroken.Error()) || strings.Contains(err.Error(), "lock:project:7") {
						t.Errorf("the error %q gives the panic's text away", err)
					}
					time.Sleep(time.Second) // so that the timer comes after the next record
					if err := try(); err != nil {
						t.Errorf("held back: %v", err)
					}
					wantPending(t, p, uint64(2*i+2))
					time.Sleep(59 * time.Second)
				}
				next.none(t)
				next.before(nil)
				if err := try(); err != nil {
					t.Error(err)
				}
				if got := next.one(t); suppressed(t, got) != 6 {
					t.Errorf("carries %d, want 6", suppressed(t, got))
				}
				wantPending(t, p, 0)
			})
		})
	}
}

// keyPanic is a runtime.Error, as any type may be, and names a key.
type keyPanic struct{}

func (keyPanic) RuntimeError() {}
func (keyPanic) Error() string { return "lock:project:7" }

var _ runtime.Error = keyPanic{}

// next hides from linters that it is nil.
func next(s *sink) sdklog.Processor { return s }

func TestGoexitInTheNextProcessorLosesNoCount(t *testing.T) {
	next := new(sink).before(func(*sdklog.Record) error { runtime.Goexit(); return nil })
	p := newProcessor(t, next)
	var wg sync.WaitGroup
	wg.Go(func() { fail(t, p, "projects", "timeout") })
	wg.Wait()
	wantPending(t, p, 1)
	next.before(nil)
}

func TestANextProcessorThatBlocksHoldsUpNobodyElse(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 1)
	next := new(sink).before(func(r *sdklog.Record) error {
		if attributes(r)["lock.target"] == "stuck" {
			entered <- struct{}{}
			<-release
		}
		return nil
	})
	p := newProcessor(t, next)
	var wg sync.WaitGroup
	wg.Go(func() { fail(t, p, "stuck", "timeout") })
	<-entered
	fail(t, p, "stuck", "timeout") // held back, not held up
	fail(t, p, "projects", "timeout")
	next.one(t)
	wantPending(t, p, 2) // one in the next processor's hands, one behind it
	close(release)
	wg.Wait()
	wantPending(t, p, 1)
}

func TestARecordWithoutATimeOfObservationGoesByTheClock(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	f := factory(warning("backend_error", "projects", "timeout")...)
	for _, observed := range []time.Time{{}, time.Unix(0, 0), time.Now().Round(0).Add(-time.Hour), time.Now().Add(time.Hour), time.Now().Add(-time.Hour)} {
		f.ObservedTimestamp = observed
		r := f.NewRecord()
		if err := p.OnEmit(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
	}
	next.one(t)
	wantPending(t, p, 4)
}

func TestHoldingARecordBackAllocatesNothing(t *testing.T) {
	p := newProcessor(t, nil, throttle.WithMaxKeys(1))
	fail(t, p, "projects", "timeout")
	fail(t, p, "overflow", "timeout")
	own := factory(warning("backend_error", "projects", "timeout")...).NewRecord()
	overflow := factory(warning("backend_error", "another", "timeout")...).NewRecord()
	gate := gateOf(p, "backend_error", "projects")
	for name, f := range map[string]func(){
		"OnEmit":           func() { _ = p.OnEmit(context.Background(), &own) },
		"OnEmit, overflow": func() { _ = p.OnEmit(context.Background(), &overflow) },
		"gate":             func() { gate(time.Now(), "timeout") },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
