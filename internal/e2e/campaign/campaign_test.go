package campaign

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	runs      = flag.Int("runs", 2*len(faults), "how many seeds to run")
	firstSeed = flag.Int("seed", 1, "the first seed")
	atOnce    = flag.Int("at-once", 8, "how many runs at a time; most of a run is waiting")
	slack     = flag.Duration("slack", 15*time.Second, "what a busy machine may add to the second after which all is well again")
)

const (
	recovery = time.Second // after which a fault has left nothing behind
	longTTL  = time.Minute // above every patience: nothing is mended by waiting for it
	workers  = 4           // of a process
)

var ids = []string{"a", "b"}

func key(id string) string { return "lock:campaign:" + id }

func TestCampaign(t *testing.T) {
	seeds := make(chan int)
	var slowest slowest
	var group sync.WaitGroup
	for range *atOnce {
		group.Go(func() {
			for seed := range seeds {
				t.Run("seed="+strconv.Itoa(seed), func(t *testing.T) { campaign(t, seed, &slowest) })
			}
		})
	}
	for i := range *runs {
		seeds <- *firstSeed + i
	}
	close(seeds)
	group.Wait()
	t.Logf("%d runs; no key left, and every lock to be had, %v after the fault at the latest (%s)", *runs, slowest.took, slowest.run)
}

// campaign plays one run, with every goroutine of it labelled.
func campaign(t *testing.T, seed int, slowest *slowest) {
	r := newRun(t, seed)
	label := "campaign"
	pprof.Do(t.Context(), pprof.Labels(label, r.name), func(context.Context) {
		r.play()
		r.recovers(slowest)
		r.closes()
	})
	r.eventually("no goroutine of the lock is left", func() bool { return !running(fmt.Sprintf("%q:%q", label, r.name)) })
	if t.Failed() {
		t.Logf("%s\n%s", r.name, r.history())
		for _, p := range r.processes {
			t.Logf("%s: %s", p.name, p.seen.attempts())
		}
	}
}

// running reports whether a goroutine with the label is in the lock.
func running(label string) bool {
	var stacks bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	return slices.ContainsFunc(strings.Split(stacks.String(), "\n\n"), func(stack string) bool {
		return strings.Contains(stack, label) && strings.Contains(stack, "otellock-go/otellock.")
	})
}

// slowest is the run that took longest to recover.
type slowest struct {
	mu   sync.Mutex
	took time.Duration
	run  string
}

func (s *slowest) add(took time.Duration, run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if took > s.took {
		s.took, s.run = took, run
	}
}
