package exporter

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	otelsemconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otellock/otellock-go/internal/guard"
	"github.com/otellock/otellock-go/internal/window"
)

// A console prints what telemetry could not deliver. It does not use [slog.Default],
// which may lead into the pipeline that has just failed.
type console struct {
	handler slog.Handler
	window  *window.Window

	mu   sync.Mutex
	said map[string]bool // by host and reason
}

func newConsole(handler slog.Handler) (*console, error) {
	if handler == nil {
		handler = slog.NewTextHandler(os.Stderr, nil)
	}
	w, err := window.New(window.Config{})
	return &console{handler: handler, window: w, said: map[string]bool{}}, err
}

// undelivered prints a lock's warning that the route did not deliver: one a minute
// for each action and target, whichever the route. Other records are not printed.
func (c *console) undelivered(route, reason string, record *sdklog.Record) {
	action, target := warningOf(record)
	if action == "" || target == "" {
		return
	}
	errorType, attrs := "", []slog.Attr{slog.String("route", route), slog.String("reason", reason)}
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		switch kv.Key {
		case otelsemconv.ErrorTypeKey:
			errorType = kv.Value.String()
		case otelsemconv.ExceptionStacktraceKey, otelsemconv.ExceptionTypeKey, otelsemconv.ExceptionMessageKey, otelsemconv.OTelEventNameKey:
			return true // for viewers
		}
		attrs = append(attrs, slog.Any(string(kv.Key), kv.Value.AsInterface()))
		return true
	})
	claim := c.window.Admit(record.ObservedTimestamp(), errorType, action, target)
	if claim == nil {
		return
	}
	defer claim.Delivered()
	if id := record.TraceID(); id.IsValid() {
		attrs = append(attrs, slog.String("trace_id", id.String()))
	}
	c.print("not delivered: "+record.Body().String(), attrs...)
}

// unreachable prints, once for each host and reason, that exports do not arrive.
func (c *console) unreachable(signal, host, reason string) {
	c.mu.Lock()
	again := c.said[host+reason]
	c.said[host+reason] = true
	c.mu.Unlock()
	if !again {
		c.print("no telemetry arrives at "+host+": "+reason,
			slog.String("signal", signal),
			slog.String("hint", "OTEL_EXPORTER_OTLP_ENDPOINT says where the receiver is; OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER and OTEL_LOGS_EXPORTER=none do without; this is said once"))
	}
}

// print gives the handler a warning. A handler that panics does not reach the
// export that called it.
func (c *console) print(text string, attrs ...slog.Attr) {
	_ = guard.Call(func() error {
		ctx := context.Background()
		if !c.handler.Enabled(ctx, slog.LevelWarn) {
			return nil
		}
		record := slog.NewRecord(time.Now(), slog.LevelWarn, text, 0)
		record.AddAttrs(attrs...)
		return c.handler.Handle(ctx, record)
	})
}
