package sentrylog_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/log"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

// inRequest returns a context with a hub as sentry-go's middleware for net/http
// leaves it.
func inRequest(t *testing.T) (context.Context, *sentry.Hub) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://shop.example/cart/checkout?coupon=7", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.7:4711"
	r.Header.Set("User-Agent", "phone")
	r.Header.Set("Authorization", "Bearer 0b5e7f00")
	r.Header.Set("Cookie", "session=0b5e7f00")
	hub := sentry.NewHub(nil, sentry.NewScope())
	hub.Scope().SetRequest(r)
	hub.Scope().SetUser(sentry.User{ID: "u-17", Email: "ada@shop.example"})
	hub.Scope().SetTag("tenant", "blue")
	hub.Scope().SetTag("error.type", "not the lock's")
	hub.Scope().SetLevel(sentry.LevelFatal)
	hub.Scope().SetContext("cart", sentry.Context{"items": 3, "api_key": "0b5e7f00", "callback": func() {}})
	hub.Scope().SetContext("lock", sentry.Context{"target": "not the lock's"})
	hub.Scope().AddBreadcrumb(&sentry.Breadcrumb{Category: "sql", Message: "SELECT cart", Timestamp: moment, Data: map[string]any{"rows": 3}}, 100)
	hub.Scope().AddAttachment(&sentry.Attachment{Filename: "dump", Payload: make([]byte, 1<<20)})
	return sentry.SetHubOnContext(t.Context(), hub), hub
}

func TestTheRequestThatFailedIsInTheIssue(t *testing.T) {
	for name, opts := range map[string]func(dsn string) (string, []sentrylog.Option){
		"with the client of the processor": func(dsn string) (string, []sentrylog.Option) { return dsn, nil },
		"with the application's": func(dsn string) (string, []sentrylog.Option) {
			client := appClient(t, sentry.ClientOptions{Dsn: dsn, Release: "1"})
			return "", []sentrylog.Option{sentrylog.WithClient(client)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := envelopetest.NewServer(t)
			dsn, opts := opts(server.DSN())
			p := newPipeline(t, newProcessor(t, dsn, opts...))
			ctx, hub := inRequest(t)
			p.logger.Emit(traced(ctx), failure("backend_error", "projects", "timeout"))
			hub.Scope().SetUser(sentry.User{ID: "the next request's"})
			p.flush(t)

			e := oneEvent(t, server)
			raw := fmt.Sprint(e.Raw)
			for want, got := range map[string]any{
				"u-17":                              e.Raw["user"].(map[string]any)["id"],
				"http://shop.example/cart/checkout": e.Raw["request"].(map[string]any)["url"],
				"POST":                              e.Raw["request"].(map[string]any)["method"],
				"blue":                              e.Tags["tenant"],
				"timeout":                           e.Tags["error.type"],
				"warning":                           e.Level,
				"projects":                          e.Contexts["lock"]["target"],
				"3":                                 fmt.Sprint(e.Contexts["cart"]["items"]),
				"backend_error,shop,redis":          strings.Join(e.Fingerprint, ","),
				"4bf92f3577b34da6a3ce929d0e0e4736":  e.Contexts["trace"]["trace_id"],
				"SELECT cart":                       e.Raw["breadcrumbs"].([]any)[0].(map[string]any)["message"],
				"func()":                            e.Contexts["cart"]["callback"],
				"phone":                             e.Raw["request"].(map[string]any)["headers"].(map[string]any)["User-Agent"],
			} {
				if got != want {
					t.Errorf("got %v, want %s", got, want)
				}
			}
			for _, never := range []string{"0b5e7f00", "192.0.2.7", "the next request's"} {
				if strings.Contains(raw, never) {
					t.Errorf("the event shows %s: %s", never, raw)
				}
			}
			if items := server.Envelopes()[0].Items; len(items) != 1 {
				t.Errorf("the envelope has %d items: an attachment has no bound", len(items))
			}
		})
	}
}

func TestSendDefaultPIIOfTheApplicationsClientDecidesAboutAddresses(t *testing.T) {
	server := envelopetest.NewServer(t)
	//lint:ignore SA1019 it is what applications set, and is honoured
	client := appClient(t, sentry.ClientOptions{Dsn: server.DSN(), Release: "1", SendDefaultPII: true})
	p := newPipeline(t, newProcessor(t, "", sentrylog.WithClient(client)))
	ctx, _ := inRequest(t)
	p.logger.Emit(ctx, failure("backend_error", "projects", "timeout"))
	p.flush(t)
	env, _ := oneEvent(t, server).Raw["request"].(map[string]any)["env"].(map[string]any)
	if env["REMOTE_ADDR"] != "192.0.2.7" {
		t.Errorf("env %v", env)
	}
}

func TestBeforeSendFindsTheHubOfTheRequest(t *testing.T) {
	server := envelopetest.NewServer(t)
	var seen *sentry.Hub
	client := appClient(t, sentry.ClientOptions{Dsn: server.DSN(), Release: "1", BeforeSend: func(e *sentry.Event, hint *sentry.EventHint) *sentry.Event {
		seen = sentry.GetHubFromContext(hint.Context)
		return e
	}})
	p := newPipeline(t, newProcessor(t, "", sentrylog.WithClient(client)))
	ctx, hub := inRequest(t)
	p.logger.Emit(ctx, failure("backend_error", "projects", "timeout"))
	p.flush(t)
	if seen != hub {
		t.Errorf("found %v", seen)
	}
}

func TestSelectedAttributesAndBaggageBecomeTags(t *testing.T) {
	server := envelopetest.NewServer(t)
	p := newPipeline(t, newProcessor(t, server.DSN(), sentrylog.WithTags("tenant", "user.id", "server.address", "absent")))
	tenant, err := baggage.NewMember("tenant", "blue")
	if err != nil {
		t.Fatal(err)
	}
	user, err := baggage.NewMember("user.id", "u-17")
	if err != nil {
		t.Fatal(err)
	}
	members, err := baggage.New(tenant, user)
	if err != nil {
		t.Fatal(err)
	}
	p.logger.Emit(baggage.ContextWithBaggage(t.Context(), members), failure("backend_error", "projects", "timeout"))
	p.flush(t)
	e := oneEvent(t, server)
	if e.Tags["tenant"] != "blue" || e.Tags["server.address"] != "redis.internal" || e.Raw["user"].(map[string]any)["id"] != "u-17" {
		t.Errorf("tags %v, user %v", e.Tags, e.Raw["user"])
	}
	if _, there := e.Tags["absent"]; there {
		t.Error("a tag without a value")
	}

	ctx, _ := inRequest(t)
	p.logger.Emit(baggage.ContextWithBaggage(ctx, members), failure("backend_error", "projects", "timeout"))
	p.flush(t)
	if user := server.Events()[1].Raw["user"].(map[string]any); user["email"] != "ada@shop.example" {
		t.Errorf("user %v: the hub's should win", user)
	}
}

// An operator has the issue and nothing else.
func TestAnIssueAnswersWhatAnOperatorAsks(t *testing.T) {
	server := envelopetest.NewServer(t)
	p := newPipeline(t, newProcessor(t, server.DSN()))
	ctx, _ := inRequest(t)
	p.logger.Emit(ctx, failure("backend_error", "projects", "timeout", attribute.Int("lock.report.suppressed_count", 0)))
	p.logger.Emit(ctx, failure("backend_error", "invoices", "timeout", attribute.Int("lock.report.suppressed_count", 0)))
	var end log.Record
	end.SetTimestamp(moment)
	end.SetSeverity(log.SeverityInfo)
	end.SetEventName("lock.report.summary")
	end.AddAttributes(
		attribute.String("lock.action", "backend_error"), attribute.String("lock.target", "projects"), attribute.String("lock.backend.name", "redis"),
		attribute.Int("lock.report.suppressed_count", 5167), attribute.String("lock.report.suppressed_since", "2026-11-22T03:04:05.678Z"),
		attribute.String("lock.report.suppressed_until", "2026-11-22T03:09:05.678Z"),
		attribute.StringSlice("lock.report.suppressed_error_types", []string{"NOAUTH", "timeout"}),
		attribute.Int64Slice("lock.report.suppressed_error_counts", []int64{3, 5164}))
	p.logger.Emit(t.Context(), end)
	p.flush(t)

	events := server.Events()
	if len(events) != 3 {
		t.Fatalf("%d events, want 3", len(events))
	}
	var targets, policies []string
	occurrences := 0.0
	for _, e := range events {
		if !slices.Equal(e.Fingerprint, events[0].Fingerprint) || e.Exception[0].Type != "lock.backend_error" {
			t.Errorf("%s is another issue: %q", e.Exception[0].Value, e.Fingerprint)
		}
		if e.ServerName != "shop-7f9c" {
			t.Errorf("which pods: %q", e.ServerName)
		}
		if e.Level == "warning" {
			occurrences++
			policies = append(policies, e.Tags["lock.failure_policy"])
		}
		targets = append(targets, e.Tags["lock.target"])
		occurrences += e.Contexts["lock"]["report.suppressed_count"].(float64)
	}
	if want := []string{"projects", "invoices", "projects"}; !slices.Equal(targets, want) {
		t.Errorf("which targets: %q, want %q", targets, want)
	}
	if occurrences != 5169 {
		t.Errorf("how many: %v, want 5169", occurrences)
	}
	if !slices.Equal(policies, []string{"open", "open"}) {
		t.Errorf("was data at risk: policies %q, want open, which runs unprotected", policies)
	}
	if url := events[0].Raw["request"].(map[string]any)["url"]; url != "http://shop.example/cart/checkout" {
		t.Errorf("which request: %v", url)
	}
	last := events[2]
	if want := "projects: 5167 more since 2026-11-22T03:04:05.678Z until 2026-11-22T03:09:05.678Z: NOAUTH 3, timeout 5164"; last.Exception[0].Value != want || last.Level != "info" {
		t.Errorf("since and until when: %s %q, want info %q", last.Level, last.Exception[0].Value, want)
	}
}

func TestSummariesCanBeSwitchedOff(t *testing.T) {
	server := envelopetest.NewServer(t)
	p := newPipeline(t, newProcessor(t, server.DSN(), sentrylog.WithFilter(sentrylog.LockWarnings)))
	end := failure("backend_error", "projects", "timeout")
	end.SetSeverity(log.SeverityInfo)
	end.SetEventName("lock.report.summary")
	p.logger.Emit(t.Context(), end)
	p.flush(t)
	if n := len(server.Events()); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestAnEventIsBoundedWhateverTheRecordAndTheHubHold(t *testing.T) {
	server := envelopetest.NewServer(t)
	p := newPipeline(t, newProcessor(t, server.DSN()))
	ctx, hub := inRequest(t)
	deep := any("x")
	for range 100 {
		deep = map[string]any{strings.Repeat("k", 1000): []any{deep, strings.Repeat("<", 10_000)}}
	}
	for i := range 100 {
		hub.Scope().AddBreadcrumb(&sentry.Breadcrumb{Message: strings.Repeat("\x01", 5000), Data: map[string]any{"deep": deep}}, 100)
		hub.Scope().SetContext(fmt.Sprint("c", i), sentry.Context{"deep": deep})
		hub.Scope().SetTag(fmt.Sprint("tag ", i, strings.Repeat("!", 50)), strings.Repeat("&", 500))
	}
	r := failure("backend_error", "projects", "timeout")
	r.SetBody(attribute.StringValue(strings.Repeat("\"", 1<<20)))
	for i := range 100 {
		r.AddAttributes(
			attribute.KeyValue{Key: attribute.Key(fmt.Sprint("bytes", i)), Value: attribute.ByteSliceValue(make([]byte, 1<<18))},
			attribute.StringSlice(fmt.Sprint("lock.list", i), slices.Repeat([]string{"\u2028"}, 10_000)))
	}
	r.AddAttributes(attribute.String("exception.stacktrace", strings.Repeat("main."+strings.Repeat("<", 2000)+"\n\t/src/main.go:1\n", 500)))
	p.logger.Emit(ctx, r)
	p.flush(t)
	e := oneEvent(t, server)
	size := len(server.Envelopes()[0].Items[0].Payload)
	if size > 200_000 || size < 100_000 {
		t.Errorf("an event of %d bytes, want up to 200,000", size)
	}
	if e.Tags["lock.target"] != "projects" || e.Raw["user"].(map[string]any)["id"] != "u-17" || len(e.Exception[0].Stacktrace.Frames) == 0 {
		t.Errorf("what matters was cut: tags %v", e.Tags)
	}
}
