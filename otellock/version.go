package otellock

import "github.com/otellock/otellock-go/otellock/observe"

// ScopeName is the instrumentation scope of every span, metric and log record
// of this package.
const ScopeName = observe.ScopeName

// Version is the version of the instrumentation scope.
const Version = observe.Version
