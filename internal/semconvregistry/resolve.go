package semconvregistry

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Load reads manifest.yaml and then, in alphabetical order, every other *.yaml at
// the top of fsys. A group refers to what was defined before it. Load is strict:
// an unknown field, a missing brief, a name outside the rules or a reference to
// nothing is an error that names file and id. All of them are joined into the one
// returned.
func Load(fsys fs.FS) (*Registry, error) {
	l := loader{r: &Registry{groups: map[string]*Group{}}, file: "manifest.yaml"}
	var m manifest
	l.note(decode(fsys, l.file, &m))
	l.checkManifest(m)
	l.r.SchemaURL, l.r.Description, l.r.Stability = m.SchemaURL, text(m.Description), m.Stability
	for _, d := range m.Dependencies {
		l.r.Dependency = d.SchemaURL
	}
	names, err := fs.Glob(fsys, "*.yaml")
	l.note(err)
	for _, name := range names {
		if name == "manifest.yaml" {
			continue
		}
		var file struct{ Groups []Group }
		l.file = name
		l.note(decode(fsys, name, &file))
		for i := range file.Groups {
			l.add(&file.Groups[i])
		}
	}
	l.checkNames()
	if l.wrong != nil {
		return nil, errors.Join(l.wrong...)
	}
	return l.r, nil
}

// A loader collects what is wrong, so that one run names all of it.
type loader struct {
	r     *Registry
	file  string
	wrong []error
}

func (l *loader) note(err error) {
	if err != nil {
		l.wrong = append(l.wrong, err)
	}
}

func (l *loader) bad(id, format string, args ...any) {
	l.note(fmt.Errorf("registry: %s: %s: %s", l.file, id, fmt.Sprintf(format, args...)))
}

// add resolves g and adds it to the registry.
func (l *loader) add(g *Group) {
	if g.ID == "" {
		l.bad("a group", "id is missing")
		return
	}
	g.Brief, g.Note = text(g.Brief), text(g.Note)
	if l.r.groups[g.ID] != nil {
		l.bad(g.ID, "group is defined twice")
	}
	l.r.groups[g.ID] = g
	l.checkGroup(g)
	if g.Extends != "" {
		if base := l.r.groups[g.Extends]; base == nil || base == g {
			l.bad(g.ID, "extends %q, which is not defined before it", g.Extends)
		} else {
			g.Attributes = slices.Clone(base.Attributes)
			for i := range g.Attributes {
				g.Attributes[i].Shared = true
			}
		}
	}
	for _, a := range g.Specs {
		switch {
		case (a.ID == "") == (a.Ref == ""):
			l.bad(g.ID, "an attribute needs either id or ref: %q", a.ID+a.Ref)
		case a.ID != "" && g.Type != "attribute_group":
			l.bad(g.ID, "attribute %q is defined here; define it in an attribute_group and use ref", a.ID)
		case a.ID != "" || a.Annotations.Dependency.Type != "":
			l.define(a)
		}
		if a.Ref != "" {
			l.use(g, a)
		}
	}
	switch g.Type {
	case "attribute_group":
		if strings.HasPrefix(g.ID, "link.") {
			l.r.Links = append(l.r.Links, g)
		}
	case "metric":
		g.Name = g.MetricName
		l.r.Metrics = append(l.r.Metrics, g)
	case "event":
		l.r.Events = append(l.r.Events, g)
	case "span":
		g.Name = strings.TrimPrefix(g.ID, spanPrefix)
		l.r.Spans = append(l.r.Spans, g)
		for _, id := range g.EventIDs {
			event := l.r.groups[id]
			if event == nil || event.Type != "event" {
				l.bad(g.ID, "event group %q is not defined before it", id)
			}
			g.Events = append(g.Events, event)
		}
	}
}

// define adds an attribute that is defined here, or taken from the dependency by
// a reference that repeats its type.
func (l *loader) define(a attributeSpec) {
	def := &Attribute{
		ID: a.ID + a.Ref, Type: a.Type.name, Members: a.Type.members, Stability: a.Stability,
		Brief: text(a.Brief), Note: text(a.Note), Examples: a.Examples, Referenced: a.Ref != "",
	}
	if def.Referenced {
		def.Type, def.Stability, def.Members = a.Annotations.Dependency.Type, a.Annotations.Dependency.Stability, a.Annotations.Members
	}
	for i, m := range def.Members {
		def.Members[i].Brief, def.Members[i].Note = text(m.Brief), text(m.Note)
	}
	if l.r.Attribute(def.ID) != nil {
		l.bad(def.ID, "attribute is defined twice")
	}
	l.checkAttribute(def)
	l.r.Attributes = append(l.r.Attributes, def)
}

// use adds a reference to g, in the place of one that g has by extending.
func (l *loader) use(g *Group, a attributeSpec) {
	def := l.r.Attribute(a.Ref)
	if def == nil {
		l.bad(g.ID, "ref %q is not defined before it", a.Ref)
		return
	}
	l.checkUse(g, def, a)
	use := Use{
		Attribute: def, Level: a.RequirementLevel.level, Condition: a.RequirementLevel.condition,
		AtStart: a.SamplingRelevant, Brief: text(a.Brief), Values: a.Annotations.Values,
	}
	if use.Brief == "" {
		use.Brief = def.Brief
	}
	if use.Level == "" {
		use.Level = Recommended
	}
	switch i := slices.IndexFunc(g.Attributes, func(u Use) bool { return u.ID == a.Ref }); {
	case i < 0:
		g.Attributes = append(g.Attributes, use)
	case g.Attributes[i].Shared:
		g.Attributes[i] = use
	default:
		l.bad(g.ID, "ref %q is listed twice", a.Ref)
	}
}
