package sentrylog_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"

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
				e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
				if err := export(t.Context(), e, backendErrors(1)); err != nil {
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

func TestAnEventIsTriedForFiveMinutesAndThenTold(t *testing.T) {
	for name, a := range map[string]envelopetest.Answer{"502": envelopetest.Status(502), "timeout": envelopetest.Hang()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &fakeSentry{answer: answers(a)}
				e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
				start := time.Now()
				err := export(context.Background(), e, backendErrors(20))
				if took := time.Since(start); took < 4*time.Minute || took > 5*time.Minute+20*time.Second {
					t.Errorf("given up after %v, want five minutes and at most a second more for each", took)
				}
				wantError(t, err, "20 of 20 events not delivered: ", name)
				if e.Dropped() != 20 || e.Sent() != 0 {
					t.Errorf("dropped %d, sent %d; want 20, 0", e.Dropped(), e.Sent())
				}
				if n := len(fake.attempts()); n < 30 {
					t.Errorf("%d attempts, want one every ten seconds at least", n)
				}
			})
		})
	}
}

func TestASentryThatIsAwayForFourMinutesCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(4 * time.Minute)
		fake := &fakeSentry{answer: func(int) envelopetest.Answer {
			if time.Now().Before(back) {
				return envelopetest.Reset()
			}
			return envelopetest.OK()
		}}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		if err := export(t.Context(), e, backendErrors(20)); err != nil {
			t.Fatal(err)
		}
		if n := len(fake.arrived()); n != 20 {
			t.Errorf("%d events arrived, want 20", n)
		}
	})
}

// The sender has nobody to return an error to.
func TestALossThatNobodyWaitsForGoesToTheErrorHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled []string
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { handled = append(handled, err.Error()) }))
		defer otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
		fake := &fakeSentry{answer: answers(envelopetest.Status(403))}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		for _, r := range backendErrors(3) {
			if err := e.OnEmit(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if want := "sentrylog: 3 of 3 events not delivered: HTTP status 403, check the DSN"; len(handled) != 1 || handled[0] != want {
			t.Errorf("handled %q, want once %q", handled, want)
		}
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Errorf("told twice: %v", err)
		}
	})
}

func TestWhatCannotBeHelpedIsNotTriedAgain(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 413, 301} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &fakeSentry{answer: answers(envelopetest.Status(code))}
				e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
				err := export(t.Context(), e, backendErrors(2))
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
				e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
				if err := export(t.Context(), e, backendErrors(1)); err != nil {
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
			e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
			for range 2 {
				if err := export(t.Context(), e, backendErrors(1)); err != nil {
					t.Fatal(err)
				}
			}
			if at := fake.attempts(); len(at) != 2 || at[1] != want {
				t.Errorf("%s: attempts at %v, want the second at %v", limits, at, want)
			}
		})
	}
}

func TestABare429HoldsEventsBackForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.TooMany(-1), envelopetest.OK())}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		if err := export(t.Context(), e, backendErrors(3)); err != nil {
			t.Fatal(err)
		}
		if at := fake.attempts(); len(at) != 4 || at[1] != time.Minute || e.Sent() != 3 {
			t.Errorf("attempts at %v, %d sent; want the second after a minute, 3", at, e.Sent())
		}
	})
}

func TestALimitLongerThanAnEventIsKeptDropsAtOnceAndIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.TooMany(600), envelopetest.OK())}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(0, 0))
		start := time.Now()
		wantError(t, export(t.Context(), e, backendErrors(1)), "1 of 1 events not delivered: rate limited")
		wantError(t, export(t.Context(), e, backendErrors(30)), "30 of 30 events not delivered: rate limited")
		if time.Since(start) != 0 || len(fake.attempts()) != 1 {
			t.Errorf("%d attempts in %v, want one and no waiting", len(fake.attempts()), time.Since(start))
		}
		time.Sleep(10 * time.Minute)
		if err := export(t.Context(), e, backendErrors(1)); err != nil {
			t.Fatal(err)
		}
		events := fake.arrived()
		if len(events) != 1 || e.Dropped() != 31 {
			t.Fatalf("%d arrived, %d dropped; want 1, 31", len(events), e.Dropped())
		}
		told := events[0].Contexts["sentrylog"]
		want := map[string]any{"cut_events": 0.0, "dropped_events": 31.0, "occurrences": 31.0 * 1844, "since": "2026-11-22T03:04:05Z"}
		for k, v := range want {
			if told[k] != v {
				t.Errorf("the next event tells %s = %v, want %v", k, told[k], v)
			}
		}
	})
}

func TestShutdownDoesNotWaitForALimitThatOutlastsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.TooMany(60))}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		for _, r := range backendErrors(7) {
			if err := e.OnEmit(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		wantError(t, e.Shutdown(ctx), "7 of 7 events not delivered: rate limited")
		if took := time.Since(start); took != 0 {
			t.Errorf("Shutdown took %v", took)
		}
	})
}

func TestWhatAnEventToldIsToldAgainWhenItDidNotArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.OK(), envelopetest.Status(400), envelopetest.OK())}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(1, 1))
		if err := export(t.Context(), e, backendErrors(3)); err != nil { // one arrives, two are cut
			t.Fatal(err)
		}
		for range 2 {
			time.Sleep(time.Minute)
			spotless(t, export(t.Context(), e, backendErrors(1))) // the first is lost
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

func TestASlowServerHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{latency: time.Second}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(0, 0))
		start := time.Now()
		for _, r := range backendErrors(120) {
			if err := e.OnEmit(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("OnEmit waited %v", took)
		}
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 120*time.Second {
			t.Errorf("120 events of 1s took %v", took)
		}
	})
}

func TestAnOperationThatIsOverIsReportedAllTheSame(t *testing.T) {
	fake := &fakeSentry{}
	e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range backendErrors(4) {
		if err := e.OnEmit(ctx, &r); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.ForceFlush(t.Context()); err != nil || len(fake.arrived()) != 4 {
		t.Errorf("%d events arrived: %v", len(fake.arrived()), err)
	}
}

func TestShutdownWithAContextThatIsOverAccountsForEveryEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(&fakeSentry{latency: time.Second}))
		for _, r := range backendErrors(4) {
			if err := e.OnEmit(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, e.Shutdown(ctx), "4 of 4 events not delivered: canceled")
		if e.Dropped() != 4 || e.Sent() != 0 {
			t.Errorf("dropped %d, sent %d; want 4, 0", e.Dropped(), e.Sent())
		}
	})
}

// A 429 that limits other categories is an answer like a 503, not a minute of
// silence.
func TestALimitOfAnotherCategoryDoesNotStopEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.Limited(429, "60:transaction;replay:organization"), envelopetest.OK())}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		for range 2 {
			if err := export(t.Context(), e, backendErrors(1)); err != nil {
				t.Fatal(err)
			}
		}
		at := fake.attempts()
		if len(at) != 3 || at[2] > 250*time.Millisecond || len(fake.arrived()) != 2 {
			t.Errorf("attempts at %v, %d arrived; want 3 within 250ms, 2", at, len(fake.arrived()))
		}
	})
}
