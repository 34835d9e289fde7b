// Package benchmarks compares the throttle with others, all on the path that
// counts in an outage: the report that is held back. It is a module of its own,
// so that its dependencies are nobody else's.
//
//	GOWORK=off go test -bench Suppressed -benchmem -cpu 1,2 ./...
package benchmarks
