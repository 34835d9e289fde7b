package test

import (
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otellock/otellock-go/internal/otlptest"
)

func TestAKilledCollectorWhoseBackendIsDownLosesNothingThatWasQueued(t *testing.T) {
	const n = 40
	for _, stage := range []struct {
		files    []string
		endpoint string
	}{
		{[]string{"base", "agent"}, "GATEWAY_OTLP_ENDPOINT"},
		{[]string{"base", "gateway", "output-otlp"}, "BACKEND_OTLP_ENDPOINT"},
	} {
		t.Run(stage.files[1], func(t *testing.T) {
			backend := otlptest.Start(t)
			backend.Refuse()
			c := startCollector(t, stage.files, map[string]string{stage.endpoint: backend.Endpoint(), "BACKEND_OTLP_AUTHORIZATION": "none"})
			s := newSender(t, c.http, attribute.String("service.name", "queued"))
			counter, err := s.metrics.Meter("queue").Int64Counter("queued.total")
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				ctx, span := s.spans.Tracer("queue").Start(t.Context(), fmt.Sprintf("span %d", i))
				span.End()
				s.logs.Logger("queue").Emit(ctx, warning(attribute.Int("n", i)))
			}
			counter.Add(t.Context(), n)
			s.flushMetrics(t)

			// Everything has been accepted; nothing could be delivered.
			c.kill()
			if got := len(backend.Requests()); got != 0 {
				t.Fatalf("the backend was not down: %d requests", got)
			}
			backend.Listen(t)
			c.start()

			spans, records := map[string]bool{}, map[int64]bool{}
			eventually(t, 30*time.Second, "all that was queued has been delivered", func() error {
				for _, s := range backend.Spans() {
					spans[s.GetName()] = true
				}
				for _, l := range backend.Logs() {
					if i, ok := l.Attr("n").(int64); ok {
						records[i] = true
					}
				}
				metric := backend.Total("queued.total", nil)
				if len(spans) != n || len(records) != n || metric != n {
					return fmt.Errorf("%d spans, %d records, a counter of %v; want %d each", len(spans), len(records), metric, n)
				}
				return nil
			})
			t.Logf("killed with its backend down: %d of %d spans, %d of %d records, and the counter at %d delivered after the restart", len(spans), n, len(records), n, n)
		})
	}
}
