//go:build race

package simulation_test

// The race detector makes a run ten times slower.
const defaultSeeds = 200
