package sentryissueexporter

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otellock/otellock-go/collector-config/sentryissueexporter/internal/metadata"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

// metadataYAML is what mdatagen would read.
type metadataYAML struct {
	Type        string `mapstructure:"type"`
	DisplayName string `mapstructure:"display_name"`
	Description string `mapstructure:"description"`
	Status      struct {
		Class         string              `mapstructure:"class"`
		Stability     map[string][]string `mapstructure:"stability"`
		Distributions []string            `mapstructure:"distributions"`
		Codeowners    struct {
			Active []string `mapstructure:"active"`
		} `mapstructure:"codeowners"`
	} `mapstructure:"status"`
	Tests struct {
		Config              map[string]any `mapstructure:"config"`
		ExpectConsumerError bool           `mapstructure:"expect_consumer_error"`
	} `mapstructure:"tests"`
	Attributes map[string]struct {
		Description string   `mapstructure:"description"`
		Type        string   `mapstructure:"type"`
		Enum        []string `mapstructure:"enum"`
	} `mapstructure:"attributes"`
	Telemetry struct {
		Metrics map[string]struct {
			Enabled     bool   `mapstructure:"enabled"`
			Description string `mapstructure:"description"`
			Stability   string `mapstructure:"stability"`
			Unit        string `mapstructure:"unit"`
			Sum         struct {
				ValueType string `mapstructure:"value_type"`
				Monotonic bool   `mapstructure:"monotonic"`
			} `mapstructure:"sum"`
			Attributes []string `mapstructure:"attributes"`
		} `mapstructure:"metrics"`
	} `mapstructure:"telemetry"`
}

func readMetadata(t *testing.T) metadataYAML {
	t.Helper()
	conf, err := confmaptest.LoadConf("metadata.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m metadataYAML
	if err := conf.Unmarshal(&m); err != nil { // an unknown key is an error
		t.Fatal(err)
	}
	return m
}

func content(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mdatagen would write these from metadata.yaml. Here they are written by hand,
// and held against it.
func TestTheIdentityIsThatOfMetadata(t *testing.T) {
	m := readMetadata(t)
	factory := NewFactory()
	if factory.Type().String() != m.Type || metadata.Type != factory.Type() || m.Status.Class != "exporter" {
		t.Errorf("type %s, metadata.yaml has %s, %s", factory.Type(), m.Type, m.Status.Class)
	}
	stability := map[component.StabilityLevel]string{factory.LogsStability(): "logs", factory.TracesStability(): "traces", factory.MetricsStability(): "metrics"}
	for level, signals := range m.Status.Stability {
		var want component.StabilityLevel
		if err := want.UnmarshalText([]byte(level)); err != nil {
			t.Fatal(err)
		}
		if stability[want] != strings.Join(signals, ",") {
			t.Errorf("%s: %s in the factory, %v in metadata.yaml", level, stability[want], signals)
		}
		if want := fmt.Sprintf("| Stability     | [%s]: %s   |", level, strings.Join(signals, ", ")); !strings.Contains(content(t, "README.md"), want) {
			t.Errorf("README.md has no %q", want)
		}
	}
	if !strings.HasPrefix(content(t, "go.mod"), "module "+metadata.ScopeName+"\n") || !strings.Contains(content(t, "README.md"), "# "+m.DisplayName+"\n") {
		t.Errorf("the scope or the title: %s, %s", metadata.ScopeName, m.DisplayName)
	}
}

func TestTheTelemetryIsThatOfMetadata(t *testing.T) {
	m := readMetadata(t)
	documentation := content(t, "documentation.md")

	// Everything that is counted.
	sentry := envelopetest.NewServer(t)
	sentry.Next(envelopetest.Status(400), envelopetest.Limited(200, "0.001:error:key"))
	h := newHarness(t, "", func(c *Config) {
		c.Cap = 3
		c.DSNs = map[string]configopaque.String{"shop": configopaque.String(sentry.DSN())}
	})
	ld := batch("shop", failure("a", "timeout", 0), failure("a", "timeout", 1), failure("a", "timeout", 2), failure("a", "timeout", 3))
	addTo(ld, "other", failure("a", "timeout", 4))
	h.consume(ld)

	for name, want := range m.Telemetry.Metrics {
		full := "otelcol_" + name
		got, err := h.telemetry.GetMetric(full)
		if err != nil {
			t.Errorf("%s: %v", full, err)
			continue
		}
		if got.Description != want.Description+" [Development]" || want.Stability != "development" || got.Unit != want.Unit {
			t.Errorf("%s: %q %q", full, got.Description, got.Unit)
		}
		sum, ok := got.Data.(metricdata.Sum[int64])
		if !ok || sum.IsMonotonic != want.Sum.Monotonic || want.Sum.ValueType != "int" {
			t.Errorf("%s is a %T", full, got.Data)
		}
		values := map[string]bool{}
		for _, p := range sum.DataPoints {
			if p.Attributes.Len() != len(want.Attributes) {
				t.Errorf("%s has %s, metadata.yaml has %v", full, p.Attributes.Encoded(attribute.DefaultEncoder()), want.Attributes)
			}
			for _, name := range want.Attributes {
				v, ok := p.Attributes.Value(attribute.Key(name))
				if !ok {
					t.Errorf("%s has no %s", full, name)
				}
				values[name+"="+v.AsString()] = true
			}
		}
		section := "### " + full + "\n\n" + want.Description + "\n"
		if !strings.Contains(documentation, section) || !strings.Contains(documentation, fmt.Sprintf("| %s | Sum | Int | %t | Development |", want.Unit, want.Sum.Monotonic)) {
			t.Errorf("documentation.md has no %q", section)
		}
		for _, name := range want.Attributes {
			a := m.Attributes[name]
			row := fmt.Sprintf("| %s | %s | Any Str |", name, a.Description)
			if len(a.Enum) > 0 {
				row = fmt.Sprintf("| %s | %s | Str: ``%s`` |", name, a.Description, strings.Join(a.Enum, "``, ``"))
			}
			if !strings.Contains(documentation, row) {
				t.Errorf("documentation.md has no %q", row)
			}
			for _, v := range a.Enum {
				if !values[name+"="+v] {
					t.Errorf("%s: nothing counted %s %s: %v", full, name, v, values)
				}
				delete(values, name+"="+v)
			}
			if len(a.Enum) > 0 {
				for v := range values {
					if strings.HasPrefix(v, name+"=") {
						t.Errorf("%s: %s is not in metadata.yaml", full, v)
					}
				}
			}
		}
	}
	if n := strings.Count(documentation, "\n### otelcol_"); n != len(m.Telemetry.Metrics) {
		t.Errorf("documentation.md has %d metrics, metadata.yaml %d", n, len(m.Telemetry.Metrics))
	}
}

// Every setting of Config that is the exporter's own is in README's table and in
// the schema.
func TestEverySettingIsDocumented(t *testing.T) {
	readme, schema := content(t, "README.md"), content(t, "config.schema.yaml")
	config := reflect.TypeFor[Config]()
	for i := range config.NumField() {
		name := config.Field(i).Tag.Get("mapstructure")
		if name == "" || name == ",squash" { // confighttp's have a row and a reference in common
			continue
		}
		if !strings.Contains(readme, "\n| `"+name+"` |") {
			t.Errorf("README.md has no row of %s", name)
		}
		if !strings.Contains(schema, "\n  "+name+":\n") {
			t.Errorf("config.schema.yaml has no %s", name)
		}
	}
}
