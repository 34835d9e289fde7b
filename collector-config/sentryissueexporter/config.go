package sentryissueexporter

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

// Config is the configuration of the exporter.
type Config struct {
	// ClientConfig has the HTTP client's settings. Its endpoint is refused: a DSN
	// names one.
	ClientConfig confighttp.ClientConfig                                  `mapstructure:",squash"`
	QueueConfig  configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	RetryConfig  configretry.BackOffConfig                                `mapstructure:"retry_on_failure"`

	// DSN is the project of every service that DSNs does not name. Without it
	// their records are dropped and counted.
	DSN configopaque.String `mapstructure:"dsn"`
	// DSNs are the projects of services, by service.name.
	DSNs map[string]configopaque.String `mapstructure:"dsns"`

	// Cap is how many events a project gets in any one minute: of lost leases
	// (expired, lost, stolen), of summaries, and of everything else, that many
	// each. 0 means no cap.
	Cap int `mapstructure:"cap"`
	// Tags are the keys of further attributes of a record that become tags.
	Tags []string `mapstructure:"tags"`
	// InApp are the prefixes of Go packages whose frames are the application's own.
	// Without any, every frame is that does not belong to the standard library.
	InApp []string `mapstructure:"in_app"`

	// prevent unkeyed literal initialization
	_ struct{}
}

var _ component.Config = (*Config)(nil)

// Validate checks the settings. No error contains any part of a DSN.
func (c *Config) Validate() error {
	var errs []error
	if c.DSN == "" && len(c.DSNs) == 0 {
		errs = append(errs, fmt.Errorf("dsn: %w, or dsns for each service.name", sentryissue.ErrNoDSN))
	}
	if c.DSN != "" {
		if _, err := sentryissue.ParseDSN(string(c.DSN)); err != nil {
			errs = append(errs, fmt.Errorf("dsn: %w", err))
		}
	}
	for _, service := range slices.Sorted(maps.Keys(c.DSNs)) {
		if _, err := sentryissue.ParseDSN(string(c.DSNs[service])); err != nil {
			errs = append(errs, fmt.Errorf("dsns: %q: %w", service, err))
		}
	}
	if c.ClientConfig.Endpoint != "" {
		errs = append(errs, errors.New("endpoint: has no effect, the DSN names the host"))
	}
	if c.ClientConfig.Timeout < 0 {
		errs = append(errs, errors.New("timeout: must not be negative"))
	}
	if c.Cap < 0 {
		errs = append(errs, errors.New("cap: takes numbers from 0, which means no cap"))
	}
	return errors.Join(errs...)
}
