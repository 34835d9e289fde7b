package semconvregistry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

const manifestFile = "manifest.yaml"

// source is the registry as written, before references are followed.
type source struct {
	manifest manifest
	groups   []*group
}

type manifest struct {
	SchemaURL    string       `yaml:"schema_url"`
	Description  string       `yaml:"description"`
	Stability    string       `yaml:"stability"`
	Dependencies []dependency `yaml:"dependencies"`
}

type dependency struct {
	SchemaURL    string `yaml:"schema_url"`
	RegistryPath string `yaml:"registry_path"`
}

type groups struct {
	Groups []*group `yaml:"groups"`
}

type group struct {
	ID          string           `yaml:"id"`
	Type        string           `yaml:"type"`
	Brief       string           `yaml:"brief"`
	Note        string           `yaml:"note"`
	Stability   string           `yaml:"stability"`
	DisplayName string           `yaml:"display_name"`
	Extends     string           `yaml:"extends"`
	Attributes  []attributeSpec  `yaml:"attributes"`
	Annotations groupAnnotations `yaml:"annotations"`

	MetricName string `yaml:"metric_name"`
	Instrument string `yaml:"instrument"`
	Unit       string `yaml:"unit"`

	Name string `yaml:"name"` // of an event

	SpanKind string   `yaml:"span_kind"`
	Events   []string `yaml:"events"`

	file string
}

type groupAnnotations struct {
	Severity       string `yaml:"severity"`
	CodeGeneration struct {
		MetricValueType string    `yaml:"metric_value_type"`
		Boundaries      []float64 `yaml:"explicit_bucket_boundaries"`
	} `yaml:"code_generation"`
}

// attributeSpec is a definition where ID is set and a reference where Ref is.
type attributeSpec struct {
	ID               string               `yaml:"id"`
	Ref              string               `yaml:"ref"`
	Type             attributeType        `yaml:"type"`
	Brief            string               `yaml:"brief"`
	Note             string               `yaml:"note"`
	Stability        string               `yaml:"stability"`
	Examples         []any                `yaml:"examples"`
	RequirementLevel requirementLevel     `yaml:"requirement_level"`
	SamplingRelevant bool                 `yaml:"sampling_relevant"`
	Annotations      attributeAnnotations `yaml:"annotations"`
}

type attributeAnnotations struct {
	// Dependency repeats the type of an attribute of another registry, which is
	// not read here.
	Dependency struct {
		Type string `yaml:"type"`
	} `yaml:"dependency"`
	// Members are the values that locks use of another registry's open enumeration.
	Members []member `yaml:"members"`
	// Values are those that this use takes of a longer enumeration.
	Values []string `yaml:"values"`
}

type member struct {
	ID        string `yaml:"id"`
	Value     string `yaml:"value"`
	Brief     string `yaml:"brief"`
	Note      string `yaml:"note"`
	Stability string `yaml:"stability"`
}

// attributeType is a name, or the members of an enumeration.
type attributeType struct {
	name    string
	members []member
	enum    bool
}

type enumeration struct {
	Members []member `yaml:"members"`
}

// UnmarshalYAML has the older signature of the two that yaml.v3 knows: the
// decoder of the newer one forgets that unknown fields are errors.
func (t *attributeType) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&t.name) == nil {
		return nil
	}
	var enum enumeration
	if err := unmarshal(&enum); err != nil {
		return err
	}
	*t = attributeType{name: "string", members: enum.Members, enum: true}
	return nil
}

// requirementLevel is a name, or a name with the text of its condition.
type requirementLevel struct {
	level     Level
	condition string
}

type condition struct {
	Required    string `yaml:"conditionally_required"`
	Recommended string `yaml:"recommended"`
	OptIn       string `yaml:"opt_in"`
}

func (r *requirementLevel) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&r.level) == nil {
		return nil
	}
	var c condition
	if err := unmarshal(&c); err != nil {
		return err
	}
	switch {
	case c.Recommended != "":
		*r = requirementLevel{Recommended, c.Recommended}
	case c.OptIn != "":
		*r = requirementLevel{OptIn, c.OptIn}
	default:
		*r = requirementLevel{ConditionallyRequired, c.Required}
	}
	return nil
}

func read(fsys fs.FS) (*source, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	src := &source{}
	var problems []error
	if err := decode(fsys, manifestFile, &src.manifest); err != nil {
		problems = append(problems, err)
	}
	for _, name := range names {
		if name == manifestFile {
			continue
		}
		var file groups
		if err := decode(fsys, name, &file); err != nil {
			problems = append(problems, err)
		}
		for _, g := range file.Groups {
			g.file = name
			src.groups = append(src.groups, g)
		}
	}
	return src, errors.Join(problems...)
}

// decode reads exactly one document without unknown fields.
func decode(fsys fs.FS, name string, into any) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("registry: %s: %s", path.Base(name), plain(err))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("registry: %s: more than one YAML document", path.Base(name))
	}
	return nil
}

// plain is what yaml.v3 says, without the names of this package's types.
func plain(err error) string {
	text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n", "")
	return strings.TrimSpace(typeNames.Replace(text))
}

var typeNames = strings.NewReplacer(
	"in type semconvregistry.manifest", "in the manifest",
	"in type semconvregistry.dependency", "in a dependency",
	"in type semconvregistry.groups", "at the top",
	"in type semconvregistry.groupAnnotations", "in the annotations of a group",
	"in type semconvregistry.group", "in a group",
	"in type semconvregistry.attributeSpec", "in an attribute",
	"in type semconvregistry.attributeAnnotations", "in the annotations of an attribute",
	"in type semconvregistry.enumeration", "in an enumeration",
	"in type semconvregistry.member", "in a member",
	"in type semconvregistry.condition", "in a requirement_level",
)
