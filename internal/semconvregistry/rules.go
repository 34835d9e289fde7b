package semconvregistry

import (
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

	stabilities   = []string{"stable", "development", "alpha", "beta", "release_candidate"}
	simpleTypes   = []string{"string", "int", "double", "boolean", "string[]", "int[]", "double[]", "boolean[]"}
	levels        = []Level{Required, ConditionallyRequired, Recommended, OptIn, ""}
	severities    = []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}
	spanKinds     = []string{"client", "server", "producer", "consumer", "internal"}
	maxEnumValues = 32 // more than a person reads, and more series than a target should make
)

func (m manifest) check() (wrong []error) {
	add := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("registry: "+manifestFile+": "+format, args...))
	}
	if !schemaURLRule.MatchString(m.SchemaURL) {
		add("schema_url %q is not https://.../<version>", m.SchemaURL)
	}
	if m.Description == "" {
		add("description is missing")
	}
	if !slices.Contains(stabilities, m.Stability) {
		add("stability %q is none of %s", m.Stability, strings.Join(stabilities, ", "))
	}
	if len(m.Dependencies) > 1 {
		add("more than one dependency; the generator knows one")
	}
	for _, d := range m.Dependencies {
		if !schemaURLRule.MatchString(d.SchemaURL) {
			add("dependency: schema_url %q is not https://.../<version>", d.SchemaURL)
		}
	}
	return wrong
}

// check looks at a group on its own.
func (g *group) check(wrong *problems) {
	add := func(format string, args ...any) { wrong.add(g, g.ID, format, args...) }
	if g.ID == "" {
		wrong.add(g, "a group", "id is missing")
	} else if !nameRule.MatchString(g.ID) {
		add("id does not follow the rule for names")
	}
	if line(g.Brief) == "" {
		add("brief is missing")
	} else if !strings.HasSuffix(line(g.Brief), ".") {
		add("brief does not end with a full stop")
	}
	name := map[string]string{"metric": g.MetricName, "event": g.Name}[g.Type]
	switch g.Type {
	case "attribute_group":
	case "metric", "event":
		if !nameRule.MatchString(name) || !strings.Contains(name, ".") {
			add("name %q is not lower-case words in a namespace", name)
		} else if g.ID != g.Type+"."+name {
			add("id is not %s.%s", g.Type, name)
		}
	case "span":
		if !slices.Contains(spanKinds, g.SpanKind) {
			add("span_kind %q is none of %s", g.SpanKind, strings.Join(spanKinds, ", "))
		}
		if !strings.HasPrefix(g.ID, spanPrefix) {
			add("id is not %s<operation>", spanPrefix)
		}
	default:
		add("type %q is none of attribute_group, metric, event, span", g.Type)
	}
	if g.Type != "attribute_group" && !slices.Contains(stabilities, g.Stability) {
		add("stability %q is none of %s", g.Stability, strings.Join(stabilities, ", "))
	}
	if (g.Type == "attribute_group" || g.Type == "span") && g.Extends == "" && len(g.Attributes) == 0 {
		add("has neither attributes nor extends")
	}
	if g.Type != "span" && (g.SpanKind != "" || len(g.Events) > 0) {
		add("span_kind and events belong to spans")
	}
	if g.Type != "event" && g.Name != "" {
		add("name belongs to events")
	}
	if g.Type == "event" && !slices.Contains(severities, g.Annotations.Severity) {
		add("annotation severity %q is none of %s", g.Annotations.Severity, strings.Join(severities, ", "))
	}
	g.checkMetric(add)
	seen := map[string]bool{}
	for _, a := range g.Attributes {
		switch id := a.ID + a.Ref; {
		case (a.ID == "") == (a.Ref == ""):
			add("an attribute needs either id or ref: %q", id)
		case seen[id]:
			add("attribute %q is listed twice", id)
		case a.Ref != "" && (a.Type.name != "" || a.Stability != ""):
			add("ref %q must not repeat type or stability", id)
		case a.ID != "" && g.Type != "attribute_group":
			add("attribute %q is defined here; define it in an attribute_group and use ref", id)
		default:
			seen[id] = true
		}
		switch l := a.RequirementLevel; {
		case !slices.Contains(levels, l.level):
			add("attribute %q: requirement_level %q is unknown", a.ID+a.Ref, l.level)
		case l.level == ConditionallyRequired && line(l.condition) == "":
			add("attribute %q: conditionally_required without its condition", a.ID+a.Ref)
		}
	}
}

func (g *group) checkMetric(add func(string, ...any)) {
	code := g.Annotations.CodeGeneration
	if g.Type != "metric" {
		if g.MetricName+g.Instrument+g.Unit+code.MetricValueType != "" || code.Boundaries != nil {
			add("metric_name, instrument, unit and their annotations belong to metrics")
		}
		return
	}
	if !unitRule.MatchString(g.Unit) {
		add("unit %q is none of s, 1, {thing}", g.Unit)
	}
	if !slices.Contains([]string{"counter", "updowncounter", "histogram"}, g.Instrument) {
		add("instrument %q is none of counter, updowncounter, histogram", g.Instrument)
	}
	if code.MetricValueType != "int" && code.MetricValueType != "double" {
		add("annotation metric_value_type %q is neither int nor double", code.MetricValueType)
	}
	if (g.Instrument == "histogram") != (len(code.Boundaries) > 0) {
		add("annotation explicit_bucket_boundaries belongs to every histogram and to nothing else")
	}
	for i := 1; i < len(code.Boundaries); i++ {
		if code.Boundaries[i] <= code.Boundaries[i-1] {
			add("annotation explicit_bucket_boundaries is not ascending at %v", code.Boundaries[i])
		}
	}
}

// check looks at a definition, def being what became of it.
func (a attributeSpec) check(g *group, def *Attribute, wrong *problems) {
	add := func(format string, args ...any) { wrong.add(g, def.ID, format, args...) }
	if !nameRule.MatchString(def.ID) || !strings.Contains(def.ID, ".") {
		add("name is not lower-case words in a namespace")
	}
	if !slices.Contains(simpleTypes, def.Type) {
		add("type %q is none of %s, nor an enumeration", def.Type, strings.Join(simpleTypes, ", "))
	}
	if !def.Referenced {
		if def.Brief == "" {
			add("brief is missing")
		}
		if !slices.Contains(stabilities, def.Stability) {
			add("stability %q is none of %s", def.Stability, strings.Join(stabilities, ", "))
		}
		if strings.HasPrefix(def.Type, "string") && len(def.Members) == 0 && len(def.Examples) == 0 && !a.Type.enum {
			add("a string needs examples")
		}
		a.Type.checkStabilities(add)
	}
	for _, e := range def.Examples {
		if !exampleFits(def.Type, e) {
			add("example %v is not a %s", e, def.Type)
		}
	}
	if a.Type.enum && len(def.Members) == 0 {
		add("the enumeration has no members")
	}
	if len(def.Members) > maxEnumValues {
		add("the enumeration has %d members, more than %d", len(def.Members), maxEnumValues)
	}
	ids, values := map[string]bool{}, map[string]bool{}
	for _, m := range def.Members {
		switch {
		case !memberRule.MatchString(m.ID):
			add("member id %q is not lower-case words", m.ID)
		case m.Value == "":
			add("member %q has no value", m.ID)
		case m.Brief == "":
			add("member %q has no brief", m.ID)
		case ids[m.ID]:
			add("member %q is defined twice", m.ID)
		case values[m.Value]:
			add("member %q repeats the value %q", m.ID, m.Value)
		}
		ids[m.ID], values[m.Value] = true, true
	}
}

func (t attributeType) checkStabilities(add func(string, ...any)) {
	for _, m := range t.members {
		if !slices.Contains(stabilities, m.Stability) {
			add("member %q: stability %q is none of %s", m.ID, m.Stability, strings.Join(stabilities, ", "))
		}
	}
}

func exampleFits(kind string, example any) bool {
	if element, isArray := strings.CutSuffix(kind, "[]"); isArray {
		list, ok := example.([]any)
		return ok && !slices.ContainsFunc(list, func(e any) bool { return !exampleFits(element, e) })
	}
	switch example.(type) {
	case string:
		return kind == "string"
	case int:
		return kind == "int"
	case float64:
		return kind == "double"
	case bool:
		return kind == "boolean"
	}
	return false
}

// checkNames looks at names side by side: OpenTelemetry lets no attribute or
// metric be the namespace of another of its kind, and no two of a kind be one
// constant. Across kinds they may share a name.
func (r *Registry) checkNames(wrong *problems) {
	for kind, names := range map[string][]string{
		"attribute": names(r.Attributes, func(a *Attribute) string { return a.ID }),
		"metric":    names(r.Metrics, func(m *Metric) string { return m.Name }),
		"event":     names(r.Events, func(e *Event) string { return e.Name }),
	} {
		for _, a := range names {
			for _, b := range names {
				if kind != "event" && strings.HasPrefix(b, a+".") {
					*wrong = append(*wrong, fmt.Errorf("registry: %s %s: the name is the namespace of %s", kind, a, b))
				}
				if a < b && constant(a) == constant(b) {
					*wrong = append(*wrong, fmt.Errorf("registry: %s %s: makes the same constant as %s", kind, a, b))
				}
			}
		}
	}
}

func constant(name string) string { return strings.ReplaceAll(name, ".", "_") }

func names[T any](all []*T, name func(*T) string) []string {
	list := make([]string, len(all))
	for i, one := range all {
		list[i] = name(one)
	}
	return list
}
