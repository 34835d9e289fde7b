package sentryissueexporter

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

func load(t *testing.T, id string) *Config {
	t.Helper()
	conf, err := confmaptest.LoadConf("testdata/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := conf.Sub(id)
	if err != nil {
		t.Fatal(err)
	}
	cfg := createDefaultConfig()
	if err := sub.Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	if err := confmap.Validate(cfg); err != nil {
		t.Fatal(err)
	}
	return cfg.(*Config)
}

func TestADSNIsAllThatAConfigurationNeeds(t *testing.T) {
	cfg, want := load(t, "sentryissue"), createDefaultConfig().(*Config)
	want.DSN = "https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/2"
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got %+v, want %+v", cfg, want)
	}
	if q := cfg.QueueConfig.Get(); cfg.Cap != 60 || cfg.ClientConfig.Timeout != 10*time.Second || cfg.ClientConfig.Compression != "gzip" || !cfg.RetryConfig.Enabled || q == nil || q.QueueSize != 1000 {
		t.Errorf("the defaults are not those of the README: %+v", cfg)
	}
	if got := load(t, "sentryissue/services"); len(got.DSNs) != 1 || got.DSN != "" {
		t.Errorf("%+v", got)
	}
}

func TestEverySettingIsRead(t *testing.T) {
	cfg := load(t, "sentryissue/all")
	queue := cfg.QueueConfig.Get()
	for what, ok := range map[string]bool{
		"dsns": len(cfg.DSNs) == 2 && strings.HasSuffix(string(cfg.DSNs["shop.eu"]), "/4"), "cap": cfg.Cap == 10,
		"tags": fmt.Sprint(cfg.Tags) == "[tenant user.id]", "in_app": fmt.Sprint(cfg.InApp) == "[github.com/acme/shop]",
		"timeout": cfg.ClientConfig.Timeout == 3*time.Second, "compression": cfg.ClientConfig.Compression == "zstd", "proxy_url": cfg.ClientConfig.ProxyURL != "", "tls": cfg.ClientConfig.TLS.InsecureSkipVerify,
		"storage": queue.StorageID != nil && queue.StorageID.String() == "file_storage", "batch": queue.Batch.HasValue() && queue.Batch.Get().MinSize == 10,
		"retry": cfg.RetryConfig.MaxElapsedTime == 0,
	} {
		if !ok {
			t.Errorf("%s: %+v", what, cfg)
		}
	}
}

func TestAConfigurationThatCannotWorkIsRefusedWithAnErrorThatSaysWhy(t *testing.T) {
	const key = "0123456789abcdef"
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.DSN = "" }, "dsn: the Sentry DSN is empty: expected https://KEY@HOST/PROJECT, or dsns for each service.name"},
		{func(c *Config) { c.DSN = key }, "dsn: the Sentry DSN is malformed"},
		{func(c *Config) { c.DSN = " https://" + key + "@host/1" }, "dsn: the Sentry DSN contains white space"},
		{func(c *Config) { c.DSN = "https://" + key + "@host/shop" }, "dsn: the Sentry DSN has a project id that is not a number"},
		{func(c *Config) { c.DSNs = map[string]configopaque.String{"shop": "https://" + key + "@host"} }, `dsns: "shop": the Sentry DSN is malformed`},
		{func(c *Config) { c.DSNs = map[string]configopaque.String{"shop": ""} }, `dsns: "shop": the Sentry DSN is empty`},
		{func(c *Config) { c.ClientConfig.Endpoint = "https://host" }, "endpoint: has no effect, the DSN names the host"},
		{func(c *Config) { c.ClientConfig.Timeout = -1 }, "timeout: must not be negative"},
		{func(c *Config) { c.Cap = -1 }, "cap: takes numbers from 0, which means no cap"},
	} {
		cfg := createDefaultConfig().(*Config)
		cfg.DSN = "https://" + key + "@host/1"
		c.change(cfg)
		err := confmap.Validate(cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), key) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

func TestAPrintedConfigurationHasNoKey(t *testing.T) {
	cfg := load(t, "sentryissue/all")
	conf := confmap.New()
	if err := conf.Marshal(cfg); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(conf.ToStringMap()), fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg)} {
		if strings.Contains(text, "0123456789abcdef") || strings.Contains(text, "fedcba") {
			t.Errorf("a key is in %s", text)
		}
	}
}
