// Package simulation runs the lock in virtual time against a server and a
// network that fail in every way a random plan thinks of, and checks after every
// step that the lock kept its promises.
//
// A seed decides everything: how many processes there are and how they are
// configured, what each of their actors does, which faults strike when, and the
// fate of every single request. The same seed gives the same trace.
//
// To add a way to use the lock, add a row to operations (operation.go). To add a
// fault, add a row to faults (fault.go). To add a promise, add a check to
// promises (promise.go), or to history.go or account.go for what can be judged
// only at the end.
//
// How it stays deterministic: one goroutine, [world.run], makes all that happens
// happen, one event at a time, each at an instant of its own. After each event it
// waits until the goroutines of the lock have come to rest. What they sent in the
// meantime is sorted by name before it is looked at, and every random decision
// about it comes from the seed and that name, never from the order of calls.
package simulation
