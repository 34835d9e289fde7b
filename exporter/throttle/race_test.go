//go:build race

package throttle_test

// raceFactor divides the work of tests whose subject is an amount.
const raceFactor = 10
