package lockthrottleprocessor

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otellock/otellock-go/collector-config/lockthrottleprocessor/internal/metadata"
)

// definition is the part of metadata.yaml from which mdatagen would make files.
type definition struct {
	Type   string `mapstructure:"type"`
	Status struct {
		Class     string              `mapstructure:"class"`
		Stability map[string][]string `mapstructure:"stability"`
		Warnings  []string            `mapstructure:"warnings"`
	} `mapstructure:"status"`
	Attributes map[string]struct {
		Description string   `mapstructure:"description"`
		Enum        []string `mapstructure:"enum"`
	} `mapstructure:"attributes"`
	Telemetry struct {
		Metrics map[string]struct {
			Description string   `mapstructure:"description"`
			Stability   string   `mapstructure:"stability"`
			Unit        string   `mapstructure:"unit"`
			Attributes  []string `mapstructure:"attributes"`
			Sum         *struct {
				Monotonic bool `mapstructure:"monotonic"`
			} `mapstructure:"sum"`
			Gauge map[string]any `mapstructure:"gauge"`
		} `mapstructure:"metrics"`
	} `mapstructure:"telemetry"`
}

func readDefinition(t *testing.T) (d definition) {
	t.Helper()
	cm, err := confmaptest.LoadConf("metadata.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := cm.Unmarshal(&d, confmap.WithIgnoreUnused()); err != nil {
		t.Fatal(err)
	}
	return d
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTelemetryIsWhatMetadataDefines(t *testing.T) {
	d := readDefinition(t)
	tt := componenttest.NewTelemetry()
	set := processortest.NewNopSettings(typ)
	set.TelemetrySettings = tt.NewTelemetrySettings()
	next := &sink{}
	p := newProcessorWith(t, set, next)
	consume(t, p, from(1, lock("orders"), lock("orders"), lock("orders"), lock("users")))
	next.broken(errBroken)
	consume(t, p, from(1, lock("tenants")))
	next.broken(nil)

	want := map[string]int64{ // with the summaries, after the shutdown
		"records emitted": 2, "records suppressed": 2, "records failed": 1, "summaries": 2, "keys": 3, "pending": 3,
	}
	found := map[string]int64{}
	collect := func(names ...string) {
		for name, def := range d.Telemetry.Metrics {
			short := strings.TrimPrefix(name, "processor_lockthrottle_")
			if !slices.Contains(names, short) {
				continue
			}
			m, err := tt.GetMetric("otelcol_" + name)
			if err != nil {
				t.Fatal(err)
			}
			if m.Unit != def.Unit || m.Description != def.Description+" [Development]" || def.Stability != "development" {
				t.Errorf("%s: %q in %q, want %q in %q", m.Name, m.Description, m.Unit, def.Description, def.Unit)
			}
			var points []metricdata.DataPoint[int64]
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				if def.Sum == nil || data.IsMonotonic != def.Sum.Monotonic {
					t.Errorf("%s is a sum", m.Name)
				}
				points = data.DataPoints
			case metricdata.Gauge[int64]:
				if def.Gauge == nil {
					t.Errorf("%s is a gauge", m.Name)
				}
				points = data.DataPoints
			}
			for _, point := range points {
				key := short
				for _, kv := range point.Attributes.ToSlice() {
					if !slices.Contains(def.Attributes, string(kv.Key)) || !slices.Contains(d.Attributes[string(kv.Key)].Enum, kv.Value.AsString()) {
						t.Errorf("%s has the attribute %v", m.Name, kv)
					}
					key += " " + kv.Value.AsString()
				}
				found[key] = point.Value
			}
		}
	}
	collect("records", "keys", "pending")
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	collect("summaries")
	if !reflect.DeepEqual(found, want) {
		t.Errorf("metrics %v, want %v", found, want)
	}
	if err := tt.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDocumentsAreWhatMetadataDefines(t *testing.T) {
	d := readDefinition(t)
	if d.Type != metadata.Type.String() || d.Status.Class != "processor" || !reflect.DeepEqual(d.Status.Stability, map[string][]string{strings.ToLower(metadata.LogsStability.String()): {"logs"}}) {
		t.Errorf("%+v", d)
	}
	readme, documentation, code := text(t, "README.md"), text(t, "documentation.md"), text(t, "internal/metadata/generated_telemetry.go")
	if !strings.Contains(readme, "[development]: logs") || !strings.Contains(readme, "["+d.Status.Warnings[0]+"](#warnings)") {
		t.Error("README's table is not what metadata.yaml says")
	}
	for name, def := range d.Telemetry.Metrics {
		kind := "Gauge | Int"
		if def.Sum != nil {
			kind = fmt.Sprintf("Sum | Int | %v", def.Sum.Monotonic)
		}
		for _, part := range []string{"### otelcol_" + name + "\n\n" + def.Description + "\n", "| " + def.Unit + " | " + kind + " | Development |"} {
			if !strings.Contains(documentation, part) {
				t.Errorf("documentation.md lacks %q", part)
			}
		}
	}
	for _, list := range []string{documentation, code} {
		for _, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune("\" \n`,", r) }) {
			if name, ok := strings.CutPrefix(word, "otelcol_"); ok && d.Telemetry.Metrics[name].Unit == "" {
				t.Errorf("%s is not in metadata.yaml", word)
			}
		}
	}
	for name, a := range d.Attributes {
		if line := "| " + name + " | " + a.Description + " | Str: ``" + strings.Join(a.Enum, "``, ``") + "`` |"; !strings.Contains(documentation, line) {
			t.Errorf("documentation.md lacks %q", line)
		}
	}
}

func TestEverySettingIsInReadmeAndSchemaWithItsDefault(t *testing.T) {
	readme, schema := text(t, "README.md"), text(t, "config.schema.yaml")
	cfg := reflect.ValueOf(createDefaultConfig()).Elem()
	for i := range cfg.NumField() {
		name := cfg.Type().Field(i).Tag.Get("mapstructure")
		if name == "" {
			continue
		}
		value := strings.ReplaceAll(fmt.Sprint(cfg.Field(i)), " ", ", ")
		value = strings.Replace(value, "1m0s", "60s", 1)
		row := slices.ContainsFunc(strings.Split(readme, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "| `"+name+"` | ") && strings.Contains(line, "| `"+value+"` |")
		})
		if !row || !strings.Contains(schema, "\n  "+name+":\n    description: ") {
			t.Errorf("%s, by default %s, is not in README or the schema", name, value)
		}
	}
}
