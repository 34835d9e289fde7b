package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/otlptest"
)

const sentryToken = "sntrys_0123456789"

// fakeSentry is a proxy in front of the host sentry.test, which the exporter is
// given by its environment: of a DSN's host it drops the port, so it cannot be
// sent to one of the test's. Its API knows one project, "api"; what is ingested
// goes on to the receiver.
func fakeSentry(t *testing.T, receiver *otlptest.Receiver) *httptest.Server {
	t.Helper()
	project := `{"id":"42","slug":"api","name":"api","team":{"slug":"t"},"teams":[{"slug":"t"}]}`
	key := fmt.Sprintf(`{"id":"k","public":"0123456789abcdef","projectId":42,"isActive":true,"dsn":{"public":%q}}`, "http://0123456789abcdef@sentry.test/42")
	mux := http.NewServeMux()
	for path, body := range map[string]string{
		"GET /api/0/organizations/acme/projects/{$}":     "[" + project + "]",
		"GET /api/0/organizations/acme/project-keys/{$}": "[" + key + "]",
		"GET /api/0/projects/acme/api/keys/{$}":          "[" + key + "]",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+sentryToken {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, body)
		})
	}
	target, err := url.Parse(receiver.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	ingest := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
		r.Out.URL.Path = strings.TrimSuffix(r.In.URL.Path, "/")
	}}
	mux.Handle("POST sentry.test/api/42/integration/otlp/v1/", ingest)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func newSentryExporter(t *testing.T, env map[string]string) *collector {
	t.Helper()
	return newCollector(t, []string{"base", "gateway", "paging", "output-sentry-exporter", "output-prometheus"}, env)
}

func TestTheContribSentryExporterSendsAServiceToItsProject(t *testing.T) {
	sentry := otlptest.Start(t)
	proxy := fakeSentry(t, sentry)
	c := newSentryExporter(t, map[string]string{"SENTRY_URL": "http://sentry.test", "SENTRY_ORG": "acme", "SENTRY_AUTH_TOKEN": sentryToken, "HTTP_PROXY": proxy.URL})
	c.start()

	s := newSender(t, c.http, instance(0)...)
	ctx, span := s.spans.Tracer("app").Start(t.Context(), "request")
	s.logs.Logger("lib").Emit(ctx, warning())
	span.End()
	eventually(t, 20*time.Second, "a span and a record have come", func() error {
		if len(sentry.Spans()) != 1 || len(sentry.Logs()) != 1 {
			return fmt.Errorf("%d spans, %d records\n%s", len(sentry.Spans()), len(sentry.Logs()), c.output())
		}
		return nil
	})
	for _, r := range sentry.Requests() {
		if !strings.HasPrefix(r.Path, "/api/42/integration/otlp/v1/") || !strings.Contains(r.Header.Get("x-sentry-auth"), "sentry_key=0123456789abcdef") {
			t.Errorf("%s with x-sentry-auth %q", r.Path, r.Header.Get("x-sentry-auth"))
		}
	}
	if strings.Contains(c.output(), sentryToken) {
		t.Error("the token is in the Collector's log")
	}
}

func TestTheContribSentryExporterNeedsItsVariables(t *testing.T) {
	for name, says := range map[string]string{"SENTRY_URL": "'url'", "SENTRY_ORG": "'org_slug'", "SENTRY_AUTH_TOKEN": "'auth_token'"} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"SENTRY_URL": "http://127.0.0.1:9", "SENTRY_ORG": "acme", "SENTRY_AUTH_TOKEN": sentryToken}
			delete(env, name)
			c := newSentryExporter(t, env)
			out, err := c.command(t.Context(), c.args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), says) {
				t.Fatalf("err %v, output without %s:\n%s", err, says, out)
			}
		})
	}
}
