// Written by hand in the form of mdatagen, from metadata.yaml.

// Package metadata holds the type, the stability and the telemetry of the
// exporter/sentryissue component.
package metadata

import "go.opentelemetry.io/collector/component"

// Identity of the component.
var (
	Type      = component.MustNewType("sentryissue")
	ScopeName = "github.com/otellock/otellock-go/collector-config/sentryissueexporter"
)

// LogsStability is the stability of the exporter for logs.
const LogsStability = component.StabilityLevelDevelopment
