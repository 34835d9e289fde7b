package lockthrottleprocessor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
)

func TestTheFirstPassesAtOnceAndTheNextCarriesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		start := time.Now()
		consume(t, p, from(1, lock("orders"), lock("orders"), lock("users")))
		first := next.take()
		if len(first) != 2 {
			t.Fatalf("%d records, want the first of each target", len(first))
		}
		for i, target := range []string{"orders", "users"} {
			r := first[i]
			if r.attr("lock.target") != target || r.attr(count) != int64(0) || r.TraceID() != [16]byte{1, 1, byte(2 * i)} ||
				r.resource["service.instance.id"] != "instance-1" || r.scope != "lib" || r.SeverityNumber() != plog.SeverityNumberWarn {
				t.Errorf("record %d: %v of %v, trace %v", i, r.Attributes().AsRaw(), r.resource, r.TraceID())
			}
		}
		for i := range 3 {
			time.Sleep(15 * time.Second)
			consume(t, p, from(i+2, lock("orders", record{"error.type": "eof"})))
		}
		if late := next.take(); len(late) != 0 {
			t.Fatalf("%d records within the window", len(late))
		}
		time.Sleep(15 * time.Second)
		consume(t, p, from(9, lock("orders")))
		records := next.take()
		if len(records) != 1 {
			t.Fatalf("%d records after the window, want 1", len(records))
		}
		for name, want := range map[string]string{
			count: "4", since: start.UTC().Format("2006-01-02T15:04:05.000Z"), errorTypes: "[eof timeout]", errorCounts: "[3 1]",
		} {
			if got := fmt.Sprint(records[0].attr(name)); got != want {
				t.Errorf("%s = %s, want %s", name, got, want)
			}
		}
	})
}

func TestWhatIsPendingIsASummaryWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		start := time.Now()
		consume(t, p, from(1, lock("orders", record{"lock.key_pattern": "lock:orders:*"})))
		time.Sleep(10 * time.Second)
		consume(t, p, from(2, lock("orders"), lock("orders")))
		next.take()
		time.Sleep(time.Minute)
		synctest.Wait()
		records := next.take()
		if len(records) != 1 {
			t.Fatalf("%d records, want a summary", len(records))
		}
		s := records[0]
		if s.SeverityNumber() != plog.SeverityNumberInfo || s.SeverityText() != "INFO" || s.EventName() != summaryEvent ||
			s.Body().Str() != "repeated warnings suppressed: backend_error, orders" || s.scope != "lib" || !s.TraceID().IsEmpty() {
			t.Errorf("summary %v %q %q", s.SeverityNumber(), s.EventName(), s.Body().Str())
		}
		format := func(d time.Duration) string { return start.Add(d).UTC().Format("2006-01-02T15:04:05.000Z") }
		for name, want := range map[string]string{
			"lock.action": "backend_error", "lock.target": "orders", "lock.key_pattern": "lock:orders:*", "otel.event.name": summaryEvent,
			count: "2", since: format(0), until: format(10 * time.Second), errorTypes: "[timeout]", errorCounts: "[2]",
		} {
			if got := fmt.Sprint(s.attr(name)); got != want {
				t.Errorf("%s = %s, want %s", name, got, want)
			}
		}
		// What differs between instances is not said of all.
		if got := fmt.Sprint(s.resource); got != "map[deployment.environment.name:production service.name:api service.namespace:shop]" {
			t.Errorf("resource %s", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if late := next.take(); len(late) != 0 {
			t.Errorf("%d more records", len(late))
		}
	})
}

func TestCountsOfThrottlesUpstreamJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		upstream := record{count: 7, since: "1999-12-31T23:00:00.000Z", errorTypes: []any{"NOAUTH"}, errorCounts: []any{7}}
		consume(t, p, from(1, lock("orders", upstream)))
		first := next.take()[0]
		if fmt.Sprintf("%v %v %v %v", first.attr(count), first.attr(since), first.attr(errorTypes), first.attr(errorCounts)) != "7 1999-12-31T23:00:00.000Z [NOAUTH] [7]" {
			t.Errorf("the first record carries %v", first.Attributes().AsRaw())
		}
		for i := range 39 {
			consume(t, p, from(i+2, lock("orders", upstream)))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		occurrences, warnings := next.accounted()
		if want := int64(39 + 39*7); occurrences != want || warnings != 0 {
			t.Errorf("%d occurrences, %d warnings, want a summary for %d", occurrences, warnings, want)
		}
	})
}

// A bridge may nest attributes of a call in a map, and JSON made by hand may have
// numbers that are doubles.
func TestTheCountOfAThrottleUpstreamJoinsInWhateverFormItComes(t *testing.T) {
	said := func(n any, counts ...any) record {
		return record{count: n, since: "1999-12-31T23:00:00.000Z", errorTypes: []any{"NOAUTH", "eof"}, errorCounts: counts}
	}
	nested := func(r record) record { return record{"context": map[string]any(r)} }
	key := record{"lock.action": "backend_error", "lock.target": "orders"}
	for name, r := range map[string]record{
		"beside the key":                      said(7, 5, 2),
		"doubles":                             said(7.0, 5.0, 2.0),
		"in a map, the key at the top level":  nested(said(7, 5, 2)),
		"doubles in a map":                    nested(said(7.0, 5.0, 2.0)),
		"at the top level, the key in a map":  {"lock.action": nil, "lock.target": nil, "fields": map[string]any(key), "more": map[string]any(said(7, 5, 2))},
		"in both, of which the upper is read": {count: 7, since: "1999-12-31T23:00:00.000Z", errorTypes: []any{"NOAUTH", "eof"}, errorCounts: []any{5, 2}, "context": map[string]any(said(9, 9))},
	} {
		t.Run(name, func(t *testing.T) {
			next := &sink{}
			p := newProcessor(t, next)
			consume(t, p, from(1, lock("orders", r)))
			records := next.take()
			if len(records) != 1 {
				t.Fatalf("%d passed, want 1", len(records))
			}
			passed := records[0]
			if got := fmt.Sprintf("%v %v %v %v", passed.attr(count), passed.attr(since), passed.attr(errorTypes), passed.attr(errorCounts)); got != "7 1999-12-31T23:00:00.000Z [NOAUTH eof] [5 2]" {
				t.Errorf("it carries %s", got)
			}
			if in, ok := passed.attr("context").(map[string]any); ok && in[count] != nil {
				t.Errorf("the count is there twice: %v", passed.Attributes().AsRaw())
			}
		})
	}
}

func TestASummaryIsKnownByANameInAMap(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	consume(t, p, from(1, lock("orders", record{
		"severity": plog.SeverityNumberInfo, "context": map[string]any{"otel.event.name": summaryEvent, count: 7},
	})))
	if n := len(next.take()); n != 0 || p.window.Pending() != 7 {
		t.Errorf("%d passed, %d pending, want 7 pending", n, p.window.Pending())
	}
}

func TestTheSummariesOfAFleetBecomeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		over := time.Now().Add(-time.Minute).UTC()
		for i := range 40 {
			summary := record{
				"severity": plog.SeverityNumberInfo, "error.type": nil, count: 10, since: "1999-12-31T23:00:00.000Z",
				until: over.Add(time.Duration(i) * time.Second).Format("2006-01-02T15:04:05.000Z"),
			}
			if i%2 == 0 {
				summary["event"] = summaryEvent
			} else {
				summary["otel.event.name"] = summaryEvent
			}
			consume(t, p, from(i, lock("orders", summary)))
			time.Sleep(time.Second)
		}
		if early := next.take(); len(early) != 0 {
			t.Fatalf("%d summaries passed", len(early))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		records := next.take()
		if len(records) != 1 {
			t.Fatalf("%d records, want 1", len(records))
		}
		s := records[0]
		if s.attr(count) != int64(400) || s.attr(since) != "1999-12-31T23:00:00.000Z" || s.attr(until) != over.Add(39*time.Second).Format("2006-01-02T15:04:05.000Z") {
			t.Errorf("%v", s.Attributes().AsRaw())
		}
	})
}

func TestASummaryWithoutACountThatCanBeReadPassesUntouched(t *testing.T) {
	for name, n := range map[string]any{
		"none": nil, "text": "10", "negative": int64(-1), "a fraction": 1.5, "a negative double": -1.0, "infinite": math.Inf(1),
	} {
		t.Run(name, func(t *testing.T) {
			next := &sink{}
			p := newProcessor(t, next)
			for range 2 {
				summary := lock("orders", record{"event": summaryEvent})
				if n != nil {
					summary[count] = n
				}
				consume(t, p, from(1, summary))
			}
			records := next.take()
			if len(records) != 2 || p.window.Pending() != 0 {
				t.Fatalf("%d passed, %d pending, want both passed", len(records), p.window.Pending())
			}
			if got := records[0].attr(count); got != n {
				t.Errorf("%s = %v, want %v", count, got, n)
			}
		})
	}
}

func TestRecordsThatAreNoLocksPassUntouched(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	untouched := func() plog.Logs {
		return from(1,
			record{"severity": plog.SeverityNumberError},
			lock("orders", record{"severity": plog.SeverityNumberInfo}),
			lock("orders", record{"severity": plog.SeverityNumberFatal}),
			lock("orders", record{"severity": plog.SeverityNumber(99)}),
			lock("orders", record{"lock.action": 7}),
			record{"lock.action": "backend_error", "severity": plog.SeverityNumberWarn},
			record{"lock.target": "orders", "severity": plog.SeverityNumberWarn, "context": map[string]any{"lock.action": "backend_error"}},
			record{"event": summaryEvent, "severity": plog.SeverityNumberInfo},
		)
	}
	want := untouched()
	duplicate := want.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty() // OTLP allows a name twice
	duplicate.SetSeverityNumber(plog.SeverityNumberWarn)
	duplicate.Attributes().FromRaw(map[string]any{"lock.action": "a", "other": "b"})
	marshal := func(l plog.Logs) string {
		var m plog.JSONMarshaler
		text, err := m.MarshalLogs(l)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for range 2 {
		logs := plog.NewLogs()
		want.CopyTo(logs)
		consume(t, p, logs)
		if got := marshal(next.batches[0]); got != marshal(want) {
			t.Errorf("passed on as\n%s\nwant\n%s", got, marshal(want))
		}
		next.take()
	}
	// In a batch with a lock's, too.
	logs := plog.NewLogs()
	want.CopyTo(logs)
	from(2, lock("orders")).ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
	consume(t, p, logs)
	if got := marshal(next.batches[0]); got != marshal(want) || len(next.batches) != 2 {
		t.Errorf("%d batches, the first\n%s\nwant\n%s", len(next.batches), got, marshal(want))
	}
}

func TestWarnErrorAndUnsetSeveritiesShareAWindow(t *testing.T) {
	for _, tc := range []struct {
		severities []string
		passes     int // of one record for each severity number, twice
	}{
		{nil, 1 + 2*16}, // warn 4, error 4, unset 1 of 25
		{[]string{"warn"}, 1 + 2*21},
		{[]string{"unset", "trace", "debug", "info", "warn", "error", "fatal"}, 1},
	} {
		t.Run(fmt.Sprint(tc.severities), func(t *testing.T) {
			next := &sink{}
			p := newProcessor(t, next, func(cfg *Config) {
				if tc.severities != nil {
					cfg.Severities = tc.severities
				}
			})
			for range 2 {
				for n := plog.SeverityNumberUnspecified; n <= plog.SeverityNumberFatal4; n++ {
					consume(t, p, from(1, lock("orders", record{"severity": n})))
				}
			}
			records := next.take()
			if len(records) != tc.passes {
				t.Errorf("%d of 50 passed, want %d", len(records), tc.passes)
			}
			var own []got
			for _, r := range records {
				if r.attr(count) != nil {
					own = append(own, r)
				}
			}
			if len(own) != 1 {
				t.Fatalf("%d records have a count, want 1", len(own))
			}
			if n := own[0].SeverityNumber(); tc.severities == nil && n != plog.SeverityNumberUnspecified {
				t.Errorf("severity %v, want it as it came", n)
			}
		})
	}
}

func TestAKeyInAMapIsFound(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	// As PHP's Monolog has it; slog's groups are the same.
	context := map[string]any{"lock.action": "backend_error", "lock.target": "orders", "error.type": "eof", count: 3}
	for range 3 {
		consume(t, p, from(1, record{"severity": plog.SeverityNumberWarn, "extra": map[string]any{"lock.action": "x"}, "context": context}))
	}
	records := next.take()
	if len(records) != 1 {
		t.Fatalf("%d passed, want 1", len(records))
	}
	r := records[0]
	if in := r.attr("context").(map[string]any); in[count] != nil || r.attr(count) != int64(3) {
		t.Errorf("%v", r.Attributes().AsRaw())
	}
	if n := p.window.Pending(); n != 2+2*3 {
		t.Errorf("%d pending, want 8", n)
	}
}

func TestServicesAndEnvironmentsHaveWindowsOfTheirOwn(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	for _, name := range []string{"", "service.namespace", "service.name", "deployment.environment.name", "service.instance.id", "host.name"} {
		logs := from(1, lock("orders"))
		if name != "" {
			logs.ResourceLogs().At(0).Resource().Attributes().PutStr(name, "other")
		}
		consume(t, p, logs)
	}
	absent := from(1, lock("orders"))
	absent.ResourceLogs().At(0).Resource().Attributes().Clear()
	consume(t, p, absent)
	if n := len(next.take()); n != 5 {
		t.Errorf("%d passed, want 5: service, namespace and environment tell apart, instance and host do not", n)
	}
}

func TestWhatTheNextComponentDoesNotTakeIsCarriedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &sink{}
		p := newProcessor(t, next)
		next.broken(errBroken)
		for range 3 {
			consume(t, p, from(1, lock("orders"), lock("orders"))) // the sender must not send again what is counted
		}
		if n := p.window.Pending(); n != 6 {
			t.Errorf("%d pending, want all 6", n)
		}
		next.broken(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if occurrences, warnings := next.accounted(); occurrences != 6 || warnings != 0 {
			t.Errorf("%d occurrences, %d warnings", occurrences, warnings)
		}
	})
}

func TestTheErrorForOtherRecordsIsReturnedBeforeAnythingIsCounted(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	mixed := func() plog.Logs { return from(1, lock("orders"), record{"other": "record"}, lock("orders")) }
	next.broken(errBroken)
	for range 3 {
		if err := p.ConsumeLogs(t.Context(), mixed()); !errors.Is(err, errBroken) {
			t.Errorf("error %v, want the next component's", err)
		}
	}
	if n := p.window.Pending(); n != 0 {
		t.Errorf("%d pending: the sender's retry will be counted again", n)
	}
	next.broken(nil)
	consume(t, p, mixed())
	if n := len(next.take()); n != 2 || p.window.Pending() != 1 {
		t.Errorf("%d records, %d pending", n, p.window.Pending())
	}
}

func TestAPanicOfTheNextComponentLosesNoCount(t *testing.T) {
	p := newProcessor(t, panics{})
	func() {
		defer func() { _ = recover() }()
		_ = p.ConsumeLogs(t.Context(), from(1, lock("orders"), lock("orders")))
	}()
	if n := p.window.Pending(); n != 2 {
		t.Errorf("%d pending, want 2", n)
	}
}

type panics struct{}

func (panics) Capabilities() consumer.Capabilities          { return consumer.Capabilities{} }
func (panics) ConsumeLogs(context.Context, plog.Logs) error { panic("boom") }

func TestShutdownSendsWhatIsPending(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	consume(t, p, from(1, lock("orders"), lock("orders"), lock("users"), lock("users"), lock("users")))
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if occurrences, warnings := next.accounted(); occurrences != 5 || warnings != 2 {
		t.Errorf("%d occurrences, %d warnings, want 5 and 2", occurrences, warnings)
	}
}

func TestShutdownSaysHowManyTheNextComponentDidNotTake(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next)
	consume(t, p, from(1, lock("orders"), lock("orders"), lock("orders")))
	next.broken(errBroken)
	if err := p.Shutdown(t.Context()); !errors.Is(err, errBroken) || p.window.Pending() != 2 {
		t.Errorf("error %v, %d pending", err, p.window.Pending())
	}
}

func TestALongKeyAndAFullTableShareOneWindow(t *testing.T) {
	next := &sink{}
	p := newProcessor(t, next, func(cfg *Config) { cfg.MaxKeys = 2 })
	for i := range 10 {
		consume(t, p, from(1, lock(fmt.Sprint("t", i)), lock(strings.Repeat("x", 1000))))
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	records := next.take()
	if len(records) != 4 {
		t.Fatalf("%d records, want one for each of two keys, one for the rest, and its summary", len(records))
	}
	s := records[3]
	if s.attr("lock.action") != "_OTHER" || s.attr("lock.target") != "_OTHER" || s.attr(count) != int64(17) || s.attr("lock.key_pattern") != nil {
		t.Errorf("%v", s.Attributes().AsRaw())
	}
}
