// Code generated from semconv/registry. DO NOT EDIT.

package semconv

// SchemaURL names the version of the conventions that this package defines.
// Instrumentation scopes carry it.
const SchemaURL = "https://raw.githubusercontent.com/otellock/otellock-go/main/semconv/schemas/0.1.0"
