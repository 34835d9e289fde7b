package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/internal/otlptest"
)

// planted are secrets; every one contains the word that must not come out.
const planted = "s3cr3t"

func leaks() map[string]string {
	return map[string]string{
		// whole values, for the attribute's name
		"db.password":                       planted,
		"redis.token":                       planted,
		"lock.token":                        planted,
		"lock.key":                          "tenant-" + planted,
		"http.request.header.authorization": "Basic " + planted,
		"http.request.header.cookie":        "session=" + planted,
		"http.request.header.x-api-key":     planted,
		"app.accessToken":                   planted,
		"aws.secret_access_key":             planted,
		"service.credentials":               planted,
		// parts of a value, wherever they stand
		"exception.message": "dial redis://default:" + planted + "@redis:6379/0: refused",
		"url.full":          "https://api/x?user=7&token=" + planted + "&page=2",
		"note":              `{"user":"u","password":"` + planted + `"}`,
		"header.dump":       "Authorization: " + planted,
		"request":           "sent Authorization: Bearer " + planted + planted,
		"env":               "HOME=/ REDIS_PASSWORD=" + planted,
		"yaml":              `password: "two words, ` + planted + `"`,
		"curl":              "curl -H 'X: Bearer " + planted + planted + "'",
		"jwt":               "got eyJhbGciOiJIUzI1NiJ9.eyJzdWIi" + planted + ".c2ln" + planted,
		"error":             "key lock:projects:" + planted + " is held",
	}
}

func TestNothingComesOutThatContainsAPlantedSecret(t *testing.T) {
	backend := otlptest.Start(t)
	c := startCollector(t, []string{"base", "gateway", "output-otlp", "output-prometheus"}, map[string]string{
		"BACKEND_OTLP_ENDPOINT": backend.Endpoint(), "BACKEND_OTLP_AUTHORIZATION": "none",
	})

	kept := []attribute.KeyValue{
		attribute.String("lock.key_pattern", "lock:projects:*"),
		attribute.String("lock.target", "projects"),
		attribute.Int("gen_ai.usage.input_tokens", 12),
		attribute.StringSlice("lock.report.suppressed_error_types", []string{"NOAUTH", "timeout"}),
		attribute.String("exception.type", "*otellock.Error"),
	}
	var secrets []attribute.KeyValue
	for k, v := range leaks() {
		secrets = append(secrets, attribute.String(k, v))
	}
	secrets = append(secrets, attribute.StringSlice("argv", []string{"serve", "--password=" + planted}))
	attrs := append(secrets[:len(secrets):len(secrets)], kept...)

	s := newSender(t, c.http, append(secrets[:len(secrets):len(secrets)], attribute.String("service.name", "leaky"))...)
	ctx, span := s.spans.Tracer("leaks", trace.WithInstrumentationAttributes(secrets...)).Start(t.Context(), "GET lock:projects:"+planted,
		trace.WithAttributes(attrs...), trace.WithSpanKind(trace.SpanKindClient))
	span.SetAttributes(attribute.String("db.system", "redis"), attribute.String("db.statement", "set projects:"+planted+" "+planted+" nx px 10000"))
	span.AddEvent("lock.backend_error", trace.WithAttributes(attrs...))
	span.SetStatus(codes.Error, "redis://:"+planted+"@redis refused lock:a:"+planted+" redis_password=\""+planted+"\"")
	span.End()
	_, query := s.spans.Tracer("leaks").Start(ctx, "query")
	query.SetAttributes(attribute.String("db.system.name", "redis"), attribute.String("db.query.text", "EVALSHA abc 1 projects:"+planted))
	query.End()

	var r log.Record
	r.SetSeverity(log.SeverityWarn)
	r.SetBody(attribute.StringValue("cannot unlock lock:projects:" + planted + ", token=" + planted))
	r.AddAttributes(attrs...)
	s.logs.Logger("leaks").Emit(ctx, r)
	r.SetBody(attribute.MapValue(attribute.String("password", planted), attribute.Map("in", attribute.String("text", "bearer "+planted+planted))))
	s.logs.Logger("leaks").Emit(ctx, r)

	counter, err := s.metrics.Meter("leaks").Int64Counter("leaks.total")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(ctx, 1, metric.WithAttributes(attrs...))
	s.flushMetrics(t)

	eventually(t, 15*time.Second, "all three signals have come out", func() error {
		if len(backend.Spans()) != 2 || len(backend.Logs()) != 2 || len(backend.Metrics()) == 0 {
			return fmt.Errorf("%d spans, %d records, %d metrics", len(backend.Spans()), len(backend.Logs()), len(backend.Metrics()))
		}
		return nil
	})

	if backend.Contains(planted) {
		for _, s := range backend.Spans() {
			report(t, s.GetName(), s.String())
		}
		for _, l := range backend.Logs() {
			report(t, "log record", l.String())
		}
		for _, m := range backend.Metrics() {
			report(t, "metric", m.String())
		}
		t.Fatal("the OTLP backend got a planted secret")
	}
	page, err := http.Get("http://" + c.prom + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "leaks_total") || strings.Contains(string(text), planted) {
		t.Errorf("the page for Prometheus lacks the counter, or has a planted secret")
	}
	if strings.Contains(c.output(), planted) {
		t.Errorf("the Collector's own log has a planted secret")
	}

	// What an operator needs is still there, unchanged and of its type.
	got := backend.SpansNamed("GET ****")[0]
	for _, kv := range kept {
		want := kv.Value.AsInterface()
		if fmt.Sprint(got.Attr(string(kv.Key))) != fmt.Sprint(want) {
			t.Errorf("%s = %v, want %v", kv.Key, got.Attr(string(kv.Key)), want)
		}
		if fmt.Sprint(backend.Logs()[0].Attr(string(kv.Key))) != fmt.Sprint(want) {
			t.Errorf("record: %s = %v, want %v", kv.Key, backend.Logs()[0].Attr(string(kv.Key)), want)
		}
	}
	for key, want := range map[string]string{"db.statement": "set", "url.full": "https://api/x?user=7&****&page=2", "error": "key **** is held"} {
		if got.Attr(key) != want {
			t.Errorf("%s = %q, want %q", key, got.Attr(key), want)
		}
	}
	if got := backend.SpansNamed("query")[0].Attr("db.query.text"); got != "EVALSHA" {
		t.Errorf("db.query.text = %q", got)
	}
	t.Logf("%d secrets planted in 9 places (resource, scope, span, event, status, two names, two bodies, data point): none came out", len(secrets))
}

func report(t *testing.T, what, text string) {
	t.Helper()
	for rest := text; ; {
		i := strings.Index(rest, planted)
		if i < 0 {
			return
		}
		t.Errorf("%s: ...%s...", what, rest[max(0, i-60):min(len(rest), i+20)])
		rest = rest[i+len(planted):]
	}
}
