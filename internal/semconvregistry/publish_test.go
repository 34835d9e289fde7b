package semconvregistry

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/otellock/otellock-go/semconv/registry"
)

// weaverSchema compiles one of Weaver's own JSON schemas. They say that a schema
// URL is an object, as their generator sees the type; Weaver itself writes and
// reads a string (SchemaUrl's Serialize), as OTEP 4815 has it.
func weaverSchema(t *testing.T, name string, part ...string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "weaver", name))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if defs, _ := doc.(map[string]any)["$defs"].(map[string]any); defs["SchemaUrl"] != nil {
		defs["SchemaUrl"] = map[string]any{"type": "string", "format": "uri"}
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	delete(doc.(map[string]any), "$id") // or it would be looked for there
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name + strings.Join(part, ""))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// value is a YAML document as JSON Schema sees it.
func value(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	v, err = jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// definitions are the parts of Weaver's schema that groups of a type keep to. The
// schema itself would take any group for one that it knows least about.
var definitions = map[string]string{
	"attribute_group": "SemanticConvention",
	"span":            "SpanSemanticConvention",
	"event":           "EventSemanticConvention",
	"metric":          "MetricSemanticConvention",
}

func TestTheRegistryIsDefinedInWeaversFormat(t *testing.T) {
	names, err := fs.Glob(registry.Files, "*.yaml")
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := registry.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		v := value(t, text)
		if name == "manifest.yaml" {
			if err := weaverSchema(t, "definition-manifest.v2.json").Validate(v); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err := weaverSchema(t, "semconv.schema.json").Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, g := range v.(map[string]any)["groups"].([]any) {
			g := g.(map[string]any)
			schema := weaverSchema(t, "semconv.schema.json", "#/$defs/"+definitions[g["type"].(string)])
			if err := schema.Validate(g); err != nil {
				t.Errorf("%s: %s: %v", name, g["id"], err)
			}
		}
	}
}

func TestThePublicationIsInWeaversFormat(t *testing.T) {
	p, err := Publish(project(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := weaverSchema(t, "publication-manifest.v2.json").Validate(value(t, p.Manifest)); err != nil {
		t.Errorf("manifest: %v\n%s", err, p.Manifest)
	}
	if err := weaverSchema(t, "semconv.resolved.v2.json").Validate(value(t, p.Resolved)); err != nil {
		t.Errorf("resolved registry: %v", err)
	}
}

func TestThePublicationIsFoundByItsSchemaURL(t *testing.T) {
	p, err := Publish(project(t))
	if err != nil {
		t.Fatal(err)
	}
	manifest := value(t, p.Manifest).(map[string]any)
	url, resolved := manifest["schema_url"].(string), manifest["resolved_registry_uri"].(string)
	base, ok := strings.CutSuffix(url, p.ManifestPath)
	if !ok || base+p.ResolvedPath != resolved {
		t.Errorf("the manifest of %s is at %s and points to %s; the registry is at %s", url, p.ManifestPath, resolved, p.ResolvedPath)
	}
	if got := value(t, p.Resolved).(map[string]any)["schema_url"]; got != url {
		t.Errorf("the resolved registry is that of %v", got)
	}
}

func TestTheResolvedRegistryHasEverySignalWithItsAttributes(t *testing.T) {
	r := project(t)
	p, err := Publish(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Catalog  []struct{ Key string } `yaml:"attribute_catalog"`
		Registry struct {
			Attributes             []int
			Spans, Metrics, Events []struct {
				Type       string
				Name       any
				Attributes []struct{ Base int }
			}
		}
	}
	if err := yaml.Unmarshal(p.Resolved, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Catalog) != len(r.Attributes) {
		t.Errorf("%d attributes, want %d", len(got.Catalog), len(r.Attributes))
	}
	for _, i := range got.Registry.Attributes {
		if a := r.Attribute(got.Catalog[i].Key); a == nil || a.Referenced {
			t.Errorf("%s is not defined here", got.Catalog[i].Key)
		}
	}
	kinds := []struct {
		want []*Group
		got  int
	}{{r.Spans, len(got.Registry.Spans)}, {r.Metrics, len(got.Registry.Metrics)}, {r.Events, len(got.Registry.Events)}}
	for _, k := range kinds {
		if len(k.want) != k.got {
			t.Errorf("%d signals, want %d", k.got, len(k.want))
		}
	}
	for i, g := range r.Metrics {
		m := got.Registry.Metrics[i]
		if m.Name != g.Name || len(m.Attributes) != len(g.Attributes) {
			t.Errorf("metric %v has %d attributes, %s has %d", m.Name, len(m.Attributes), g.Name, len(g.Attributes))
			continue
		}
		for j, u := range g.Attributes {
			if key := got.Catalog[m.Attributes[j].Base].Key; key != u.ID {
				t.Errorf("attribute %d of %s is %s, want %s", j, g.Name, key, u.ID)
			}
		}
	}
}
