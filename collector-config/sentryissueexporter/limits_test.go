package sentryissueexporter

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otellock/otellock-go/collector-config/sentryissueexporter/internal/metadatatest"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

// A fakeSentry answers without a network, in the bubble's time. The last of its
// answers is that to all that follow.
type fakeSentry struct {
	mu      sync.Mutex
	start   time.Time
	answers []envelopetest.Answer
	at      []time.Duration // of each request
	targets []string        // of each event that was accepted
}

func (f *fakeSentry) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = append(f.at, time.Since(f.start))
	a := f.answers[0]
	f.answers = f.answers[min(1, len(f.answers)-1):]
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	if status == http.StatusOK {
		envelope, err := envelopetest.Parse(body)
		if err != nil {
			return nil, err
		}
		events, err := envelope.Events()
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			f.targets = append(f.targets, e.Tags["lock.target"])
		}
	}
	header := a.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}

// seen returns when the requests came, and the targets of the events that were
// accepted.
func (f *fakeSentry) seen() (at []time.Duration, targets []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.at), slices.Clone(f.targets)
}

// answer changes the answer to all that follow.
func (f *fakeSentry) answer(a envelopetest.Answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = []envelopetest.Answer{a}
}

func newFake(answers ...envelopetest.Answer) *fakeSentry {
	return &fakeSentry{start: time.Now(), answers: answers}
}

const anyDSN = "https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/2"

func TestARateLimitIsWaitedFor(t *testing.T) {
	unavailable := envelopetest.Status(503)
	unavailable.Header = http.Header{"Retry-After": {"40"}}
	for name, c := range map[string]struct {
		first envelopetest.Answer
		wait  time.Duration
		took  bool // the first event was accepted all the same
	}{
		"Retry-After":                            {envelopetest.TooMany(30), 30 * time.Second, false},
		"429 without a time":                     {envelopetest.TooMany(-1), time.Minute, false},
		"X-Sentry-Rate-Limits":                   {envelopetest.Limited(429, "50:error:organization"), 50 * time.Second, false},
		"all categories":                         {envelopetest.Limited(429, "50::organization"), 50 * time.Second, false},
		"the longest of several":                 {envelopetest.Limited(429, "5:error:key, 2700:default;error:organization"), 2700 * time.Second, false},
		"announced by an answer of 200":          {envelopetest.Limited(200, "50:error:organization"), 50 * time.Second, true},
		"of other categories, by a 200":          {envelopetest.Limited(200, "50:transaction;log_item:organization"), 0, true},
		"of other categories, and yet a 429":     {envelopetest.Limited(429, "50:transaction:organization"), 0, false},
		"a server that says when it is back":     {unavailable, 40 * time.Second, false},
		"a server that fails without more words": {envelopetest.Status(503), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := newFake(c.first, envelopetest.OK())
				h := newHarness(t, anyDSN, func(cfg *Config) {
					cfg.RetryConfig.MaxElapsedTime = 0
					cfg.ClientConfig.Compression = ""
				})
				h.sendBy(fake)
				h.consume(batch("shop", failure("a", "timeout", 0), failure("b", "timeout", 1)))

				at, targets := fake.seen()
				if !slices.Equal(targets, []string{"a", "b"}) {
					t.Errorf("arrived: %v", targets)
				}
				// The back-off of at most 10 ms comes on top where it is longer.
				if second := at[1]; second < c.wait || second > c.wait+20*time.Millisecond {
					t.Errorf("the second request came after %v, want %v", second, c.wait)
				}
				if want := 2 + btoi(!c.took); len(at) != want {
					t.Errorf("%d requests, want %d", len(at), want)
				}
			})
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// While Sentry wants nothing, it gets no requests: not from a batch that comes in
// the meantime either.
func TestALimitHoldsForEveryBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake(envelopetest.Limited(429, "60:error:organization"), envelopetest.OK())
		h := newHarness(t, anyDSN, func(cfg *Config) {
			cfg.QueueConfig = configoptional.Some(exporterhelper.NewDefaultQueueConfig())
			cfg.RetryConfig.MaxElapsedTime = 0
			cfg.ClientConfig.Compression = ""
		})
		h.sendBy(fake)
		for n := range 5 {
			h.consume(batch("shop", failure("a", "timeout", n)))
			time.Sleep(time.Second)
		}
		time.Sleep(50 * time.Second)
		if at, _ := fake.seen(); len(at) != 1 {
			t.Fatalf("%d requests within the limit", len(at))
		}
		time.Sleep(10 * time.Second)
		if at, targets := fake.seen(); len(targets) != 5 || len(at) != 6 {
			t.Errorf("%d events in %d requests, want 5 in 6", len(targets), len(at))
		}
		metadatatest.AssertEqualExporterSentryissueRateLimits(t, h.telemetry, []metricdata.DataPoint[int64]{{
			Attributes: attribute.NewSet(attribute.String("project", "o1.ingest.sentry.io/2")), Value: 1,
		}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	})
}

func TestTheCapHoldsForAnyMinuteAndLeavesLostLeasesAndSummariesTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake(envelopetest.OK())
		h := newHarness(t, anyDSN, func(cfg *Config) {
			cfg.Cap = 3
			cfg.ClientConfig.Compression = ""
		})
		h.sendBy(fake)
		flood := func() {
			ld := batch("shop")
			for n := range 10 {
				addTo(ld, "shop", failure("a", "timeout", n))
			}
			addTo(ld, "shop", failure("a", "stolen", 11))
			summary := failure("a", "", 12)
			summary.SetEventName("lock.report.summary")
			addTo(ld, "shop", summary)
			ld.MarkReadOnly()
			h.consume(ld)
		}
		flood()
		if _, targets := fake.seen(); len(targets) != 5 {
			t.Errorf("%d events, want 3, one stolen lease and one summary", len(targets))
		}
		time.Sleep(59 * time.Second)
		flood()
		if _, targets := fake.seen(); len(targets) != 7 {
			t.Errorf("%d events within the minute, want 7", len(targets))
		}
		time.Sleep(time.Second)
		flood()
		if _, targets := fake.seen(); len(targets) != 12 {
			t.Errorf("%d events after the minute, want 12", len(targets))
		}
		if got := h.events(); got["cut"] != 24 || got["sent"] != 12 {
			t.Errorf("counted %v", got)
		}
		if said := h.said.FilterMessageSnippet("cap").Len(); said != 2 {
			t.Errorf("said %d times in a minute and a second:\n%s", said, h.text())
		}
	})
}

// What was admitted stays so: neither a retry nor an hour in the queue makes the
// cap cut it.
func TestWhatWaitedInTheQueueIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake(envelopetest.Status(500))
		h := newHarness(t, anyDSN, func(cfg *Config) {
			cfg.Cap = 2
			cfg.QueueConfig = configoptional.Some(exporterhelper.NewDefaultQueueConfig())
			cfg.RetryConfig.InitialInterval, cfg.RetryConfig.MaxInterval, cfg.RetryConfig.MaxElapsedTime = time.Second, time.Minute, 0
			cfg.ClientConfig.Compression = ""
		})
		h.sendBy(fake)
		for minute := range 60 {
			h.consume(batch("shop", failure("a", "timeout", 2*minute), failure("b", "timeout", 2*minute+1)))
			time.Sleep(time.Minute)
		}
		fake.answer(envelopetest.OK())
		time.Sleep(10 * time.Minute)
		if got := h.events(); got["sent"] != 120 || got["cut"] != 0 {
			t.Errorf("counted %v, want all 120 sent", got)
		}
	})
}

// Without a queue the sender hears of a refusal for good. It does not come again, and
// the others of its batch were sent.
func TestARefusalGivesNoRoomUnderTheCapBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake(envelopetest.OK(), envelopetest.Status(400), envelopetest.OK())
		h := newHarness(t, anyDSN, func(cfg *Config) { cfg.Cap, cfg.ClientConfig.Compression = 3, "" })
		h.sendBy(fake)
		err := h.ConsumeLogs(t.Context(), batch("api", failure("a", "eof", 1), failure("b", "eof", 2), failure("c", "eof", 3)))
		if !consumererror.IsPermanent(err) {
			t.Errorf("error %v, want a permanent one", err)
		}
		h.consume(batch("api", failure("d", "eof", 4)))
		if got, want := h.events(), map[string]int64{"sent": 2, "refused": 1, "cut": 1}; !maps.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
}

// A queue that is full refuses, and the sender comes again: that must not use up
// the cap.
func TestWhatTheQueueRefusedDoesNotCountAgainstTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake(envelopetest.Status(500))
		h := newHarness(t, anyDSN, func(cfg *Config) {
			cfg.Cap = 1
			cfg.RetryConfig.Enabled = false
			cfg.ClientConfig.Compression = ""
		})
		h.sendBy(fake)
		for range 5 {
			if err := h.ConsumeLogs(t.Context(), batch("shop", failure("a", "timeout", 0))); err == nil {
				t.Fatal("nothing was refused")
			}
		}
		fake.answer(envelopetest.OK())
		h.consume(batch("shop", failure("a", "timeout", 0)))
		h.consume(batch("shop", failure("a", "timeout", 1)))
		if got := h.events(); got["sent"] != 1 || got["cut"] != 1 {
			t.Errorf("counted %v, want one sent and one cut", got)
		}
	})
}

// Without a queue the sender keeps a batch of which some events were sent. These have
// used their room under the cap, and the others have not.
func TestOnlyWhatWasNotSentGetsItsRoomUnderTheCapBack(t *testing.T) {
	for name, retry := range map[string]bool{"tried once": false, "tried until the exporter gives up": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := newFake(envelopetest.OK(), envelopetest.Status(500))
				h := newHarness(t, anyDSN, func(cfg *Config) {
					cfg.Cap = 3
					cfg.RetryConfig.Enabled, cfg.RetryConfig.MaxElapsedTime = retry, time.Second
					cfg.ClientConfig.Compression = ""
				})
				h.sendBy(fake)
				err := h.ConsumeLogs(t.Context(), batch("shop", failure("a", "eof", 1), failure("b", "eof", 2), failure("c", "eof", 3)))
				if err == nil || consumererror.IsPermanent(err) {
					t.Fatalf("error %v, want one for which the sender comes again", err)
				}
				fake.answer(envelopetest.OK())
				h.consume(batch("shop", failure("d", "eof", 4), failure("e", "eof", 5), failure("f", "eof", 6)))
				if _, targets := fake.seen(); !slices.Equal(targets, []string{"a", "d", "e"}) {
					t.Errorf("sent within the minute: %v, want three, the first among them", targets)
				}
			})
		})
	}
}

func TestASentryThatIsAwayIsNotALineForEachBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, anyDSN, func(cfg *Config) {
			cfg.Cap = 0
			cfg.RetryConfig.InitialInterval, cfg.RetryConfig.MaxInterval, cfg.RetryConfig.MaxElapsedTime = time.Second, time.Second, 5*time.Second
			cfg.ClientConfig.Compression = ""
		})
		h.sendBy(newFake(envelopetest.Status(500)))
		start := time.Now()
		for n := range 300 {
			_ = h.ConsumeLogs(t.Context(), batch("shop", failure("a", "timeout", n)))
		}
		minutes := int(time.Since(start)/time.Minute) + 1
		if said := h.said.Len(); said > 2*minutes { // will retry, rejected
			t.Errorf("%d lines in %d minutes", said, minutes)
		}
	})
}
