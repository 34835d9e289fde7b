package semconvregistry

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	// nameRule is that of OpenTelemetry's tooling: lower-case words, single
	// delimiters, a letter first, a letter or digit last.
	nameRule = regexp.MustCompile(`^[a-z][a-z0-9]*([._][a-z0-9]+)*$`)
	// memberRule is the same without namespaces.
	memberRule = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	// unitRule: the units of UCUM in use by OpenTelemetry for what locks
	// measure, and its annotations for things that are counted.
	unitRule = regexp.MustCompile(`^(s|1|\{[a-z]+(_[a-z]+)*\})$`)
	// schemaURLRule ends in the version, as a registry's name and version are
	// cut out of it.
	schemaURLRule = regexp.MustCompile(`^https://[^ ]+/[0-9]+\.[0-9]+\.[0-9]+$`)

	// spanPrefix stands before the operation in the id of a span.
	spanPrefix = "span.lock."

	stabilities = []string{"stable", "development", "alpha", "beta", "release_candidate"}
	simpleTypes = []string{"string", "int", "double", "boolean", "string[]", "int[]", "double[]", "boolean[]"}
	levels      = []Level{Required, ConditionallyRequired, Recommended, OptIn, ""}
	severities  = []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}
	spanKinds   = []string{"client", "server", "producer", "consumer", "internal"}
	instruments = []string{"counter", "updowncounter", "histogram"}
	valueTypes  = []string{"int", "double"}
)

// oneOf reports a value that is none of those that the format knows.
func (l *loader) oneOf(id, field, value string, allowed []string) {
	if !slices.Contains(allowed, value) {
		l.bad(id, "%s %q is none of %s", field, value, strings.Join(allowed, ", "))
	}
}

func (l *loader) checkManifest(m manifest) {
	if !schemaURLRule.MatchString(m.SchemaURL) {
		l.bad("schema_url", "%q is not https://.../<version>", m.SchemaURL)
	}
	if m.Description == "" {
		l.bad("description", "is missing")
	}
	if len(m.Dependencies) > 1 {
		l.bad("dependencies", "more than one; the generator knows one")
	}
	l.oneOf("manifest", "stability", m.Stability, stabilities)
}

func (l *loader) checkGroup(g *Group) {
	if !nameRule.MatchString(g.ID) {
		l.bad(g.ID, "id is not lower-case words")
	}
	if !strings.HasSuffix(g.Brief, ".") {
		l.bad(g.ID, "brief is missing, or does not end with a full stop")
	}
	l.oneOf(g.ID, "type", g.Type, []string{"attribute_group", "metric", "event", "span"})
	if g.Type != "attribute_group" {
		l.oneOf(g.ID, "stability", g.Stability, stabilities)
	}
	switch g.Type {
	case "metric":
		l.checkName(g, g.MetricName)
		l.checkMetric(g)
	case "event":
		l.checkName(g, g.Name)
		l.oneOf(g.ID, "annotation severity", g.Severity, severities)
	case "span":
		l.oneOf(g.ID, "span_kind", g.Kind, spanKinds)
		if !strings.HasPrefix(g.ID, spanPrefix) {
			l.bad(g.ID, "id is not %s<operation>", spanPrefix)
		}
	}
	for kind, fields := range map[string]bool{
		"metric": g.MetricName+g.Instrument+g.Unit+g.ValueType != "" || g.Boundaries != nil,
		"event":  g.Name+g.Severity != "",
		"span":   g.Kind != "" || g.EventIDs != nil,
	} {
		if fields && g.Type != kind {
			l.bad(g.ID, "has fields of another type: %s", kind)
		}
	}
}

func (l *loader) checkName(g *Group, name string) {
	if !nameRule.MatchString(name) || !strings.Contains(name, ".") {
		l.bad(g.ID, "name %q is not lower-case words in a namespace", name)
	}
	if g.ID != g.Type+"."+name {
		l.bad(g.ID, "id is not %s.%s", g.Type, name)
	}
}

func (l *loader) checkMetric(g *Group) {
	if !unitRule.MatchString(g.Unit) {
		l.bad(g.ID, "unit %q is none of s, 1, {thing}", g.Unit)
	}
	l.oneOf(g.ID, "instrument", g.Instrument, instruments)
	l.oneOf(g.ID, "annotation metric_value_type", g.ValueType, valueTypes)
	if (g.Instrument == "histogram") != (len(g.Boundaries) > 0) {
		l.bad(g.ID, "annotation explicit_bucket_boundaries belongs to every histogram and to nothing else")
	}
	if !slices.IsSorted(g.Boundaries) || len(slices.Compact(slices.Clone(g.Boundaries))) < len(g.Boundaries) {
		l.bad(g.ID, "annotation explicit_bucket_boundaries is not ascending")
	}
}

func (l *loader) checkAttribute(a *Attribute) {
	if !nameRule.MatchString(a.ID) || !strings.Contains(a.ID, ".") {
		l.bad(a.ID, "name is not lower-case words in a namespace")
	}
	l.oneOf(a.ID, "type", a.Type, simpleTypes)
	if a.Brief == "" {
		l.bad(a.ID, "brief is missing")
	}
	if !a.Referenced {
		l.oneOf(a.ID, "stability", a.Stability, stabilities)
		if strings.HasPrefix(a.Type, "string") && len(a.Members)+len(a.Examples) == 0 {
			l.bad(a.ID, "a string needs examples")
		}
	}
	for _, e := range a.Examples {
		if !exampleFits(a.Type, e) {
			l.bad(a.ID, "example %v is not a %s", e, a.Type)
		}
	}
	ids, values := map[string]bool{}, map[string]bool{}
	for _, m := range a.Members {
		id := fmt.Sprintf("%s: member %q", a.ID, m.ID)
		if !memberRule.MatchString(m.ID) {
			l.bad(id, "id is not lower-case words")
		}
		if m.Value == "" || m.Brief == "" {
			l.bad(id, "value or brief is missing")
		}
		if ids[m.ID] || values[m.Value] {
			l.bad(id, "repeats the id or the value %q", m.Value)
		}
		if !a.Referenced {
			l.oneOf(id, "stability", m.Stability, stabilities)
		}
		ids[m.ID], values[m.Value] = true, true
	}
}

func exampleFits(kind string, example any) bool {
	if element, isArray := strings.CutSuffix(kind, "[]"); isArray {
		list, ok := example.([]any)
		return ok && !slices.ContainsFunc(list, func(e any) bool { return !exampleFits(element, e) })
	}
	return fmt.Sprintf("%T", example) == cmp.Or(map[string]string{"double": "float64", "boolean": "bool"}[kind], kind)
}

func (l *loader) checkUse(g *Group, def *Attribute, a attributeSpec) {
	if a.Type.name != "" || a.Stability != "" {
		l.bad(g.ID, "ref %q must not repeat type or stability", a.Ref)
	}
	if !slices.Contains(levels, a.RequirementLevel.level) {
		l.bad(g.ID, "ref %q: requirement_level %q is unknown", a.Ref, a.RequirementLevel.level)
	}
	if a.RequirementLevel.level == ConditionallyRequired && a.RequirementLevel.condition == "" {
		l.bad(g.ID, "ref %q: conditionally_required without its condition", a.Ref)
	}
	for _, v := range a.Annotations.Values {
		if len(def.Members) == 0 || !def.Has(v) {
			l.bad(g.ID, "ref %q: annotation values: %q is no member of the enumeration", a.Ref, v)
		}
	}
}

// checkNames compares names with each other: OpenTelemetry lets no attribute or
// metric be the namespace of another of its kind, and no two of a kind be one
// constant. Across kinds they may share a name.
func (l *loader) checkNames() {
	var attributes []string
	for _, a := range l.r.Attributes {
		attributes = append(attributes, a.ID)
	}
	constant := strings.NewReplacer(".", "_")
	for _, names := range [][]string{attributes, names(l.r.Metrics), names(l.r.Events)} {
		for _, a := range names {
			for _, b := range names {
				if strings.HasPrefix(b, a+".") {
					l.note(fmt.Errorf("registry: %s: the name is the namespace of %s", a, b))
				}
				if a < b && constant.Replace(a) == constant.Replace(b) {
					l.note(fmt.Errorf("registry: %s: makes the same constant as %s", a, b))
				}
			}
		}
	}
}

func names(groups []*Group) []string {
	list := make([]string, len(groups))
	for i, g := range groups {
		list[i] = g.Name
	}
	return list
}
