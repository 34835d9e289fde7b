// Package semconv is the contract between instrumented locks and whatever reads
// their telemetry: the attributes, metrics and events in the "lock"
// namespace.
//
// It is made like OpenTelemetry's own semconv packages, from the registry in
// the directory registry, and stands at stability development: names may change
// between minor versions, and [SchemaURL] with them. README.md is the same as
// tables.
//
// Attributes that locks take from OpenTelemetry (exception.*, code.*, server.*)
// are in its package semconv/v1.43.0. Only error.type is repeated here, for the
// values that locks give it.
package semconv

//go:generate go run ../internal/semconvregistry/gen
