// Written by hand in the form of mdatagen, from metadata.yaml.

package sentryissueexporter

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

var typ = component.MustNewType("sentryissue")

func TestComponentFactoryType(t *testing.T) {
	if got := NewFactory().Type(); got != typ {
		t.Errorf("type %s, want %s", got, typ)
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

	t.Run("logs-shutdown", func(t *testing.T) {
		c, err := factory.CreateLogs(context.Background(), exportertest.NewNopSettings(typ), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Run("logs-lifecycle", func(t *testing.T) {
		c, err := factory.CreateLogs(context.Background(), exportertest.NewNopSettings(typ), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(context.Background(), componenttest.NewNopHost()); err != nil {
			t.Fatal(err)
		}
		logs := generateLifecycleTestLogs()
		if !c.Capabilities().MutatesData {
			logs.MarkReadOnly()
		}
		if err := c.ConsumeLogs(context.Background(), logs); err != nil {
			t.Error(err)
		}
		if err := c.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func generateLifecycleTestLogs() plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("resource", "R1")
	l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	l.Body().SetStr("test log message")
	l.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	return logs
}
