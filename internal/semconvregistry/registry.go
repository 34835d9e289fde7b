// Package semconvregistry reads the registry of lock conventions. The generator
// of package semconv writes from what it returns, and conformance tests hold
// emitted telemetry against it.
package semconvregistry

import (
	"io/fs"
	"sync"

	"github.com/otellock/otellock-go/semconv/registry"
)

// A Registry is everything that locks may emit, references resolved. It must
// not be modified.
type Registry struct {
	SchemaURL  string
	Dependency string // schema URL of the registry that referenced attributes come from
	Attributes []*Attribute
	Metrics    []*Metric
	Events     []*Event
	Spans      []*Span

	groups map[string]Uses
}

// An Attribute is one attribute, defined here or referenced.
type Attribute struct {
	ID         string
	Type       string // string, int, double, boolean, or one of them with []
	Members    []Member
	Stability  string // empty for a referenced one: its own registry says
	Brief      string // empty for a referenced one that keeps its own
	Note       string
	Examples   []any
	Referenced bool // defined by the Dependency
}

// A Member is one value of an enumeration. Values are strings.
type Member struct {
	ID, Value, Brief, Note string
}

// Has reports whether value is one of the enumeration, or whether the attribute
// is none and takes any value.
func (a *Attribute) Has(value string) bool {
	if len(a.Members) == 0 {
		return true
	}
	for _, m := range a.Members {
		if m.Value == value {
			return true
		}
	}
	return false
}

// A Level says how binding a [Use] is.
type Level string

// Requirement levels of OpenTelemetry.
const (
	Required              Level = "required"
	ConditionallyRequired Level = "conditionally_required"
	Recommended           Level = "recommended"
	OptIn                 Level = "opt_in"
)

// A Use is an attribute on one metric, event or span.
type Use struct {
	*Attribute
	Level     Level
	Condition string   // text of a conditional level
	AtStart   bool     // on spans: set when the span starts, so that a sampler sees it
	Brief     string   // of this use, else the attribute's
	Shared    bool     // comes from the group that the metric, event or span extends
	Values    []string // the only values this use takes; empty where all are taken
}

// Takes reports whether value may be the attribute's on this use.
func (u Use) Takes(value string) bool {
	if len(u.Values) == 0 {
		return u.Has(value)
	}
	for _, v := range u.Values {
		if v == value {
			return true
		}
	}
	return false
}

// A Metric is one instrument.
type Metric struct {
	ID, Name, Brief, Note string
	Instrument            string // counter, updowncounter, histogram
	Unit                  string
	ValueType             string    // int or double
	Boundaries            []float64 // of a histogram
	Attributes            Uses
}

// An Event is a log record, and where Span names it a span event too.
type Event struct {
	ID, Name, Brief, Note string
	Severity              string // WARN, INFO
	Extends               string // id of the group that its shared attributes come from
	Attributes            Uses
}

// A Span is one kind of span.
type Span struct {
	ID, Brief, Note string
	Operation       string // value of lock.operation.name, the last part of ID
	Kind            string // internal
	Extends         string // id of the group that its shared attributes come from
	Events          []*Event
	Attributes      Uses
}

// Default reads the registry of this module, once.
var Default = sync.OnceValues(func() (*Registry, error) { return Load(registry.Files) })

// Load reads manifest.yaml and every other *.yaml at the top of fsys. It is
// strict: an unknown field, a missing brief, a name outside the rules or a
// reference to nothing is an error that names file and id. All of them are
// joined into the one returned.
func Load(fsys fs.FS) (*Registry, error) {
	src, err := read(fsys)
	if err != nil {
		return nil, err
	}
	return src.resolve()
}

// Attribute finds an attribute by its name, and gives nil where there is none.
func (r *Registry) Attribute(name string) *Attribute {
	return find(r.Attributes, func(a *Attribute) string { return a.ID }, name)
}

// Metric finds a metric by its name, and gives nil where there is none.
func (r *Registry) Metric(name string) *Metric {
	return find(r.Metrics, func(m *Metric) string { return m.Name }, name)
}

// Event finds an event by its name, and gives nil where there is none.
func (r *Registry) Event(name string) *Event {
	return find(r.Events, func(e *Event) string { return e.Name }, name)
}

// Span finds a span by the value of its lock.operation.name, and gives nil
// where the operation makes no span.
func (r *Registry) Span(operation string) *Span {
	return find(r.Spans, func(s *Span) string { return s.Operation }, operation)
}

// Group gives the attributes that signals share by extending the attribute
// group of this id, and none where there is no such group.
func (r *Registry) Group(id string) Uses { return r.groups[id] }

func find[T any](all []*T, name func(*T) string, wanted string) *T {
	for _, one := range all {
		if name(one) == wanted {
			return one
		}
	}
	return nil
}
