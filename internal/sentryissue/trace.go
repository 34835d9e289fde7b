package sentryissue

import (
	"strconv"

	"github.com/getsentry/sentry-go"
)

// A Project is what an envelope's header says about its destination.
type Project struct {
	PublicKey string
	OrgID     uint64 // 0 when the DSN does not tell
}

// Scope returns the scope to capture the record's event with: event and
// envelope header then carry the record's trace, not that of the goroutine that
// sends. A record without a trace gets one of its own, as every event of
// sentry-go does.
func (p Project) Scope(r *Record, e *sentry.Event) *sentry.Scope {
	trace := sentry.NewPropagationContext()
	entries := make(map[string]string, 6)
	put := func(key, value string) {
		if value != "" {
			entries[key] = value
		}
	}
	if r.TraceID != ([16]byte{}) {
		trace.TraceID = r.TraceID
		if r.SpanID != ([8]byte{}) {
			trace.SpanID = r.SpanID
		}
		put("sampled", strconv.FormatBool(r.Sampled))
	}
	put("trace_id", trace.TraceID.String())
	put("public_key", p.PublicKey)
	put("release", e.Release)
	put("environment", e.Environment)
	if p.OrgID != 0 {
		put("org_id", strconv.FormatUint(p.OrgID, 10))
	}
	trace.DynamicSamplingContext = sentry.DynamicSamplingContext{Entries: entries, Frozen: true}
	scope := sentry.NewScope()
	scope.SetPropagationContext(trace)
	return scope
}
