package test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/otellock/otellock-go/internal/otlptest"
)

// A stage is a way to run the files of ../config together, as the README's
// table has it.
type stage struct {
	name     string
	files    []string
	required []string // variables without a default
}

var stages = []stage{
	{"agent", []string{"base", "agent"}, []string{"GATEWAY_OTLP_ENDPOINT"}},
	{"agent with several gateways", []string{"base", "agent-loadbalanced"}, []string{"GATEWAY_RESOLVER"}},
	{"agent without a gateway", []string{"base", "output-otlp"}, []string{"BACKEND_OTLP_ENDPOINT", "BACKEND_OTLP_AUTHORIZATION"}},
	{"gateway to Grafana, Prometheus scrapes", []string{"base", "gateway", "output-grafana", "output-prometheus"}, []string{"TEMPO_OTLP_ENDPOINT", "LOKI_OTLP_ENDPOINT"}},
	{"gateway to Grafana, Mimir is pushed to", []string{"base", "gateway", "output-grafana", "output-mimir"}, []string{"TEMPO_OTLP_ENDPOINT", "LOKI_OTLP_ENDPOINT", "METRICS_OTLP_ENDPOINT"}},
	{"gateway to Sentry", []string{"base", "gateway", "paging", "output-sentry", "output-sentry-otlp", "output-prometheus"}, []string{"SENTRY_DSN", "SENTRY_OTLP_ENDPOINT", "SENTRY_PUBLIC_KEY"}},
	{"gateway to Sentry and Grafana", []string{"base", "gateway", "paging", "output-sentry", "output-grafana", "output-prometheus"}, []string{"SENTRY_DSN", "TEMPO_OTLP_ENDPOINT", "LOKI_OTLP_ENDPOINT"}},
	{"gateway for Appwrite", []string{"base", "gateway", "appwrite", "output-grafana", "output-prometheus"}, []string{"TEMPO_OTLP_ENDPOINT", "LOKI_OTLP_ENDPOINT"}},
	{"gateway to any backend", []string{"base", "gateway", "output-otlp"}, []string{"BACKEND_OTLP_ENDPOINT", "BACKEND_OTLP_AUTHORIZATION"}},
	{"gateway to AppSignal", []string{"base", "gateway", "output-appsignal"}, []string{"APPSIGNAL_ENDPOINT", "APPSIGNAL_PUSH_API_KEY"}},
}

func (s stage) env(endpoint, grpc string) map[string]string {
	env := map[string]string{}
	for _, name := range s.required {
		env[name] = "none"
		if name == "SENTRY_DSN" {
			env[name] = "https://0123456789abcdef@sentry.invalid/1"
		}
		if strings.HasSuffix(name, "_ENDPOINT") {
			env[name] = endpoint
		}
		if name == "GATEWAY_RESOLVER" {
			host, port, _ := net.SplitHostPort(strings.TrimPrefix(grpc, "http://"))
			env[name] = fmt.Sprintf("{dns: {hostname: %s, port: %q}}", host, port)
		}
	}
	return env
}

func TestEveryStageIsValidAndBoots(t *testing.T) {
	for _, s := range stages {
		t.Run(s.name, func(t *testing.T) {
			end := otlptest.Start(t)
			c := newCollector(t, s.files, s.env(end.Endpoint(), end.GRPCEndpoint()))
			if out, err := c.command(context.Background(), append([]string{"validate"}, c.args...)...).CombinedOutput(); err != nil {
				t.Fatalf("validate: %v\n%s", err, out)
			}
			c.start()
			if err := getOK("http://" + c.metrics + "/metrics"); err != nil {
				t.Errorf("its own metrics: %v", err)
			}
			c.stop()
			for _, line := range lines(c.output()) {
				for _, word := range []string{"\terror\t", "\twarn\t", "deprecated"} {
					if strings.Contains(line, word) {
						t.Errorf("in its log: %s", line)
					}
				}
			}
		})
	}
}

func TestAMissingOrEmptyVariableStopsTheStartWithAnErrorThatSaysWhere(t *testing.T) {
	where := map[string]string{
		"GATEWAY_OTLP_ENDPOINT":      "exporters::otlp_http/gateway:",
		"GATEWAY_RESOLVER":           "no resolvers specified",
		"TEMPO_OTLP_ENDPOINT":        "exporters::otlp_http/tempo:",
		"LOKI_OTLP_ENDPOINT":         "exporters::otlp_http/loki:",
		"METRICS_OTLP_ENDPOINT":      "exporters::otlp_http/mimir:",
		"SENTRY_DSN":                 "exporters::sentryissue: dsn:",
		"SENTRY_OTLP_ENDPOINT":       "exporters::otlp_http/sentry:",
		"SENTRY_PUBLIC_KEY":          "SENTRY_PUBLIC_KEY_is_required:",
		"BACKEND_OTLP_ENDPOINT":      "exporters::otlp_http/backend:",
		"BACKEND_OTLP_AUTHORIZATION": "BACKEND_OTLP_AUTHORIZATION_is_required:",
		"APPSIGNAL_ENDPOINT":         "exporters::otlp_http/appsignal:",
		"APPSIGNAL_PUSH_API_KEY":     "APPSIGNAL_PUSH_API_KEY_is_required:",
	}
	seen := map[string]bool{}
	for _, s := range stages {
		for _, name := range s.required {
			if seen[name] {
				continue
			}
			seen[name] = true
			for _, how := range []string{"missing", "empty"} {
				t.Run(name+" "+how, func(t *testing.T) {
					env := s.env("http://127.0.0.1:9", "127.0.0.1:9")
					delete(env, name)
					if how == "empty" {
						env[name] = ""
					}
					c := newCollector(t, s.files, env)
					out, err := c.command(t.Context(), c.args...).CombinedOutput()
					if err == nil || !strings.Contains(string(out), where[name]) {
						t.Fatalf("err %v, output without %q:\n%s", err, where[name], out)
					}
				})
			}
		}
	}
}

func TestEveryFileBelongsToAStage(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(configDir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// Included by the exporters of all stages; run by a Collector of its own.
	elsewhere := []string{"queue", "retry", "output-sentry-exporter"}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		if !slices.Contains(elsewhere, name) && !slices.ContainsFunc(stages, func(s stage) bool { return slices.Contains(s.files, name) }) {
			t.Errorf("%s is in no stage, so nothing runs it", f)
		}
	}
}

func TestThePagingRouteWithoutATakerIsRefused(t *testing.T) {
	c := newCollector(t, []string{"base", "gateway", "paging", "output-otlp"}, map[string]string{
		"BACKEND_OTLP_ENDPOINT": "http://127.0.0.1:9", "BACKEND_OTLP_AUTHORIZATION": "none",
	})
	out, err := c.command(t.Context(), c.args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "forward/paging") {
		t.Fatalf("err %v:\n%s", err, out)
	}
}
