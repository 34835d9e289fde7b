package backendtest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

func TestACorrectBackendPasses(t *testing.T) {
	Run(t, func(testing.TB) otellock.Backend { return newModel() })
}

func TestEveryFlawIsNoticed(t *testing.T) {
	for _, flaw := range flaws {
		t.Run(flaw.name+" is noticed by "+flaw.check, func(t *testing.T) {
			t.Parallel()
			m := newModel()
			flaw.spoil(m)
			if failure := verdict(t, flaw.check, m, 300*time.Millisecond); failure == "" {
				t.Error("the check passed")
			}
		})
	}
}

// Without this a check that always fails would pass for one that notices.
func TestEveryCheckPassesACorrectBackendUnderTheRecorder(t *testing.T) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if failure := verdict(t, c.name, newModel(), 15*time.Second); failure != "" {
				t.Error(failure)
			}
		})
	}
}

func TestEveryCheckHasAFlawToNotice(t *testing.T) {
	for _, c := range checks {
		noticed := false
		for _, flaw := range flaws {
			noticed = noticed || flaw.check == c.name
		}
		if !noticed {
			t.Errorf("nothing proves that %q can fail", c.name)
		}
	}
}

func TestContendersThatGiveUpAreNotTwoHolders(t *testing.T) {
	m := newModel()
	i := slices.IndexFunc(flaws, func(f flaw) bool { return f.name == "never serves one of the contenders" })
	flaws[i].spoil(m)
	failures := verdict(t, flaws[i].check, m, 300*time.Millisecond)
	if !strings.Contains(failures, "63 of 64 contenders got through") || strings.Contains(failures, "two holders") {
		t.Errorf("a backend that never serves one contender is said to fail thus:\n%s", failures)
	}
}

func TestABackendThatIsNilFailsTheTest(t *testing.T) {
	r := &recorder{TB: t}
	r.do(func() { newSuite(r, nil, newConfig(nil)) })
	if !r.Failed() {
		t.Error("nil passed")
	}
}

func TestFastForwardTakesThePlaceOfWaiting(t *testing.T) {
	var passed time.Duration
	cfg := newConfig([]Option{WithFastForward(func(d time.Duration) { passed += d })})
	r := &recorder{TB: t}
	r.do(func() { leaseExpires(newSuite(r, newModel(), cfg)) })
	if passed <= short || !r.Failed() {
		t.Errorf("advanced by %v with the verdict %q: want a check that relies on the clock it advances", passed, r.failures)
	}
}

// verdict runs the check of that name and returns how it failed, a line each, or "".
func verdict(t *testing.T, name string, b otellock.Backend, patience time.Duration) string {
	t.Helper()
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	cfg := newConfig(nil)
	cfg.patience = patience
	r := &recorder{TB: t}
	r.do(func() { checks[i].run(newSuite(r, b, cfg)) })
	return strings.Join(r.failures, "\n")
}

// A recorder is a test that notes how it fails instead of failing.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
}

// do runs f as the body of the recorded test.
func (r *recorder) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (*recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) > 0
}
