package main

import (
	"strings"
	"testing"
)

// run fails by itself where two workers were inside at once, and where a lock does not
// tell of the contention and of the outage.
func TestEachLockTellsOfTheContentionAndOfTheOutage(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, name := range []string{"otellock", "redislock", "redsync", "rueidislock", "etcd"} {
		if want := "WARN lock backend failed: " + name + " was refused"; strings.Count(out.String(), want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, &out)
		}
	}
	t.Log(out.String())
}
