//go:build !race

package throttle_test

const raceFactor = 1
