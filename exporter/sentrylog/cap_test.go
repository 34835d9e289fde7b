package sentrylog_test

import (
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otellock/otellock-go/exporter/sentrylog"
)

func TestTheCapCutsAndTheNextEventTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		if err := export(t.Context(), e, backendErrors(100)); err != nil {
			t.Fatalf("a cut is no error: %v", err)
		}
		if n := len(fake.arrived()); n != 60 || e.Sent() != 60 || e.Cut() != 40 || e.Dropped() != 0 {
			t.Fatalf("arrived %d, sent %d, cut %d, dropped %d; want 60, 60, 40, 0", n, e.Sent(), e.Cut(), e.Dropped())
		}

		time.Sleep(time.Minute - time.Nanosecond) // the minute of the first event
		if err := export(t.Context(), e, backendErrors(1)); err != nil {
			t.Fatal(err)
		}
		if n := len(fake.arrived()); n != 60 {
			t.Fatalf("%d events within the minute, want 60", n)
		}

		time.Sleep(time.Nanosecond)
		if err := export(t.Context(), e, backendErrors(1)); err != nil {
			t.Fatal(err)
		}
		if err := export(t.Context(), e, backendErrors(1)); err != nil {
			t.Fatal(err)
		}
		events := fake.arrived()
		if len(events) != 62 {
			t.Fatalf("%d events, want 62", len(events))
		}
		told := events[60].Contexts["sentrylog"]
		want := map[string]any{"cut_events": 41.0, "dropped_events": 0.0, "occurrences": 41.0 * 1844, "since": "2026-11-22T03:04:05Z"}
		for k, v := range want {
			if told[k] != v {
				t.Errorf("the next event tells %s = %v, want %v", k, told[k], v)
			}
		}
		if events[60].Tags["sentrylog.not_sent"] != "41" {
			t.Errorf("tag: %q, want 41", events[60].Tags["sentrylog.not_sent"])
		}
		if _, again := events[61].Contexts["sentrylog"]; again || events[61].Tags["sentrylog.not_sent"] != "" {
			t.Error("the event after it tells the same once more")
		}
	})
}

func TestNoMinuteHasMoreEventsThanTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 60
		fake := &fakeSentry{}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		export := func(n int) {
			t.Helper()
			if err := export(t.Context(), e, backendErrors(n)); err != nil {
				t.Fatal(err)
			}
		}
		export(1)
		time.Sleep(time.Minute - 100*time.Millisecond)
		export(200) // the end of the first event's minute
		time.Sleep(200 * time.Millisecond)
		export(200) // and the beginning of the next
		for range 40 {
			time.Sleep(5 * time.Second)
			export(7)
		}
		at := fake.attempts()
		for i := limit; i < len(at); i++ {
			if span := at[i] - at[i-limit]; span < time.Minute {
				t.Fatalf("%d events went out within %v, from %v on", limit+1, span, at[i-limit])
			}
		}
		if len(at) < 3*limit {
			t.Errorf("%d events went out in more than four minutes, want at least %d", len(at), 3*limit)
		}
	})
}

func TestLostLeasesHaveACapOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(5, 2))
		flood := backendErrors(50)
		flood = append(flood, records(
			failure("release_error", "projects", "stolen"),
			failure("extend_error", "projects", "lost"),
			failure("release_error", "projects", "expired"),
			failure("release_error", "projects", "timeout"), // a backend fault
		)...)
		if err := export(t.Context(), e, flood); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, event := range fake.arrived() {
			got[event.Tags["error.type"]]++
		}
		if got["timeout"] != 5 || got["stolen"] != 1 || got["lost"] != 1 || got["expired"] != 0 {
			t.Errorf("arrived: %v, want 5 timeout, 1 stolen, 1 lost", got)
		}
	})
}

func TestWithoutACapEveryEventGoesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(0, 0))
		if err := export(t.Context(), e, backendErrors(300)); err != nil {
			t.Fatal(err)
		}
		if n := len(fake.arrived()); n != 300 || e.Cut() != 0 {
			t.Errorf("arrived %d, cut %d; want 300, 0", n, e.Cut())
		}
	})
}

func TestRecordsThatTheFilterRefusesDoNotCountAgainstTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(1, 1))
		quiet := failure("backend_error", "projects", "timeout")
		quiet.SetSeverity(9)
		foreign := failure("", "projects", "timeout", attribute.String("lock.action", ""))
		if err := export(t.Context(), e, records(quiet, foreign, failure("backend_error", "projects", "timeout"))); err != nil {
			t.Fatal(err)
		}
		if events := fake.arrived(); len(events) != 1 || events[0].Level != "warning" || e.Cut() != 0 {
			t.Errorf("%d events, cut %d; want the one warning", len(events), e.Cut())
		}
	})
}
