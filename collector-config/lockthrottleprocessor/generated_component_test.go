package lockthrottleprocessor

import (
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"
)

// The tests of this file are those that mdatagen makes for every component.

var typ = component.MustNewType("lockthrottle")

func TestComponentFactoryType(t *testing.T) {
	if got := NewFactory().Type(); got != typ {
		t.Errorf("type %v, want %v", got, typ)
	}
}

func TestComponentConfigStruct(t *testing.T) {
	if err := componenttest.CheckConfigStruct(NewFactory().CreateDefaultConfig()); err != nil {
		t.Error(err)
	}
}

func TestComponentLifecycle(t *testing.T) {
	factory := NewFactory()
	cm, err := confmaptest.LoadConf("metadata.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := cm.Sub("tests::config")
	if err != nil {
		t.Fatal(err)
	}
	cfg := factory.CreateDefaultConfig()
	if err := sub.Unmarshal(&cfg); err != nil {
		t.Fatal(err)
	}
	for _, started := range []bool{false, true} {
		c, err := factory.CreateLogs(t.Context(), processortest.NewNopSettings(typ), cfg, consumertest.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		if started {
			if err := c.Start(t.Context(), componenttest.NewNopHost()); err != nil {
				t.Fatal(err)
			}
			logs := lifecycleLogs()
			if !c.Capabilities().MutatesData {
				logs.MarkReadOnly()
			}
			if err := c.ConsumeLogs(t.Context(), logs); err != nil {
				t.Error(err)
			}
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Errorf("shut down, started %v: %v", started, err)
		}
	}
}

func lifecycleLogs() plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("resource", "R1")
	r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.Body().SetStr("test log message")
	r.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	return logs
}
