package semconvregistry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// problems collects what is wrong, so that one run names all of it.
type problems []error

func (p *problems) add(g *group, id, format string, args ...any) {
	*p = append(*p, fmt.Errorf("registry: %s: %s: %s", g.file, id, fmt.Sprintf(format, args...)))
}

func (s *source) resolve() (*Registry, error) {
	var wrong problems
	r := &Registry{SchemaURL: s.manifest.SchemaURL, groups: map[string]Uses{}}
	wrong = append(wrong, s.manifest.check()...)
	if len(s.manifest.Dependencies) > 0 {
		r.Dependency = s.manifest.Dependencies[0].SchemaURL
	}

	byID := map[string]*group{}
	for _, g := range s.groups {
		if byID[g.ID] != nil {
			wrong.add(g, g.ID, "group is defined twice, first in %s", byID[g.ID].file)
			continue
		}
		byID[g.ID] = g
		g.check(&wrong)
	}
	for _, g := range s.groups {
		r.define(g, &wrong)
	}
	for _, g := range s.groups {
		uses := r.uses(g, byID, &wrong)
		switch g.Type {
		case "attribute_group":
			r.groups[g.ID] = uses
		case "metric":
			code := g.Annotations.CodeGeneration
			r.Metrics = append(r.Metrics, &Metric{
				ID: g.ID, Name: g.MetricName, Brief: line(g.Brief), Note: text(g.Note),
				Instrument: g.Instrument, Unit: g.Unit, ValueType: code.MetricValueType,
				Boundaries: code.Boundaries, Attributes: uses,
			})
		case "event":
			r.Events = append(r.Events, &Event{
				ID: g.ID, Name: g.Name, Brief: line(g.Brief), Note: text(g.Note),
				Severity: g.Annotations.Severity, Extends: g.Extends, Attributes: uses,
			})
		}
	}
	for _, g := range s.groups {
		if g.Type != "span" {
			continue
		}
		span := &Span{
			ID: g.ID, Brief: line(g.Brief), Note: text(g.Note), Operation: strings.TrimPrefix(g.ID, spanPrefix),
			Kind: g.SpanKind, Extends: g.Extends, Attributes: r.uses(g, byID, nil),
		}
		for _, id := range g.Events {
			event := find(r.Events, func(e *Event) string { return e.ID }, id)
			if event == nil {
				wrong.add(g, g.ID, "event group %q is not defined", id)
				continue
			}
			span.Events = append(span.Events, event)
		}
		r.Spans = append(r.Spans, span)
	}
	r.checkNames(&wrong)
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return r, nil
}

// define adds the attributes that a registry group defines, or takes from the
// dependency by a reference that repeats their type.
func (r *Registry) define(g *group, wrong *problems) {
	for _, a := range g.Attributes {
		taken := a.Ref != "" && a.Annotations.Dependency.Type != ""
		if a.ID == "" && !taken {
			continue
		}
		def := &Attribute{
			ID: a.ID + a.Ref, Type: a.Type.name, Stability: a.Stability, Brief: line(a.Brief),
			Note: text(a.Note), Examples: a.Examples, Referenced: taken,
		}
		members := a.Type.members
		if taken {
			def.Type, members = a.Annotations.Dependency.Type, a.Annotations.Members
		}
		for _, m := range members {
			def.Members = append(def.Members, Member{ID: m.ID, Value: m.Value, Brief: line(m.Brief), Note: text(m.Note)})
		}
		if r.Attribute(def.ID) != nil {
			wrong.add(g, def.ID, "attribute is defined twice")
			continue
		}
		a.check(g, def, wrong)
		r.Attributes = append(r.Attributes, def)
	}
}

// uses are the attributes of a group and of what it extends. A later mention of
// an attribute stands in the place of the earlier one.
func (r *Registry) uses(g *group, byID map[string]*group, wrong *problems) Uses {
	if wrong == nil {
		wrong = new(problems)
	}
	chain := []*group{g}
	for at := g; at.Extends != ""; {
		next := byID[at.Extends]
		if next == nil {
			wrong.add(g, g.ID, "extends %q, which is not defined", at.Extends)
			break
		}
		if slices.Contains(chain, next) {
			wrong.add(g, g.ID, "extends itself by way of %q", at.ID)
			break
		}
		chain, at = append(chain, next), next
	}
	var uses Uses
	for _, from := range slices.Backward(chain) {
		for _, a := range from.Attributes {
			if a.Ref == "" {
				continue
			}
			use, ok := r.use(from, a, wrong)
			if !ok {
				continue
			}
			use.Shared = from != g
			if i := slices.IndexFunc(uses, func(u Use) bool { return u.ID == a.Ref }); i >= 0 {
				uses[i] = use
				continue
			}
			uses = append(uses, use)
		}
	}
	return uses
}

func (r *Registry) use(g *group, a attributeSpec, wrong *problems) (Use, bool) {
	def := r.Attribute(a.Ref)
	if def == nil {
		wrong.add(g, g.ID, "ref %q is not defined", a.Ref)
		return Use{}, false
	}
	use := Use{
		Attribute: def, Level: a.RequirementLevel.level, Condition: line(a.RequirementLevel.condition),
		AtStart: a.SamplingRelevant, Brief: line(a.Brief), Values: a.Annotations.Values,
	}
	if use.Brief == "" {
		use.Brief = def.Brief
	}
	if use.Level == "" {
		use.Level = Recommended
	}
	for _, v := range use.Values {
		if len(def.Members) == 0 || !def.Has(v) {
			wrong.add(g, g.ID, "ref %q: annotation values: %q is no member of the enumeration", a.Ref, v)
		}
	}
	return use, true
}

// line is a folded YAML scalar as one line, text keeps its paragraphs.
func line(s string) string { return strings.Join(strings.Fields(s), " ") }

func text(s string) string {
	var paragraphs []string
	for p := range strings.SplitSeq(s, "\n\n") {
		if p = line(p); p != "" {
			paragraphs = append(paragraphs, p)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}
