// Package registry holds the source of the lock conventions: a registry in the
// format of OpenTelemetry Weaver. Package semconv is generated from it.
package registry

import "embed"

// Files are the manifest and the group files, for programs that check telemetry
// against the registry, as Weaver does.
//
//go:embed *.yaml
var Files embed.FS
