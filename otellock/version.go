package otellock

// ScopeName is the instrumentation scope of every span, metric and log record
// of this package.
const ScopeName = "github.com/otellock/otellock-go/otellock"

// Version is the version of the instrumentation scope.
const Version = "0.1.0"
