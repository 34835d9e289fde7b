package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otellock/otellock-go/exporter/internal/network"
)

// A route is one signal's way out of the process. It tells the console what did
// not arrive.
type route struct {
	signal  string // "traces", "metrics" or "logs"
	name    string
	host    string // where the receiver is known
	life    context.Context
	console *console
	pending pending // of logs
	tried   atomic.Bool
}

// newRoute returns the route that the environment names for a signal.
func (b *builder) newRoute(signal string) *route {
	r := &route{signal: strings.ToLower(signal), life: b.life, console: b.out}
	if !otlpSelected(signal) {
		r.name = "OTEL_" + signal + "_EXPORTER=" + os.Getenv("OTEL_"+signal+"_EXPORTER")
		return r
	}
	r.host = otlpHost(signal)
	r.name = "OTLP to " + r.host
	return r
}

// otlpHost returns host and port of a signal's OTLP receiver, without what else
// is in its URL.
func otlpHost(signal string) string {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		if u, err := url.Parse(os.Getenv(name)); err == nil && u.Host != "" {
			return u.Host
		} else if err == nil && os.Getenv(name) != "" {
			return "the address in " + name // unix:/path and its like
		}
	}
	if protocol(signal) == "grpc" {
		return "localhost:4317"
	}
	return "localhost:4318"
}

// exported takes the result of an export, and returns why it failed.
func (r *route) exported(err error) (reason string) {
	first := !r.tried.Swap(true)
	if err == nil {
		return ""
	}
	reason = r.reason(err)
	if first && r.host != "" {
		r.console.unreachable(r.signal, r.host, reason)
	}
	return reason
}

// httpStatus finds the status in what the OTLP exporters say. The server's own
// words come after it.
var httpStatus = regexp.MustCompile(`^[^\n]*? to [^ ]+: ([1-5][0-9]{2}) `)

// reason says in bounded words why an export failed. An error's text can hold a
// secret of the endpoint's URL, or whatever a server answers.
func (r *route) reason(err error) string {
	text := err.Error()
	class := network.Class(err)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the endpoint says https, the receiver speaks http"
	case class != network.Other && class != network.Timeout && class != network.Canceled:
		return strings.ReplaceAll(class, "_", " ")
	case strings.Contains(text, "partial success"):
		return "the receiver rejected a part of the batch"
	case httpStatus.MatchString(text):
		return "HTTP status " + httpStatus.FindStringSubmatch(text)[1]
	case strings.Contains(text, "retry-able request failure"):
		return "the receiver answers that it is unavailable or busy"
	case r.life.Err() != nil:
		return "shut down before the receiver answered"
	case class == network.Timeout:
		return "timeout"
	}
	if s, ok := status.FromError(err); ok && s.Code() != codes.Unknown {
		return "gRPC status " + s.Code().String()
	}
	return "the exporter failed"
}

// A routedSpanExporter exports spans by a route, until its life ends.
type routedSpanExporter struct {
	sdktrace.SpanExporter
	*route
}

func (e routedSpanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, release := bounded(ctx, e.life)
	defer release()
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.exported(err)
	return err
}

// A routedMetricExporter exports metrics by a route.
type routedMetricExporter struct {
	sdkmetric.Exporter
	*route
}

func (e routedMetricExporter) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	err := e.Exporter.Export(ctx, metrics)
	e.exported(err)
	return err
}

// A routedLogExporter exports log records by a route, until its life ends. The
// warnings among those that were not delivered go to the console.
type routedLogExporter struct {
	sdklog.Exporter
	*route
}

func (e routedLogExporter) Export(ctx context.Context, records []sdklog.Record) error {
	e.lost("the queue was full", e.pending.overtaken(records))
	ctx, release := bounded(ctx, e.life)
	defer release()
	err := e.Exporter.Export(ctx, records)
	e.pending.exported(records)
	if reason := e.exported(err); err != nil {
		e.lost(reason, records)
	}
	return err
}

func (r *route) lost(reason string, records []sdklog.Record) {
	for i := range records {
		r.console.undelivered(r.name, reason, &records[i])
	}
}

// A watchedProcessor tells the console of a record that a destination refused.
type watchedProcessor struct {
	sdklog.Processor
	console *console
}

func (p watchedProcessor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	err := p.Processor.OnEmit(ctx, record)
	if err != nil {
		p.console.undelivered(fmt.Sprintf("%T", p.Processor), "the log processor returned an error", record)
	}
	return err
}
