package throttle

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/otellock/otellock-go/internal/window"
)

// Defaults of the options.
const (
	DefaultWindow  = time.Minute
	DefaultMaxKeys = 4096
)

const minWindow = time.Millisecond

// Option configures a [Processor].
type Option interface{ apply(config) config }

type option func(config) config

func (o option) apply(cfg config) config { return o(cfg) }

type config struct {
	window        time.Duration
	maxKeys       int
	meterProvider metric.MeterProvider
}

// WithWindow sets how long after a record its like are held back. The default is
// [DefaultWindow]. With d <= 0 nothing is held back or changed, and records are
// only counted. A window shorter than a millisecond is taken for a missing unit
// and refused, and so is one longer than a day.
func WithWindow(d time.Duration) Option {
	return option(func(cfg config) config {
		cfg.window = d
		return cfg
	})
}

// WithMaxKeys bounds how many (action, target) pairs have a window of their own
// at a time. The default is [DefaultMaxKeys]; values outside 1 to 1,048,576 are
// refused. Further pairs share one window. A pair takes about 1 KiB.
func WithMaxKeys(n int) Option {
	return option(func(cfg config) config {
		cfg.maxKeys = n
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
	cfg := config{window: DefaultWindow, maxKeys: DefaultMaxKeys}
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
	}
	return cfg, nil
}
