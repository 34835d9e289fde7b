package sentrylog_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

// answers scripts a fake: the last answer goes on for ever.
func answers(as ...envelopetest.Answer) func(int) envelopetest.Answer {
	return func(attempt int) envelopetest.Answer { return as[min(attempt, len(as)-1)] }
}

func TestServerErrorsAndRefusedConnectionsAreTriedAgain(t *testing.T) {
	for name, a := range map[string]envelopetest.Answer{
		"500": envelopetest.Status(500), "503": envelopetest.Status(503), "408": envelopetest.Status(408), "refused": envelopetest.Reset(),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &fakeSentry{answer: answers(a, a, a, envelopetest.OK())}
				e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
				if err := e.Export(t.Context(), backendErrors(1)); err != nil {
					t.Fatal(err)
				}
				at := fake.attempts()
				if len(at) != 4 || len(fake.arrived()) != 1 || e.Dropped() != 0 {
					t.Fatalf("%d attempts, %d arrived, %d dropped; want 4, 1, 0", len(at), len(fake.arrived()), e.Dropped())
				}
				for i := 1; i < len(at); i++ {
					if gap := at[i] - at[i-1]; gap <= 0 || gap > 250*time.Millisecond<<(i-1) {
						t.Errorf("attempt %d came %v after the one before", i, gap)
					}
				}
			})
		})
	}
}

func TestRetriesEndWithTheContextAndTheLossIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.Status(502))}
		e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := e.Export(ctx, backendErrors(20))
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Export took %v, its context 5s", took)
		}
		wantError(t, err, "20 of 20 events not delivered", "502")
		if e.Dropped() != 20 || e.Sent() != 0 {
			t.Errorf("dropped %d, sent %d; want 20, 0", e.Dropped(), e.Sent())
		}
		if n := len(fake.attempts()); n < 20 || n > 20*8 {
			t.Errorf("%d attempts for 20 events in 5s", n)
		}
	})
}

func TestWithoutADeadlineExportEndsAfterHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.Hang())}
		e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		start := time.Now()
		err := e.Export(context.Background(), backendErrors(3))
		if took := time.Since(start); took > 30*time.Second || took < 20*time.Second {
			t.Errorf("Export took %v, want up to 30s", took)
		}
		wantError(t, err, "3 of 3 events not delivered: no answer in time")
		if n := len(fake.attempts()); n < 6 {
			t.Errorf("%d attempts, want at least two for each event: one that hangs must not take all the time", n)
		}
	})
}

func TestWhatCannotBeHelpedIsNotTriedAgain(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 413, 301} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &fakeSentry{answer: answers(envelopetest.Status(code))}
				e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
				err := e.Export(t.Context(), backendErrors(2))
				wantError(t, err, "2 of 2 events not delivered", fmt.Sprint(code))
				if n := len(fake.attempts()); n != 2 {
					t.Errorf("%d attempts for 2 events, want 2", n)
				}
			})
		})
	}
}

func TestRateLimitsAreHonoured(t *testing.T) {
	later := time.Date(2000, 1, 1, 0, 0, 9, 0, time.UTC) // virtual time starts at 2000-01-01
	date := envelopetest.TooMany(-1)
	date.Header.Set("Retry-After", later.Format(http.TimeFormat))
	busy := envelopetest.Status(503)
	busy.Header = http.Header{"Retry-After": {"4"}}
	for _, c := range []struct {
		name   string
		answer envelopetest.Answer
		want   time.Duration
	}{
		{"Retry-After in seconds", envelopetest.TooMany(7), 7 * time.Second},
		{"Retry-After as a date", date, 9 * time.Second},
		{"for errors", envelopetest.Limited(429, "5:error:organization"), 5 * time.Second},
		{"for several categories", envelopetest.Limited(429, "60:transaction, 3:default;Error;security:key"), 3 * time.Second},
		{"for all categories", envelopetest.Limited(429, "6::organization"), 6 * time.Second},
		{"a fraction", envelopetest.Limited(429, "1.2:error"), 2 * time.Second},
		{"a server that is busy", busy, 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &fakeSentry{answer: answers(c.answer, envelopetest.OK())}
				e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
				if err := e.Export(t.Context(), backendErrors(1)); err != nil {
					t.Fatal(err)
				}
				if at := fake.attempts(); len(at) != 2 || at[1] != c.want {
					t.Errorf("attempts at %v, want the second at %v", at, c.want)
				}
			})
		})
	}
}

func TestALimitAnnouncedOnSuccessHoldsTheNextEventBack(t *testing.T) {
	for limits, want := range map[string]time.Duration{"8:error:organization": 8 * time.Second, "8:transaction;log_item:organization": 0, "rubbish": 0} {
		synctest.Test(t, func(t *testing.T) {
			fake := &fakeSentry{answer: answers(envelopetest.Limited(200, limits), envelopetest.OK())}
			e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
			for range 2 {
				if err := e.Export(t.Context(), backendErrors(1)); err != nil {
					t.Fatal(err)
				}
			}
			if at := fake.attempts(); len(at) != 2 || at[1] != want {
				t.Errorf("%s: attempts at %v, want the second at %v", limits, at, want)
			}
		})
	}
}

func TestALimitLongerThanTheDeadlineDropsAtOnceAndIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.TooMany(-1), envelopetest.OK())} // bare: a minute
		e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(0, 0))
		start := time.Now()
		wantError(t, e.Export(t.Context(), backendErrors(1)), "1 of 1 events not delivered: rate limited")
		wantError(t, e.Export(t.Context(), backendErrors(30)), "30 of 30 events not delivered: rate limited")
		if time.Since(start) != 0 || len(fake.attempts()) != 1 {
			t.Errorf("%d attempts in %v, want one and no waiting", len(fake.attempts()), time.Since(start))
		}
		time.Sleep(time.Minute)
		if err := e.Export(t.Context(), backendErrors(1)); err != nil {
			t.Fatal(err)
		}
		events := fake.arrived()
		if len(events) != 1 || e.Dropped() != 31 {
			t.Fatalf("%d arrived, %d dropped; want 1, 31", len(events), e.Dropped())
		}
		if got := events[0].Contexts["sentrylog"]["dropped_events"]; got != 31.0 {
			t.Errorf("the next event tells of %v dropped events, want 31", got)
		}
	})
}

func TestWhatAnEventToldIsToldAgainWhenItDidNotArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.OK(), envelopetest.Status(400), envelopetest.OK())}
		e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(1, 1))
		if err := e.Export(t.Context(), backendErrors(3)); err != nil { // one arrives, two are cut
			t.Fatal(err)
		}
		for range 2 {
			time.Sleep(time.Minute)
			spotless(t, e.Export(t.Context(), backendErrors(1))) // the first is lost
		}
		events := fake.arrived()
		if len(events) != 2 {
			t.Fatalf("%d events, want 2", len(events))
		}
		told := events[1].Contexts["sentrylog"]
		if told["cut_events"] != 2.0 || told["dropped_events"] != 1.0 || events[1].Tags["sentrylog.not_sent"] != "3" {
			t.Errorf("told: %v, want 2 cut and 1 dropped", told)
		}
	})
}

func TestASlowServerIsServedInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{latency: time.Second}
		e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(0, 0))
		start := time.Now()
		if err := e.Export(t.Context(), backendErrors(120)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("120 events of 1s took %v, want 15s with 8 at a time", took)
		}
	})
}

func TestExportWithAContextThatIsOverAccountsForItsRecords(t *testing.T) {
	fake := &fakeSentry{}
	e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := e.Export(ctx, backendErrors(4))
	wantError(t, err, "4 of 4 events not delivered: canceled")
	if e.Dropped() != 4 || len(fake.attempts()) != 0 {
		t.Errorf("dropped %d with %d attempts, want 4 with none", e.Dropped(), len(fake.attempts()))
	}
}

func TestRecordsThatNeverGotTheirTurnAreToldInFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{}
		e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		over, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, e.Export(over, backendErrors(4)), "4 of 4 events not delivered: canceled")
		if err := e.Export(t.Context(), backendErrors(1)); err != nil {
			t.Fatal(err)
		}
		told := fake.arrived()[0].Contexts["sentrylog"]
		want := map[string]any{"cut_events": 0.0, "dropped_events": 4.0, "occurrences": 4.0 * 1844, "since": "2026-11-22T03:04:05Z"}
		for k, v := range want {
			if told[k] != v {
				t.Errorf("the next event tells %s = %v, want %v", k, told[k], v)
			}
		}
	})
}

// A 429 that limits other categories is an answer like a 503, not a minute of
// silence.
func TestALimitOfAnotherCategoryDoesNotStopEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.Limited(429, "60:transaction;replay:organization"), envelopetest.OK())}
		e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		for range 2 {
			if err := e.Export(t.Context(), backendErrors(1)); err != nil {
				t.Fatal(err)
			}
		}
		at := fake.attempts()
		if len(at) != 3 || at[2] > 250*time.Millisecond || len(fake.arrived()) != 2 {
			t.Errorf("attempts at %v, %d arrived; want 3 within 250ms, 2", at, len(fake.arrived()))
		}
	})
}
