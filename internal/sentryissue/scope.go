package sentryissue

import (
	"maps"
	"slices"
	"strconv"

	"github.com/getsentry/sentry-go"
)

const maxBreadcrumbs = 100

// A Project is what an envelope's header says about its destination.
type Project struct {
	PublicKey string
	OrgID     uint64 // 0 when the DSN does not tell
}

// trace returns where the record belongs, and false where it does not say.
func (r *Record) trace() (sentry.PropagationContext, bool) {
	trace := sentry.NewPropagationContext()
	trace.DynamicSamplingContext.Entries = make(map[string]string, 6)
	if r.TraceID == ([16]byte{}) {
		return trace, false
	}
	trace.TraceID = r.TraceID
	if r.SpanID != ([8]byte{}) {
		trace.SpanID = r.SpanID
	}
	trace.DynamicSamplingContext.Entries["sampled"] = strconv.FormatBool(r.Sampled)
	return trace, true
}

// In returns what to capture the event with. Event and envelope header then
// carry the record's trace, not that of the goroutine that sends; a record
// without a trace has that of the scope, or one of its own. A hub's scope, which may be nil, adds
// its user, request, tags, breadcrumbs and contexts, within the event's bounds
// and never in the place of what the record says. Attachments are left out.
func (e *Event) In(scope *sentry.Scope) sentry.EventModifier {
	if scope == nil {
		scope = sentry.NewScope()
	} else {
		scope = scope.Clone()
		scope.SetLevel(e.Level)
		if !e.traced {
			return modifier{e, scope}
		}
	}
	entries := e.trace.DynamicSamplingContext.Entries
	put := func(key, value string) {
		if value != "" {
			entries[key] = value
		}
	}
	put("trace_id", e.trace.TraceID.String())
	put("public_key", e.project.PublicKey)
	put("release", e.Release)
	put("environment", e.Environment)
	if e.project.OrgID != 0 {
		put("org_id", strconv.FormatUint(e.project.OrgID, 10))
	}
	e.trace.DynamicSamplingContext.Frozen = true
	scope.SetSpan(nil)
	scope.SetPropagationContext(e.trace)
	return modifier{e, scope}
}

// modifier applies a scope to an event, and bounds what came from it.
type modifier struct {
	issue *Event
	scope *sentry.Scope
}

// ApplyToEvent implements [sentry.EventModifier].
func (m modifier) ApplyToEvent(e *sentry.Event, hint *sentry.EventHint, client *sentry.Client) *sentry.Event {
	tags, contexts := e.Tags, maps.Clone(e.Contexts) // the record's own
	e.Tags = nil
	if e = m.scope.ApplyToEvent(e, hint, client); e == nil {
		return nil
	}
	e.Attachments = nil
	room := &m.issue.room
	theirs := e.Tags
	e.Tags = tags
	for _, k := range slices.Sorted(maps.Keys(theirs)) {
		m.issue.AddTag(k, theirs[k])
	}
	for _, k := range slices.Sorted(maps.Keys(e.Contexts)) {
		if _, own := contexts[k]; own || k == "trace" {
			continue
		}
		c := e.Contexts[k]
		delete(e.Contexts, k)
		part, done := room.limit(int(*room) / 4)
		if c, ok := part.value(c, 0).(map[string]any); ok && len(k) <= maxKey && part.take(jsonSize(k)+2) {
			e.Contexts[k] = c
		}
		done()
	}
	if e.User.IsEmpty() {
		e.User.ID = m.issue.userID
	}
	boundUser(&e.User, room)
	boundRequest(e, room)
	e.Breadcrumbs = boundBreadcrumbs(e.Breadcrumbs, room)
	return e
}

func boundUser(u *sentry.User, room *budget) {
	for _, s := range []*string{&u.ID, &u.Email, &u.IPAddress, &u.Username, &u.Name} {
		*s = room.text(*s, maxTag)
	}
	u.Data = boundTexts(u.Data, room)
}

func boundRequest(e *sentry.Event, room *budget) {
	r := e.Request
	if r == nil {
		return
	}
	r.URL, r.Method = room.text(r.URL, maxTitle), room.text(r.Method, maxTag)
	r.QueryString, r.Cookies = room.text(r.QueryString, maxTitle), room.text(r.Cookies, maxTitle)
	r.Headers, r.Env = boundTexts(r.Headers, room), boundTexts(r.Env, room)
	r.Data = room.text(r.Data, maxText)
}

func boundTexts(in map[string]string, room *budget) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, len(in))
	for _, k := range slices.Sorted(maps.Keys(in)) {
		if key := cut(k, maxKey); room.take(jsonSize(key) + 4) {
			out[key] = room.text(in[k], maxTitle)
		}
	}
	return out
}

// boundBreadcrumbs keeps the newest, as copies: the application may go on
// changing its own.
func boundBreadcrumbs(in []*sentry.Breadcrumb, room *budget) []*sentry.Breadcrumb {
	var out []*sentry.Breadcrumb
	for _, b := range slices.Backward(in) {
		if len(out) == maxBreadcrumbs || !room.take(250) {
			break
		}
		if b == nil {
			continue
		}
		c := *b
		c.Type, c.Category = cut(c.Type, maxTagKey), room.text(c.Category, maxTag)
		c.Message, c.Level = room.text(c.Message, maxTitle), sentry.Level(cut(string(c.Level), maxTagKey))
		if len(c.Data) > 0 {
			part, done := room.limit(maxText)
			c.Data, _ = part.value(c.Data, 1).(map[string]any)
			done()
		}
		out = append(out, &c)
	}
	slices.Reverse(out)
	return out
}
