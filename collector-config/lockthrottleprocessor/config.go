package lockthrottleprocessor // import "github.com/otellock/otellock-go/collector-config/lockthrottleprocessor"

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otellock/otellock-go/internal/window"
)

const (
	minWindow = time.Millisecond
	maxKeys   = 16 // attributes of a record that make a key
)

// Config configures the processor.
type Config struct {
	// Window is how long after a record its like are suppressed, 1ms to 24h.
	Window time.Duration `mapstructure:"window"`

	// MaxKeys bounds how many keys have a window of their own at a time, 1 to
	// 1,048,576. Further keys share one window. A key takes about 1 KiB.
	MaxKeys int `mapstructure:"max_keys"`

	// Keys are the record attributes whose values make the key. Records that lack
	// one of them, or have it with another type than string, pass untouched.
	Keys []string `mapstructure:"keys"`

	// ResourceKeys are the resource attributes that belong to the key. One that is
	// absent counts as empty.
	ResourceKeys []string `mapstructure:"resource_keys"`

	// Severities are those of the records that are looked at: unset, trace, debug,
	// info, warn, error, fatal. Each stands for its four numbers.
	Severities []string `mapstructure:"severities"`

	// prevent unkeyed literal initialization
	_ struct{}
}

var _ component.Config = (*Config)(nil)

func createDefaultConfig() component.Config {
	return &Config{
		Window:       window.DefaultPeriod,
		MaxKeys:      window.DefaultMaxKeys,
		Keys:         []string{"lock.action", "lock.target"},
		ResourceKeys: []string{"service.namespace", "service.name", "deployment.environment.name"},
		Severities:   []string{"warn", "error", "unset"},
	}
}

// Validate returns an error for each setting that makes no sense.
func (cfg *Config) Validate() error {
	var errs []error
	if cfg.Window < minWindow || cfg.Window > window.MaxPeriod {
		errs = append(errs, fmt.Errorf("window: %v: give at least %v and at most %v", cfg.Window, minWindow, window.MaxPeriod))
	}
	if cfg.MaxKeys < 1 || cfg.MaxKeys > window.MaxMaxKeys {
		errs = append(errs, fmt.Errorf("max_keys: %d: give at least 1 and at most %d", cfg.MaxKeys, window.MaxMaxKeys))
	}
	if len(cfg.Keys) == 0 {
		errs = append(errs, errors.New("keys: empty: name at least one record attribute"))
	}
	if len(cfg.Keys) > maxKeys {
		errs = append(errs, fmt.Errorf("keys: %d: give at most %d", len(cfg.Keys), maxKeys))
	}
	errs = append(errs, distinct("keys", cfg.Keys), distinct("resource_keys", cfg.ResourceKeys))
	if len(cfg.Severities) == 0 {
		errs = append(errs, fmt.Errorf("severities: empty: name at least one of %q", severityNames))
	}
	for _, name := range cfg.Severities {
		if !slices.Contains(severityNames, name) {
			errs = append(errs, fmt.Errorf("severities: %q: the names are %q", name, severityNames))
		}
	}
	return errors.Join(errs...)
}

func distinct(setting string, names []string) error {
	for i, name := range names {
		if name == "" || slices.Contains(names[:i], name) {
			return fmt.Errorf("%s: %q: give each attribute a name, and name it once", setting, name)
		}
	}
	return nil
}

// severityNames are in the order of the numbers: unset is 0, trace 1 to 4, and so on.
var severityNames = []string{"unset", "trace", "debug", "info", "warn", "error", "fatal"}

// severities has a bit for each severity number.
type severities uint32

func newSeverities(names []string) (s severities) {
	for _, name := range names {
		switch i := slices.Index(severityNames, name); i {
		case 0:
			s |= 1
		default:
			s |= 0b1111 << (4*i - 3)
		}
	}
	return s
}

func (s severities) has(n plog.SeverityNumber) bool {
	return n >= 0 && n <= plog.SeverityNumberFatal4 && s&(1<<n) != 0
}
