package throttle

// Version is the version of this package's instrumentation scope.
const Version = "0.1.0"
