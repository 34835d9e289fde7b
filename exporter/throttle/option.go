package throttle

import (
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// Defaults of the options.
const (
	DefaultWindow  = window.DefaultPeriod
	DefaultMaxKeys = window.DefaultMaxKeys
)

const (
	minWindow = time.Millisecond
	maxParts  = 8 // attributes of a key
)

// Option configures a [Processor].
type Option interface{ apply(config) config }

type option func(config) config

func (o option) apply(cfg config) config { return o(cfg) }

type config struct {
	window        time.Duration
	maxKeys       int
	keys          []attribute.Key
	meterProvider metric.MeterProvider
}

// WithWindow sets how long after a record its like are suppressed. The default
// is [DefaultWindow]. With d <= 0 nothing is suppressed or changed, and records
// are only counted. A window shorter than a millisecond is taken for a missing
// unit and refused, and so is one longer than a day.
func WithWindow(d time.Duration) Option {
	return option(func(cfg config) config {
		cfg.window = d
		return cfg
	})
}

// WithMaxKeys bounds how many keys have a window of their own at a time. The
// default is [DefaultMaxKeys]; values outside 1 to 1,048,576 are refused.
// Further keys share one window. A key takes about 1 KiB.
func WithMaxKeys(n int) Option {
	return option(func(cfg config) config {
		cfg.maxKeys = n
		return cfg
	})
}

// WithKeys chooses the attributes whose values make the key, and so makes a
// throttle for any log. The default is lock.action and lock.target. Records that
// lack one of them, or have it with another type than string, pass untouched.
// lock.reports and summaries then have these attributes. Name first the one with
// the fewest values: where there are too many keys, counts keep that one. At
// least one and at most eight names, each once; others are refused.
func WithKeys(keys ...string) Option {
	return option(func(cfg config) config {
		cfg.keys = make([]attribute.Key, len(keys))
		for i, k := range keys {
			cfg.keys[i] = attribute.Key(k)
		}
		return cfg
	})
}

// WithMeterProvider sets where the metric lock.reports goes. The default is the
// global provider. A nil provider is ignored.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return option(func(cfg config) config {
		if mp != nil {
			cfg.meterProvider = mp
		}
		return cfg
	})
}

func newConfig(opts []Option) (config, error) {
	cfg := config{
		window: DefaultWindow, maxKeys: DefaultMaxKeys,
		keys: []attribute.Key{semconv.LockActionKey, semconv.LockTargetKey},
	}
	for _, o := range opts {
		if o != nil {
			cfg = o.apply(cfg)
		}
	}
	if cfg.meterProvider == nil {
		cfg.meterProvider = otel.GetMeterProvider()
	}
	switch {
	case cfg.window > 0 && cfg.window < minWindow:
		return cfg, fmt.Errorf("throttle: window of %v: give it a unit, as in 60*time.Second; the shortest is %v", cfg.window, minWindow)
	case cfg.window > window.MaxPeriod:
		return cfg, fmt.Errorf("throttle: window of %v: the longest is %v", cfg.window, window.MaxPeriod)
	case cfg.maxKeys < 1 || cfg.maxKeys > window.MaxMaxKeys:
		return cfg, fmt.Errorf("throttle: maximum of %d keys: give at least 1 and at most %d", cfg.maxKeys, window.MaxMaxKeys)
	case len(cfg.keys) < 1 || len(cfg.keys) > maxParts:
		return cfg, fmt.Errorf("throttle: a key of %d attributes: give at least 1 and at most %d", len(cfg.keys), maxParts)
	}
	for i, k := range cfg.keys {
		if k == "" || slices.Contains(cfg.keys[:i], k) {
			return cfg, fmt.Errorf("throttle: key attribute %q: give each a name, and name it once", k)
		}
	}
	return cfg, nil
}
