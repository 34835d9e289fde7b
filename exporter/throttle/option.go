package throttle

import (
	"cmp"
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

const maxParts = 8 // attributes of a key

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

// WithWindow sets how long after a record others of its key are suppressed. The
// default is [DefaultWindow]. With d <= 0 records are only counted, and not changed.
// A window shorter than a millisecond (a number without a unit is nanoseconds) or
// longer than a day is an error of [NewProcessorWith].
func WithWindow(d time.Duration) Option {
	return option(func(cfg config) config { cfg.window = d; return cfg })
}

// WithMaxKeys bounds how many keys have a window of their own at a time: 1 to
// 1,048,576, by default [DefaultMaxKeys]. Further keys share one window. A key
// takes about 1 KiB.
func WithMaxKeys(n int) Option {
	return option(func(cfg config) config { cfg.maxKeys = n; return cfg })
}

// WithKeys chooses the attributes whose values make the key, one to eight, and so
// makes a throttle for any log. The default is lock.action and lock.target.
// Records that lack one of them, or have it with another type than string, pass
// untouched. lock.reports and summaries then have these attributes. Name the one with
// the fewest values first: if there are too many keys, lock.reports keeps that one and
// merges the others.
func WithKeys(keys ...string) Option {
	return option(func(cfg config) config {
		cfg.keys = nil
		for _, k := range keys {
			cfg.keys = append(cfg.keys, attribute.Key(k))
		}
		return cfg
	})
}

// WithMeterProvider sets where the metric lock.reports goes. The default is the
// global provider. A nil provider is ignored.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return option(func(cfg config) config { cfg.meterProvider = cmp.Or(mp, cfg.meterProvider); return cfg })
}

func newConfig(opts []Option) (config, error) {
	cfg := config{
		window: DefaultWindow, maxKeys: DefaultMaxKeys,
		keys:          []attribute.Key{semconv.LockActionKey, semconv.LockTargetKey},
		meterProvider: otel.GetMeterProvider(),
	}
	for _, o := range opts {
		if o != nil {
			cfg = o.apply(cfg)
		}
	}
	switch {
	case cfg.window > 0 && cfg.window < time.Millisecond:
		return cfg, fmt.Errorf("throttle: window of %v: give it a unit, as in 60*time.Second; the shortest is 1ms", cfg.window)
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
