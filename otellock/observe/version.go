package observe

// ScopeName is the instrumentation scope of all that this package emits. It is
// that of package otellock, whichever lock it is used for.
const ScopeName = "github.com/otellock/otellock-go/otellock"

// Version is the version of the instrumentation scope, and of this module.
const Version = "0.1.0"
