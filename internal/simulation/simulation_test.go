package simulation_test

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/simulation"
	"github.com/otellock/otellock-go/otellock"
)

var (
	seed  = flag.Uint64("seed", 0, "the one seed to run, with its trace")
	first = flag.Uint64("first", 1, "the first of the seeds to run")
	seeds = flag.Uint64("seeds", defaultSeeds, "how many seeds to run")
)

// TestSimulation breaks no promise on any seed. Run one again with its trace:
//
//	go test ./internal/simulation -run TestSimulation -seed=N
func TestSimulation(t *testing.T) {
	if *seed != 0 {
		replay(t, *seed)
		return
	}
	start, workers := time.Now(), uint64(runtime.GOMAXPROCS(0))
	t.Run("seeds", func(t *testing.T) {
		for w := range workers {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for n := w; n < *seeds && !t.Failed(); n += workers {
					report(t, *first+n, simulation.Run(t, *first+n, nil))
				}
			})
		}
	})
	t.Logf("%d seeds in %v", *seeds, time.Since(start).Round(time.Millisecond))
}

func replay(t *testing.T, seed uint64) {
	r := simulation.Run(t, seed, nil)
	t.Logf("the trace of seed %d:\n%s", seed, strings.Join(r.Trace, "\n"))
	report(t, seed, r)
	if len(r.Violations) > 0 {
		small := simulation.Shrink(t, seed, nil)
		t.Logf("the smallest part of it:\n%s", strings.Join(small.Trace, "\n"))
	}
}

func report(t *testing.T, seed uint64, r simulation.Result) {
	for _, v := range r.Violations {
		t.Errorf("-seed=%d: %s", seed, v)
	}
}

func TestASeedReplaysExactly(t *testing.T) {
	for seed := uint64(1); seed <= 200; seed++ {
		once, again := simulation.Run(t, seed, nil), simulation.Run(t, seed, nil)
		if slices.Equal(once.Trace, again.Trace) {
			continue
		}
		for i := range min(len(once.Trace), len(again.Trace)) {
			if once.Trace[i] != again.Trace[i] {
				t.Fatalf("seed %d, line %d:\n%s\n%s", seed, i, once.Trace[i], again.Trace[i])
			}
		}
		t.Fatalf("seed %d: %d and %d lines", seed, len(once.Trace), len(again.Trace))
	}
}

// A simulation that finds nothing wrong with a broken server would find nothing.
func TestABrokenServerIsNoticed(t *testing.T) {
	for _, broken := range []struct {
		name    string
		fault   simulation.Fault
		promise string
	}{
		{"it grants what another holds", func(kind string, c *otellock.Claim, holder string) bool {
			return kind == "acquire" && holder != "" && holder != c.Token
		}, "a live lease is in the server"},
		{"it releases without comparing", func(kind string, c *otellock.Claim, holder string) bool {
			if kind == "release" && holder != "" {
				c.Token = holder
			}
			return false
		}, "a live lease is in the server"},
		{"it releases nothing", func(kind string, c *otellock.Claim, holder string) bool {
			return kind == "release"
		}, "no key is left behind"},
		{"its leases are short", func(kind string, c *otellock.Claim, holder string) bool {
			c.TTL -= c.TTL / 3
			return false
		}, "Deadline never says more than the server holds"},
		{"its fences fall", func(kind string, c *otellock.Claim, holder string) bool {
			c.Fence = false
			return false
		}, "a fence never falls"},
		{"it extends nothing", func(kind string, c *otellock.Claim, holder string) bool {
			return kind == "extend"
		}, "Deadline never says more than the server holds"},
	} {
		t.Run(broken.name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 200; seed++ {
				for _, v := range simulation.Run(t, seed, broken.fault).Violations {
					if strings.HasPrefix(v, broken.promise) {
						t.Logf("noticed by seed %d: %s", seed, v)
						return
					}
				}
			}
			t.Errorf("200 seeds break no promise %q", broken.promise)
		})
	}
}
