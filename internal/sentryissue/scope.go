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

// In returns what to capture the event with. Event and envelope header then
// carry the record's trace; a record without one has that of the scope. A hub's
// scope, which may be nil, adds its user, request, tags, breadcrumbs and contexts,
// within the event's bounds and never in the place of what the record says.
// Attachments are left out.
func (e *Event) In(scope *sentry.Scope) sentry.EventModifier {
	if scope == nil {
		scope = sentry.NewScope()
	} else {
		scope = scope.Clone()
		scope.SetLevel(e.Level)
		if e.traceID == ([16]byte{}) {
			return modifier{e, scope}
		}
	}
	trace := sentry.NewPropagationContext()
	var sampled, org string
	if e.traceID != ([16]byte{}) {
		trace.TraceID, sampled = e.traceID, strconv.FormatBool(e.sampled)
	}
	if e.spanID != ([8]byte{}) {
		trace.SpanID = e.spanID
	}
	if e.project.OrgID != 0 {
		org = strconv.FormatUint(e.project.OrgID, 10)
	}
	trace.DynamicSamplingContext = sentry.DynamicSamplingContext{Frozen: true, Entries: map[string]string{
		"trace_id": trace.TraceID.String(), "sampled": sampled, "public_key": e.project.PublicKey, "org_id": org,
		"release": e.Release, "environment": e.Environment,
	}}
	maps.DeleteFunc(trace.DynamicSamplingContext.Entries, func(_, value string) bool { return value == "" })
	e.trace = trace.DynamicSamplingContext.Entries
	scope.SetSpan(nil)
	scope.SetPropagationContext(trace)
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
	room := &m.issue.room
	e.Attachments = nil
	e.Tags, tags = tags, e.Tags
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		m.issue.AddTag(k, tags[k])
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
	room.texts(&e.User.ID, &e.User.Email, &e.User.IPAddress, &e.User.Username, &e.User.Name)
	e.User.Data = room.textMap(e.User.Data)
	if r := e.Request; r != nil {
		room.texts(&r.URL, &r.Method, &r.QueryString, &r.Cookies, &r.Data)
		r.Headers, r.Env = room.textMap(r.Headers), room.textMap(r.Env)
	}
	e.Breadcrumbs = room.breadcrumbs(e.Breadcrumbs)
	return e
}

func (b *budget) texts(fields ...*string) {
	for _, s := range fields {
		*s = b.text(*s, maxTitle)
	}
}

func (b *budget) textMap(in map[string]string) map[string]string {
	out := make(map[string]string, len(in))
	for _, k := range slices.Sorted(maps.Keys(in)) {
		if key := cut(k, maxKey); b.take(jsonSize(key) + 4) {
			out[key] = b.text(in[k], maxTitle)
		}
	}
	return out
}

// breadcrumbs keeps the newest, as copies: the application may go on changing its
// own.
func (b *budget) breadcrumbs(in []*sentry.Breadcrumb) []*sentry.Breadcrumb {
	var out []*sentry.Breadcrumb
	for _, crumb := range slices.Backward(in) {
		if len(out) == maxBreadcrumbs || !b.take(250) {
			break
		}
		c := *crumb
		level := string(c.Level)
		b.texts(&c.Type, &c.Category, &c.Message, &level)
		c.Level = sentry.Level(level)
		if len(c.Data) > 0 {
			part, done := b.limit(maxText)
			c.Data, _ = part.value(c.Data, 1).(map[string]any)
			done()
		}
		out = append(out, &c)
	}
	slices.Reverse(out)
	return out
}
