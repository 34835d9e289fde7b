package otellock

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Nodes of a Cluster come and go, and each address is new where pods are replaced.
func TestBreakersOfServersThatAreGoneAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := breakers{byNode: map[string]*breaker{}, node: func(key string) string { return key }}
		for i := range 1000 {
			bs.unanswered(fmt.Sprint(i), time.Second)
			time.Sleep(time.Second)
		}
		if n := len(bs.byNode); n > int(breakerIdle/time.Second)+1 {
			t.Errorf("%d breakers, of %v", n, breakerIdle)
		}
		bs.answered("999")
		if bs.isOpen("998") || len(bs.byNode) > int(breakerIdle/time.Second) {
			t.Errorf("%d breakers after an answer", len(bs.byNode))
		}
	})
}
