package lockthrottleprocessor

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/processor/processortest"
)

func TestConfigIsReadAndTheDefaultsAreDocumented(t *testing.T) {
	cm, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	byDefault := Config{
		Window: time.Minute, MaxKeys: 4096, Keys: []string{"lock.action", "lock.target"},
		ResourceKeys: []string{"service.namespace", "service.name", "deployment.environment.name"}, Severities: []string{"warn", "error", "unset"},
	}
	withoutResource := byDefault
	withoutResource.ResourceKeys = []string{}
	for name, want := range map[string]Config{
		"": byDefault, "no_resource": withoutResource,
		"all": {Window: 5 * time.Minute, MaxKeys: 10000, Keys: []string{"event.kind", "queue.name"}, ResourceKeys: []string{"service.name"}, Severities: []string{"unset", "warn"}},
	} {
		sub, err := cm.Sub(component.NewIDWithName(typ, name).String())
		if err != nil {
			t.Fatal(err)
		}
		cfg := NewFactory().CreateDefaultConfig()
		if err := sub.Unmarshal(cfg); err != nil {
			t.Fatal(err)
		}
		if err := cfg.(*Config).Validate(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if got := *cfg.(*Config); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", name, got, want)
		}
	}
}

func TestSettingsThatMakeNoSenseAreRefusedByName(t *testing.T) {
	for says, change := range map[string]func(*Config){
		"window: 60ns: give at least 1ms":      func(cfg *Config) { cfg.Window = 60 },
		"window: 0s":                           func(cfg *Config) { cfg.Window = 0 },
		"window: 25h0m0s":                      func(cfg *Config) { cfg.Window = 25 * time.Hour },
		"max_keys: 0":                          func(cfg *Config) { cfg.MaxKeys = 0 },
		"max_keys: 1048577":                    func(cfg *Config) { cfg.MaxKeys = 1<<20 + 1 },
		"keys: empty":                          func(cfg *Config) { cfg.Keys = nil },
		`keys: "a": give each attribute`:       func(cfg *Config) { cfg.Keys = []string{"a", "a"} },
		`resource_keys: "": give`:              func(cfg *Config) { cfg.ResourceKeys = []string{""} },
		"severities: empty":                    func(cfg *Config) { cfg.Severities = nil },
		`severities: "WARN": the names are ["`: func(cfg *Config) { cfg.Severities = []string{"WARN"} },
		"keys: 17: give at most 16":            func(cfg *Config) { cfg.Keys = strings.Split("abcdefghijklmnopq", "") },
	} {
		cfg := createDefaultConfig().(*Config)
		change(cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

func TestOneProcessorOfEachConfigIsMade(t *testing.T) {
	factory := NewFactory()
	p, err := factory.CreateLogs(t.Context(), processortest.NewNopSettings(typ), factory.CreateDefaultConfig(), consumertest.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if !p.Capabilities().MutatesData {
		t.Error("it changes records, and does not say so")
	}
	if _, err := factory.CreateTraces(t.Context(), processortest.NewNopSettings(typ), factory.CreateDefaultConfig(), consumertest.NewNop()); err == nil {
		t.Error("made for traces")
	}
}
