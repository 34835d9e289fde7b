// Package semconvregistry reads the registry of lock conventions. The generator
// of package semconv writes from what it returns, and conformance tests hold
// emitted telemetry against it.
package semconvregistry

import (
	"slices"
	"sync"

	"github.com/otellock/otellock-go/semconv/registry"
)

// A Registry is everything that locks may emit, references resolved. It must
// not be modified.
type Registry struct {
	SchemaURL   string
	Description string
	Stability   string
	Dependency  string // schema URL of the registry that referenced attributes come from
	Attributes  []*Attribute
	Metrics     []*Group
	Events      []*Group
	Spans       []*Group
	Links       []*Group // attribute groups of the links between spans

	groups map[string]*Group
}

// An Attribute is one attribute, defined here or referenced.
type Attribute struct {
	ID         string
	Type       string // string, int, double, boolean, or one of them with []
	Members    []Member
	Stability  string
	Brief      string
	Note       string
	Examples   []any
	Referenced bool // defined by the Dependency
}

// A Member is one value of an enumeration. Values are strings.
type Member struct {
	ID, Value, Brief, Note, Stability string
}

// Has reports whether value is one of the enumeration, or whether the attribute
// is none and takes any value.
func (a *Attribute) Has(value string) bool {
	return len(a.Members) == 0 || slices.ContainsFunc(a.Members, func(m Member) bool { return m.Value == value })
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
	return slices.Contains(u.Values, value)
}

// A Group is a metric, an event, a span, or attributes that these extend.
type Group struct {
	ID, Type, Brief, Note, Stability string

	Name       string // of a span, the value of lock.operation.name
	Attributes Uses   `yaml:"-"`
	Extends    string // id of a group whose attributes are this one's too

	Instrument, Unit string   // of a metric
	Kind             string   `yaml:"span_kind"`
	Events           []*Group `yaml:"-"` // of a span
	Annotations      `yaml:"annotations"`

	// The fields below are as written. Name, Attributes and Events derive from them.
	MetricName  string          `yaml:"metric_name"`
	Specs       []attributeSpec `yaml:"attributes"`
	EventIDs    []string        `yaml:"events"`
	DisplayName string          `yaml:"display_name"`
}

// Annotations are what OpenTelemetry's format leaves to its users.
type Annotations struct {
	Severity       string // of an event: WARN, INFO
	CodeGeneration `yaml:"code_generation"`
}

// CodeGeneration says how a metric's instrument is created.
type CodeGeneration struct {
	ValueType  string    `yaml:"metric_value_type"` // int or double
	Boundaries []float64 `yaml:"explicit_bucket_boundaries"`
}

// Default returns the registry of lock conventions. It is read once.
var Default = sync.OnceValues(func() (*Registry, error) { return Load(registry.Files) })

// Attribute returns the attribute of this name, or nil.
func (r *Registry) Attribute(name string) *Attribute {
	for _, a := range r.Attributes {
		if a.ID == name {
			return a
		}
	}
	return nil
}

// Metric returns the metric of this name, or nil.
func (r *Registry) Metric(name string) *Group { return r.groups["metric."+name] }

// Event returns the event of this name, or nil.
func (r *Registry) Event(name string) *Group { return r.groups["event."+name] }

// Span returns the span of this lock.operation.name, or nil where the operation
// makes no span.
func (r *Registry) Span(operation string) *Group { return r.groups[spanPrefix+operation] }

// Group returns the group of this id, or nil.
func (r *Registry) Group(id string) *Group { return r.groups[id] }
