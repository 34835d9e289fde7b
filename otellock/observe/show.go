package observe

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/internal/live"
)

// Key says which key is taken, for the page of package lockz: it shows which rows
// are about the same key. Call it before [Acquire.Wait]. The key is kept nowhere. It
// does nothing without [WithLockz].
func (a *Acquire) Key(key string) {
	if a.target.series.live != nil {
		a.key = live.KeyOf(key)
	}
}

// Fenced says which fence the lease has, for the page of package lockz.
func (l *Lease) Fenced(fence uint64) {
	if l != nil {
		l.live.Fenced(fence)
	}
}

// showWait puts the caller on the page of package lockz.
func (a *Acquire) showWait() live.Entry {
	const skip = 2 // this function and Wait
	t := a.target.series.live
	if t == nil {
		return live.Entry{}
	}
	e := live.Wait(t, a.key, trace.SpanContextFromContext(a.ctx).TraceID(), a.start, skip)
	e.Behind(a.behind)
	return e
}

// showHeld puts the lease that has just been granted on the page.
func (a *Acquire) showHeld(now time.Time) live.Entry {
	t := a.target.series.live
	if t == nil {
		return live.Entry{}
	}
	var deadline time.Time
	if a.ttl > 0 {
		deadline = a.attempt.Add(a.ttl)
	}
	return live.Hold(t, a.key, trace.SpanContextFromContext(a.ctx).TraceID(), now, deadline)
}

func (s *series) showFailure(f *failure, suppressed bool, span trace.Span) {
	if s.live != nil {
		s.live.Fail(f.action(), f.errorType, suppressed, f.at, span.SpanContext().TraceID())
	}
}
