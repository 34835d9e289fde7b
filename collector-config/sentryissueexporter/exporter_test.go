package sentryissueexporter

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otellock/otellock-go/collector-config/sentryissueexporter/internal/metadatatest"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

func TestARecordBecomesAnIssue(t *testing.T) {
	server := envelopetest.NewServer(t)
	h := newHarness(t, server.DSN(), nil)
	h.consume(batch("shop", failure("projects", "timeout", 0)))

	events := server.Events()
	if len(events) != 1 {
		t.Fatalf("%d events arrived, want 1", len(events))
	}
	e := events[0]
	if x := e.Exception[0]; x.Type != "lock.backend_error" || x.Value != "projects: timeout" || e.Level != "warning" {
		t.Errorf("%s %q, level %s", x.Type, x.Value, e.Level)
	}
	if e.Header.EventID != e.EventID || e.Header.DSN != server.DSN() || e.Header.SDK["name"] != sdkName {
		t.Errorf("the envelope's header: %+v", e.Header)
	}
	metadatatest.AssertEqualExporterSentryissueEvents(t, h.telemetry, []metricdata.DataPoint[int64]{{
		Attributes: attribute.NewSet(attribute.String("outcome", "sent"), attribute.String("project", server.Addr()+"/1")), Value: 1,
	}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

func TestAServiceGoesToItsOwnProject(t *testing.T) {
	all, billing := envelopetest.NewServer(t), envelopetest.NewServer(t)
	h := newHarness(t, all.DSN(), func(c *Config) {
		c.DSNs = map[string]configopaque.String{"billing": configopaque.String(billing.DSN())}
	})
	ld := batch("shop", failure("carts", "timeout", 0))
	addTo(ld, "billing", failure("invoices", "timeout", 0))
	addTo(ld, "", failure("nobody's", "timeout", 0))
	h.consume(ld)

	targets := func(s *envelopetest.Server) (all []string) {
		for _, e := range s.Events() {
			all = append(all, e.Tags["lock.target"])
		}
		return all
	}
	if got := fmt.Sprint(targets(all), targets(billing)); got != "[carts nobody's] [invoices]" {
		t.Errorf("the projects got %s", got)
	}
}

func TestARecordWhoseServiceHasNoProjectIsDroppedCountedAndSaidOnce(t *testing.T) {
	billing := envelopetest.NewServer(t)
	h := newHarness(t, "", func(c *Config) {
		c.DSNs = map[string]configopaque.String{"billing": configopaque.String(billing.DSN())}
	})
	for n := range 3 {
		ld := batch("shop", failure("carts", "timeout", n), failure("orders", "timeout", n))
		addTo(ld, "billing", failure("invoices", "timeout", n))
		h.consume(ld)
	}
	if got, want := h.events(), map[string]int64{"unrouted": 6, "sent": 3}; !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if said := h.said.FilterField(stringField("service.name", "shop")).Len(); said != 1 {
		t.Errorf("said %d times:\n%s", said, h.text())
	}
}

// Of a batch only what was not accepted is sent again.
func TestARetryRepeatsNothingThatSentryAccepted(t *testing.T) {
	server := envelopetest.NewServer(t)
	server.Next(envelopetest.OK(), envelopetest.Status(503), envelopetest.OK(), envelopetest.Reset())
	h := newHarness(t, server.DSN(), nil)
	ld := batch("shop", failure("a", "timeout", 0), failure("b", "timeout", 1))
	addTo(ld, "shop", failure("c", "timeout", 2), failure("d", "timeout", 3))
	h.consume(ld)

	var got []string
	for _, e := range server.Events() {
		got = append(got, e.Tags["lock.target"])
	}
	if fmt.Sprint(got) != "[a b c d]" || server.Attempts() != 6 {
		t.Errorf("%v arrived in %d attempts, want each once, in order, in 6", got, server.Attempts())
	}
	if got := h.events(); got["sent"] != 4 || len(got) != 1 {
		t.Errorf("counted %v", got)
	}
}

// One project that is away holds up its own records only.
func TestAProjectThatFailsDoesNotKeepAnotherFromItsEvents(t *testing.T) {
	away, there := envelopetest.NewServer(t), envelopetest.NewServer(t)
	away.Always(envelopetest.Status(500))
	h := newHarness(t, there.DSN(), func(c *Config) {
		c.DSNs = map[string]configopaque.String{"billing": configopaque.String(away.DSN())}
		c.RetryConfig.Enabled = false
	})
	ld := batch("billing", failure("invoices", "timeout", 0), failure("invoices", "timeout", 1))
	addTo(ld, "shop", failure("carts", "timeout", 2))
	err := h.ConsumeLogs(t.Context(), ld)
	var left consumererror.Logs
	if !errors.As(err, &left) || left.Data().LogRecordCount() != 2 {
		t.Fatalf("left for a retry: %v", err)
	}
	if len(there.Events()) != 1 || away.Attempts() != 1 {
		t.Errorf("%d events there, %d attempts at the other", len(there.Events()), away.Attempts())
	}
}

func TestARefusalIsPermanentAndSaidOnce(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 413, 302} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			server := envelopetest.NewServer(t)
			server.Always(envelopetest.Answer{Status: status, Header: http.Header{"Location": {"/elsewhere"}}})
			h := newHarness(t, server.DSN(), nil)
			for n := range 5 {
				err := h.ConsumeLogs(t.Context(), batch("shop", failure("a", "timeout", 2*n), failure("b", "timeout", 2*n+1)))
				if !consumererror.IsPermanent(err) {
					t.Fatalf("the error may be tried again: %v", err)
				}
			}
			if server.Attempts() != 10 || len(server.Others()) != 0 {
				t.Errorf("%d attempts for 10 events, %d requests elsewhere", server.Attempts(), len(server.Others()))
			}
			if got := h.events(); got["refused"] != 10 || len(got) != 1 {
				t.Errorf("counted %v", got)
			}
			if said := h.said.FilterMessageSnippet("refuses").Len(); said != 1 {
				t.Errorf("said %d times:\n%s", said, h.text())
			}
			// The helper's own line about what it drops.
			if said := h.said.Len(); said != 2 {
				t.Errorf("%d lines for 5 batches:\n%s", said, h.text())
			}
		})
	}
}

func TestARefusalIsSaidAnewAfterAnEventWasAccepted(t *testing.T) {
	server := envelopetest.NewServer(t)
	server.Next(envelopetest.Status(403), envelopetest.OK(), envelopetest.Status(403))
	h := newHarness(t, server.DSN(), nil)
	for n := range 3 {
		_ = h.ConsumeLogs(t.Context(), batch("shop", failure("a", "timeout", n)))
	}
	if said := h.said.FilterMessageSnippet("refuses").Len(); said != 2 {
		t.Errorf("said %d times:\n%s", said, h.text())
	}
}

func TestTheKeyIsInNothingThatIsSaid(t *testing.T) {
	const secret = "5ec2e7"
	server := envelopetest.NewServer(t)
	dsn := strings.Replace(server.DSN(), envelopetest.Key, envelopetest.Key+":"+secret, 1)
	var all strings.Builder
	for _, answer := range []envelopetest.Answer{envelopetest.Status(403), envelopetest.Status(503), envelopetest.TooMany(7), envelopetest.Reset(), envelopetest.OK()} {
		server.Next(answer)
		h := newHarness(t, dsn, func(c *Config) { c.RetryConfig.MaxElapsedTime = time.Second })
		fmt.Fprintln(&all, h.ConsumeLogs(t.Context(), batch("shop", failure("a", "timeout", 0))), h.text(), fmt.Sprintf("%+v", h.Logs.(*admission).exporter.config))
	}
	server.Refuse()
	h := newHarness(t, dsn, func(c *Config) { c.RetryConfig.Enabled = false })
	fmt.Fprintln(&all, h.ConsumeLogs(t.Context(), batch("shop", failure("a", "timeout", 0))), h.text())
	for _, what := range []string{envelopetest.Key, secret} {
		if strings.Contains(all.String(), what) {
			t.Errorf("%q was said:\n%s", what, all.String())
		}
	}
	if !strings.Contains(all.String(), "403") || !strings.Contains(all.String(), "connection refused") {
		t.Errorf("nothing was said:\n%s", all.String())
	}
}

func TestAnEventIsAtMost200KB(t *testing.T) {
	server := envelopetest.NewServer(t)
	h := newHarness(t, server.DSN(), nil)
	r := failure("a", "timeout", 0)
	huge := strings.Repeat("\u2028<x>", 1<<14)
	r.Body().SetStr(huge)
	for i := range 100 {
		r.Attributes().PutStr(fmt.Sprint("k", i), huge)
	}
	ld := plog.NewLogs()
	addTo(ld, huge, r)
	h.consume(ld)
	for _, item := range server.Envelopes()[0].Items {
		if len(item.Payload) > 200_000 {
			t.Errorf("an event of %d bytes", len(item.Payload))
		}
		t.Logf("%d MB became an event of %d bytes", 102*len(huge)>>20, len(item.Payload))
	}
}
