package sentryissueexporter

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otellock/otellock-go/internal/envelopetest"
)

func TestAPrivateCertificateIsConfiguredAsOfAnyHTTPClient(t *testing.T) {
	sentry := envelopetest.NewServer(t)
	front := httptest.NewUnstartedServer(sentry)
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails
	front.StartTLS()
	t.Cleanup(front.Close)
	dsn := strings.Replace(front.URL, "https://", "https://"+envelopetest.Key+"@", 1) + "/1"
	ca := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}

	h := newHarness(t, dsn, func(c *Config) { c.ClientConfig.TLS.CAFile = ca })
	h.consume(batch("shop", failure("a", "timeout", 0)))
	if len(sentry.Events()) != 1 {
		t.Errorf("%d events", len(sentry.Events()))
	}
	without := newHarness(t, dsn, func(c *Config) { c.RetryConfig.Enabled = false })
	if err := without.ConsumeLogs(t.Context(), batch("shop", failure("a", "timeout", 1))); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without it: %v", err)
	}
}

func TestAProxyIsUsed(t *testing.T) {
	sentry := envelopetest.NewServer(t)
	target, err := url.Parse("http://" + sentry.Addr())
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		asked.Add(1)
		r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
	}})
	t.Cleanup(proxy.Close)
	h := newHarness(t, "http://"+envelopetest.Key+"@sentry.invalid/1", func(c *Config) { c.ClientConfig.ProxyURL = proxy.URL })
	h.consume(batch("shop", failure("a", "timeout", 0)))
	if len(sentry.Events()) != 1 || asked.Load() != 1 {
		t.Errorf("%d events, %d of them by the proxy", len(sentry.Events()), asked.Load())
	}
}

func TestASentryThatHangsIsGivenUpAfterTheTimeout(t *testing.T) {
	sentry := envelopetest.NewServer(t)
	sentry.Next(envelopetest.Hang())
	h := newHarness(t, sentry.DSN(), func(c *Config) { c.ClientConfig.Timeout = time.Second })
	h.consume(batch("shop", failure("a", "timeout", 0)))
	ids := map[string]bool{} // a busy machine may be late with an answer, and get the event again
	for _, e := range sentry.Events() {
		ids[e.EventID] = true
	}
	if len(ids) != 1 || sentry.Attempts() < 2 {
		t.Errorf("%d events in %d attempts", len(ids), sentry.Attempts())
	}
}

func TestEveryCompressionThatSentryTakesArrives(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "deflate"} {
		sentry := envelopetest.NewServer(t)
		h := newHarness(t, sentry.DSN(), func(c *Config) {
			if err := c.ClientConfig.Compression.UnmarshalText([]byte(compression)); err != nil {
				t.Fatal(err)
			}
		})
		h.consume(batch("shop", failure("a", "timeout", 0)))
		if len(sentry.Events()) != 1 {
			t.Errorf("%q: %d events", compression, len(sentry.Events()))
		}
	}
}

func TestManyBatchesAtOnceAreEachDeliveredOnce(t *testing.T) {
	const senders, batches = 8, 25
	sentry, other := envelopetest.NewServer(t), envelopetest.NewServer(t)
	h := newHarness(t, sentry.DSN(), func(c *Config) {
		c.Cap = 0
		c.QueueConfig = configoptional.Some(exporterhelper.NewDefaultQueueConfig())
		c.DSNs = map[string]configopaque.String{"billing": configopaque.String(other.DSN())}
	})
	for i := range 40 { // some fail on the way
		if i%4 == 0 {
			sentry.Next(envelopetest.Status(503))
		} else {
			sentry.Next(envelopetest.OK())
		}
	}
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for b := range batches {
				ld := plog.NewLogs()
				addTo(ld, "shop", failure(fmt.Sprintf("t-%d-%d", s, b), "timeout", 0))
				addTo(ld, "billing", failure(fmt.Sprintf("t-%d-%d", s, b), "timeout", 0))
				if err := h.ConsumeLogs(t.Context(), ld); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range []*envelopetest.Server{sentry, other} {
		seen := map[string]int{}
		for _, e := range s.WaitEvents(within(t, time.Minute), senders*batches) {
			seen[e.Tags["lock.target"]]++
		}
		for target, n := range seen {
			if n != 1 {
				t.Errorf("%s arrived %d times", target, n)
			}
		}
		if len(seen) != senders*batches {
			t.Errorf("%d of %d targets arrived", len(seen), senders*batches)
		}
	}
}

func TestAFailedStartSaysWhy(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.DSN = anyDSN
	cfg.ClientConfig.TLS.CAFile = filepath.Join(t.TempDir(), "none.pem")
	c, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(typ), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), componenttest.NewNopHost()); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("error %v", err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
