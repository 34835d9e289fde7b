// Package locktest is what the tests of a Locker share: telemetry that is kept in
// memory, a backend whose next calls go wrong as told, and the scenes of the
// table "What happens, always" in otellock/README.md.
package locktest
