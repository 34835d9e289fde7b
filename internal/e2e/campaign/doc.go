// Package campaign tests the lock from outside, on real servers that break: each
// seeded run starts a redis-server, lets several Lockers work on the same keys
// through a wire of their own, breaks the wire or the server in one or two ways,
// mends it, and holds what happened against what the lock promises.
//
//	go test ./internal/e2e/campaign -run TestCampaign -runs 300 -seed 1
//
// A seed fixes the faults and the programs, not the scheduling: a run that failed
// fails again often, not always. To repeat one, use -seed N -runs 1.
package campaign
