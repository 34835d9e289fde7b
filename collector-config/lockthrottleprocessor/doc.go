// Package lockthrottleprocessor implements a processor that lets one warning of
// each lock pass in a window, and counts the others.
package lockthrottleprocessor // import "github.com/otellock/otellock-go/collector-config/lockthrottleprocessor"
