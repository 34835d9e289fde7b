package redisbackend

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// The traces of the first locks after a restart, where the server has forgotten
// the scripts. Without OnConnect they show that it has; the lock works either way.
func TestAfterARestartOfRedisTracesShowNoMissingScriptWithTheRecommendedOptions(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*redis.Options)
		want   bool
	}{
		{"Options", func(*redis.Options) {}, false},
		{"without OnConnect", func(o *redis.Options) { o.OnConnect = nil }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, spans := redistest.Start(t), tracetest.NewSpanRecorder()
			tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
			o := redisbackend.Options(server.Addr)
			test.change(o)
			rdb := redis.NewClient(o)
			defer rdb.Close()
			if err := redisotel.InstrumentTracing(rdb, redisotel.WithTracerProvider(tracers), redisotel.WithDBStatement(false)); err != nil {
				t.Fatal(err)
			}
			locker, err := otellock.New(newBackend(t, rdb), otellock.WithTracerProvider(tracers))
			if err != nil {
				t.Fatal(err)
			}
			projects, err := locker.Target("projects", "lock:projects:*", otellock.WithFailClosed(true))
			if err != nil {
				t.Fatal(err)
			}
			do := func() bool {
				return projects.Mutex("7").Do(t.Context(), func(context.Context) error { return nil }) == nil
			}
			poll(t, "a lock before the restart", do)
			server.Restart()
			poll(t, "a lock after the restart", do)

			missing := ""
			for _, s := range spans.Ended() {
				if text := fmt.Sprint(s.Status(), s.Attributes(), s.Events()); strings.Contains(text, "NOSCRIPT") {
					missing = s.Name() + ": " + text
				}
			}
			if (missing != "") != test.want {
				t.Errorf("a span that says NOSCRIPT: %q, want one: %t", missing, test.want)
			}
		})
	}
}
