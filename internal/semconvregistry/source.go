package semconvregistry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"gopkg.in/yaml.v3"
)

type manifest struct {
	SchemaURL    string `yaml:"schema_url"`
	Description  string
	Stability    string
	Dependencies []struct {
		SchemaURL    string `yaml:"schema_url"`
		RegistryPath string `yaml:"registry_path"`
	}
}

// attributeSpec is a definition where ID is set and a reference where Ref is.
type attributeSpec struct {
	ID, Ref, Brief, Note, Stability string

	Type             attributeType
	Examples         []any
	RequirementLevel requirementLevel `yaml:"requirement_level"`
	SamplingRelevant bool             `yaml:"sampling_relevant"`
	Annotations      struct {
		// Dependency repeats what is said of an attribute in another registry, which
		// is not read here.
		Dependency struct{ Type, Stability string }
		// Members are the values that locks use of another registry's open enumeration.
		Members []Member
		// Values are those that this use takes of a longer enumeration.
		Values []string
	}
}

// attributeType is a name, or the members of an enumeration.
type attributeType struct {
	name    string
	members []Member
}

// UnmarshalYAML has the older signature of the two that yaml.v3 knows: the
// decoder of the newer one forgets that unknown fields are errors.
func (t *attributeType) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&t.name) == nil {
		return nil
	}
	var enum struct{ Members []Member }
	if err := unmarshal(&enum); err != nil {
		return err
	}
	*t = attributeType{"string", enum.Members}
	if len(enum.Members) == 0 {
		t.name = "enumeration without members"
	}
	return nil
}

// requirementLevel is a name, or a name with the text of its condition.
type requirementLevel struct {
	level     Level
	condition string
}

func (r *requirementLevel) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&r.level) == nil {
		return nil
	}
	var conditions map[Level]string
	if err := unmarshal(&conditions); err != nil {
		return err
	}
	if len(conditions) != 1 {
		return fmt.Errorf("requirement_level: want one level, got %v", conditions)
	}
	for level, condition := range conditions {
		*r = requirementLevel{level, text(condition)}
	}
	return nil
}

// decode reads exactly one document without unknown fields.
func decode(fsys fs.FS, name string, into any) error {
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(source))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("registry: %s: %w", name, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("registry: %s: more than one YAML document", name)
	}
	return nil
}

// text returns a YAML scalar with each paragraph on one line.
func text(s string) string {
	paragraphs := strings.Split(strings.TrimSpace(s), "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = strings.Join(strings.Fields(p), " ")
	}
	return strings.Join(paragraphs, "\n\n")
}
