// Package benchmarks measures lockthrottle beside other processors that could
// stand in its place. They are of an older train than the distribution: log_dedup
// has no release for it.
package benchmarks
