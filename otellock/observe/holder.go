package observe

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

// Traceparent returns the span of ctx in the form of W3C Trace Context, and ""
// where there is none. A lock stores it with the key, so that whoever finds the
// key busy can name the holder. It never has a tracestate or baggage.
func Traceparent(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return ""
	}
	buffer := append(make([]byte, 0, traceparentLen), "00-"...)
	trace, parent := span.TraceID(), span.SpanID()
	buffer = append(appendHex(buffer, trace[:]...), '-')
	buffer = append(appendHex(buffer, parent[:]...), '-')
	return string(appendHex(buffer, byte(span.TraceFlags())))
}

const traceparentLen = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

func appendHex(to []byte, raw ...byte) []byte {
	const digits = "0123456789abcdef"
	for _, b := range raw {
		to = append(to, digits[b>>4], digits[b&15])
	}
	return to
}

// HeldBy links the span to that of the lock's holder, who has left it as
// [Traceparent]. Any other text is ignored.
func (a *Acquire) HeldBy(traceparent string) {
	if !a.span.IsRecording() && a.target.series.live == nil {
		return
	}
	if holder, ok := parseTraceparent(traceparent); ok {
		a.behind = holder.TraceID()
		a.live.Behind(a.behind)
		a.span.AddLink(trace.Link{SpanContext: holder, Attributes: holderLink})
	}
}

var holderLink = []attribute.KeyValue{semconv.LockLinkTypeHolder}

// parseTraceparent takes version 00 only, which is what Traceparent writes.
func parseTraceparent(s string) (trace.SpanContext, bool) {
	if len(s) != traceparentLen || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return trace.SpanContext{}, false
	}
	id, err := trace.TraceIDFromHex(s[3:35])
	if err != nil {
		return trace.SpanContext{}, false
	}
	span, err := trace.SpanIDFromHex(s[36:52])
	if err != nil {
		return trace.SpanContext{}, false
	}
	flags, err := hex.DecodeString(s[53:])
	if err != nil {
		return trace.SpanContext{}, false
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags[0]), Remote: true}), true
}
