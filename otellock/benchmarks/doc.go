// Package benchmarks measures the lock beside its peers on a real redis-server.
// It is a module of its own, so that nobody who uses the lock gets the peers.
package benchmarks
