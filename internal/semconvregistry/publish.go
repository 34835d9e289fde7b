package semconvregistry

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// A Publication is what others get of a registry: the files of OTEP 4815, by their
// path beside the directory of the registry.
type Publication struct {
	Manifest, Resolved         []byte
	ManifestPath, ResolvedPath string
}

// Publish makes the publication of r: a manifest, which stands at the schema URL,
// and the resolved registry, which the manifest points to. They are what
// `weaver registry package` makes of a registry.
func Publish(r *Registry) (*Publication, error) {
	version := path.Base(r.SchemaURL)
	p := &Publication{ManifestPath: "schemas/" + version, ResolvedPath: "resolved/" + version + ".yaml"}
	base := strings.TrimSuffix(r.SchemaURL, p.ManifestPath)
	var err error
	if p.Manifest, err = document(published{
		"manifest/2.0", r.SchemaURL, r.Description, r.Stability, base + p.ResolvedPath,
		[]dependency{{r.Dependency}},
	}); err != nil {
		return nil, err
	}
	p.Resolved, err = document(resolve(r))
	return p, err
}

func document(v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Code generated from semconv/registry. DO NOT EDIT.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := e.Encode(v)
	return b.Bytes(), err
}

type published struct {
	FileFormat   string       `yaml:"file_format"`
	SchemaURL    string       `yaml:"schema_url"`
	Description  string       `yaml:"description"`
	Stability    string       `yaml:"stability"`
	Resolved     string       `yaml:"resolved_registry_uri"`
	Dependencies []dependency `yaml:"dependencies"`
}

type dependency struct {
	SchemaURL string `yaml:"schema_url"`
}

type resolved struct {
	FileFormat   string              `yaml:"file_format"`
	SchemaURL    string              `yaml:"schema_url"`
	Attributes   []resolvedAttribute `yaml:"attribute_catalog"`
	Registry     resolvedRegistry    `yaml:"registry"`
	Refinements  resolvedSignals     `yaml:"refinements"`
	Dependencies []string            `yaml:"dependencies"`
}

type resolvedRegistry struct {
	Attributes      []int           `yaml:"attributes"`       // those that are defined here, by their place in the catalog
	AttributeGroups []resolvedGroup `yaml:"attribute_groups"` // of the links between spans, which have no kind of their own
	resolvedSignals `yaml:",inline"`
	Entities        []int `yaml:"entities"`
}

type resolvedSignals struct {
	Spans   []resolvedSignal `yaml:"spans"`
	Metrics []resolvedSignal `yaml:"metrics"`
	Events  []resolvedSignal `yaml:"events"`
}

type resolvedAttribute struct {
	Key        string      `yaml:"key"`
	Type       any         `yaml:"type"`
	Brief      string      `yaml:"brief"`
	Note       string      `yaml:"note,omitempty"`
	Examples   []any       `yaml:"examples,omitempty"`
	Stability  string      `yaml:"stability"`
	Provenance *provenance `yaml:"provenance,omitempty"` // of one that a dependency defines
}

type provenance struct {
	Source int `yaml:"source"` // its place among the dependencies
}

type resolvedMember struct {
	ID        string `yaml:"id"`
	Value     string `yaml:"value"`
	Brief     string `yaml:"brief,omitempty"`
	Note      string `yaml:"note,omitempty"`
	Stability string `yaml:"stability,omitempty"`
}

// A resolvedSignal is a span, a metric or an event.
type resolvedSignal struct {
	ID          string         `yaml:"id,omitempty"` // of a refinement
	Type        string         `yaml:"type,omitempty"`
	Kind        string         `yaml:"kind,omitempty"`
	Name        any            `yaml:"name"`
	Instrument  string         `yaml:"instrument,omitempty"`
	Unit        string         `yaml:"unit,omitempty"`
	Attributes  []resolvedUse  `yaml:"attributes,omitempty"`
	Brief       string         `yaml:"brief"`
	Note        string         `yaml:"note,omitempty"`
	Stability   string         `yaml:"stability"`
	Annotations map[string]any `yaml:"annotations,omitempty"`
}

type resolvedGroup struct {
	ID         string        `yaml:"id"`
	Attributes []resolvedUse `yaml:"attributes"`
	Brief      string        `yaml:"brief"`
	Note       string        `yaml:"note,omitempty"`
	Stability  string        `yaml:"stability"`
}

type resolvedUse struct {
	Base    int   `yaml:"base"`
	Level   any   `yaml:"requirement_level"`
	AtStart *bool `yaml:"sampling_relevant,omitempty"`
}

func resolve(r *Registry) resolved {
	out := resolved{
		FileFormat: "resolved/2.0", SchemaURL: r.SchemaURL, Dependencies: []string{r.Dependency},
		Registry: resolvedRegistry{AttributeGroups: []resolvedGroup{}, Entities: []int{}},
	}
	for _, g := range r.Links {
		out.Registry.AttributeGroups = append(out.Registry.AttributeGroups,
			resolvedGroup{g.ID, r.uses(g), g.Brief, g.Note, r.Stability})
	}
	for i, a := range r.Attributes {
		ra := resolvedAttribute{Key: a.ID, Type: a.Type, Brief: a.Brief, Note: a.Note, Examples: a.Examples, Stability: a.Stability}
		if len(a.Members) > 0 {
			var members []resolvedMember
			for _, m := range a.Members {
				members = append(members, resolvedMember(m))
			}
			ra.Type = map[string]any{"members": members}
		}
		if a.Referenced {
			ra.Provenance = &provenance{0}
		} else {
			out.Registry.Attributes = append(out.Registry.Attributes, i)
		}
		out.Attributes = append(out.Attributes, ra)
	}
	signals := func(groups []*Group) (all []resolvedSignal) {
		for _, g := range groups {
			all = append(all, r.signal(g))
		}
		return all
	}
	out.Registry.resolvedSignals = resolvedSignals{signals(r.Spans), signals(r.Metrics), signals(r.Events)}
	// A refinement of each, which is the signal itself: nothing refines it further.
	refined := func(all []resolvedSignal) []resolvedSignal {
		all = slices.Clone(all)
		for i := range all {
			name, _ := all[i].Name.(string)
			all[i].ID = all[i].Type + name
		}
		return all
	}
	out.Refinements = resolvedSignals{refined(out.Registry.Spans), refined(out.Registry.Metrics), refined(out.Registry.Events)}
	return out
}

func (r *Registry) signal(g *Group) resolvedSignal {
	s := resolvedSignal{
		Name: g.Name, Instrument: g.Instrument, Unit: g.Unit, Kind: g.Kind,
		Brief: g.Brief, Note: g.Note, Stability: g.Stability, Annotations: map[string]any{},
	}
	if g.Type == "span" {
		name, rest, _ := strings.Cut(g.Note, "\n\n")
		s.Type, s.Name, s.Note = strings.TrimPrefix(g.ID, "span."), map[string]string{"note": name}, rest
	}
	if g.Severity != "" {
		s.Annotations["severity"] = g.Severity
	}
	if g.ValueType != "" {
		code := map[string]any{"metric_value_type": g.ValueType}
		if len(g.Boundaries) > 0 {
			code["explicit_bucket_boundaries"] = g.Boundaries
		}
		s.Annotations["code_generation"] = code
	}
	s.Attributes = r.uses(g)
	return s
}

func (r *Registry) uses(g *Group) (all []resolvedUse) {
	for _, u := range g.Attributes {
		var level any = string(u.Level)
		if u.Condition != "" {
			level = map[string]string{string(u.Level): u.Condition}
		}
		use := resolvedUse{Base: slices.Index(r.Attributes, u.Attribute), Level: level}
		if u.AtStart {
			use.AtStart = &u.AtStart
		}
		all = append(all, use)
	}
	return all
}
