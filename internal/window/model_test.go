package window

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// model is the throttle as one would write it for one goroutine and no hurry.
type model struct {
	period  time.Duration
	maxKeys int
	keys    map[string]*modelKey // by target
	gate    modelKey             // overflow
	passed  *string              // the target that passed the overflow gate last, if it fits the table
	totals  map[string]*total
}

type modelKey struct {
	anchor, since, seen, summary time.Time // seen: the last suppressed occurrence
	pending                      uint64
	types                        map[string]uint64
}

func (k *modelKey) inWindow(now time.Time, w time.Duration) bool {
	return !k.anchor.IsZero() && now.Sub(k.anchor) < w
}

func (k *modelKey) mayGo(now time.Time, w time.Duration) bool {
	return k.pending == 0 && !k.inWindow(now, w) && (k.summary.IsZero() || now.Sub(k.summary) >= w)
}

func (k *modelKey) hold(now time.Time, n uint64, typ string) {
	k.pending += n
	k.seen = now
	k.addTypes(map[string]uint64{typ: 1})
}

func (k *modelKey) addTypes(types map[string]uint64) {
	if k.types == nil {
		k.types = map[string]uint64{}
	}
	for t, n := range types {
		if t != "" {
			k.types[t] += n
		}
	}
}

type typeCounted struct {
	name string
	n    uint64
}

// take returns what a record or summary at now would carry.
func (k *modelKey) take(now time.Time) (n uint64, since time.Time, types []typeCounted) {
	n, since = k.pending, k.since
	for _, act := range []bool{true, false} { // what must be acted on, then the most frequent
		var some []typeCounted
		for _, t := range slices.Sorted(maps.Keys(k.types)) {
			if slices.Contains([]string{"stolen", "NOAUTH"}, t) == act {
				some = append(some, typeCounted{t, k.types[t]})
			}
		}
		slices.SortStableFunc(some, func(a, b typeCounted) int {
			if act {
				return cmp.Compare(b.name, a.name) // stolen is worse
			}
			return cmp.Compare(b.n, a.n)
		})
		types = append(types, some...)
	}
	if since.IsZero() {
		since = now
	}
	k.pending, k.since, k.types = 0, now, nil
	return n, since, types[:min(len(types), maxReportedTypes)]
}

// find returns the key's entry, or the overflow gate, making room and entries as
// the window does.
func (m *model) find(target string, now time.Time, insert bool) (*modelKey, bool) {
	if len(target) > MaxKeyBytes-1 {
		return &m.gate, true
	}
	if k := m.keys[target]; k != nil {
		return k, false
	}
	full := len(m.keys) >= m.maxKeys
	for _, k := range m.keys {
		if k.mayGo(now, m.period) {
			full = false
		}
	}
	if full {
		return &m.gate, true
	}
	if !insert {
		return nil, false
	}
	if len(m.keys) >= m.maxKeys {
		maps.DeleteFunc(m.keys, func(_ string, k *modelKey) bool { return k.mayGo(now, m.period) })
	}
	k := &modelKey{}
	if m.passed != nil && *m.passed == target {
		k.anchor, k.since = m.gate.anchor, m.gate.since
	}
	m.keys[target] = k
	return k, false
}

func (m *model) row(target string, overflow bool) *total {
	if overflow {
		target = Other
	}
	if m.totals[target] == nil {
		if len(m.totals) >= m.maxKeys+1 && target != Other {
			return m.row("", true)
		}
		m.totals[target] = &total{Action: "a", Target: target}
	}
	return m.totals[target]
}

func (m *model) pending() uint64 {
	n := m.gate.pending
	for _, k := range m.keys {
		n += k.pending
	}
	return n
}

// TestTheWindowAgreesWithASimpleModel runs random operations against both. A
// failure prints its seed; OTELLOCK_SEED runs that seed alone.
func TestTheWindowAgreesWithASimpleModel(t *testing.T) {
	seeds := []uint64{}
	if s := os.Getenv("OTELLOCK_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, seed)
	} else {
		for range 500 {
			seeds = append(seeds, rand.Uint64())
		}
	}
	for _, seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("OTELLOCK_SEED=%d", seed)
				}
			}()
			runModel(t, seed)
		})
	}
}

func runModel(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	m := &model{
		period:  time.Duration(1+rng.IntN(1000)) << rng.IntN(27), // 1 ns to 134 s
		maxKeys: 1 + rng.IntN(6),
		keys:    map[string]*modelKey{},
		totals:  map[string]*total{Other: {Action: "a", Target: Other}},
	}
	w := newWindow(t, Config{Period: m.period, MaxKeys: m.maxKeys})
	targets := []string{"", "t1", "t2", "t3", "t4", "t5", "t6", strings.Repeat("x", MaxKeyBytes)}[:2+rng.IntN(7)]
	types := []string{"", "timeout", "eof", "NOAUTH", "stolen", "c1", "c2", "c3", "c4", "c5", "c6", "c7"}[:1+rng.IntN(12)]
	slices.Sort(types)
	for _, typ := range types {
		w.types.index(typ) // so that the first eight are the same for both
	}
	gates := map[string]func(time.Time, string) bool{}
	for _, target := range targets {
		gates[target] = gateOf(w, "a", target)
	}
	var occurrences, records, carried uint64

	check := func(op string, c *Claim, n uint64, since time.Time, typs []typeCounted) {
		t.Helper()
		var got []typeCounted
		for i, name := range c.ErrorTypes {
			got = append(got, typeCounted{name, c.ErrorCounts[i]})
		}
		if c.Suppressed != n || !c.Since.Equal(since) || !slices.Equal(got, typs) {
			t.Fatalf("%s: claim of %d since %v of %v, want %d since %v of %v", op, c.Suppressed, c.Since, got, n, since, typs)
		}
	}
	checkUntil := func(op string, c *Claim, seen time.Time) {
		t.Helper()
		if early := seen.Sub(c.Until); early < 0 || int64(early) > w.quantum {
			t.Fatalf("%s: until %v, want %v or up to %v earlier", op, c.Until, seen, time.Duration(w.quantum))
		}
	}
	for step := range 400 {
		if t.Failed() {
			return
		}
		now := time.Now()
		target, typ := targets[rng.IntN(len(targets))], types[rng.IntN(len(types))]
		switch op := rng.IntN(20); {
		case op < 5: // time passes, often to just an edge
			d := time.Duration(rng.Int64N(int64(m.period) + 1))
			if k, _ := m.find(target, now, false); k != nil && k.inWindow(now, m.period) && op < 4 {
				d = k.anchor.Add(m.period).Sub(now) - time.Duration(rng.IntN(2))
			}
			time.Sleep(max(d, 0))
		case op < 8: // gate
			occurrences++
			k, overflow := m.find(target, now, false)
			want := k != nil && k.inWindow(now, m.period)
			got := gates[target](now, typ)
			// The table may be full without anybody having found that out yet.
			// The gate is then in doubt, and lets the caller build a record.
			if got != want && (got || !overflow || w.now() < w.scanAt.Load()) {
				t.Fatalf("step %d: gate of %.5q says %v, want %v", step, target, got, want)
			}
			if got {
				k.hold(now, 1, typ)
				if overflow {
					m.row(target, true).Overflow++
				} else {
					m.row(target, false).Suppressed++
				}
			} else {
				occurrences-- // the caller would go on to Admit
			}
		case op < 9: // flush
			sent := map[string]bool{}
			fail := rng.IntN(3) == 0
			err := w.Flush(t.Context(), func(c *Claim) error {
				sent[c.Key[1]] = true
				k := m.keys[c.Key[1]]
				if c.Overflow {
					k = &m.gate
				}
				if k.pending == 0 || !k.summary.IsZero() && now.Sub(k.summary) < m.period {
					t.Errorf("step %d: a summary of %.5q too many", step, c.Key[1])
				}
				old := *k
				n, since, typs := k.take(now)
				check("summary", c, n, since, typs)
				checkUntil("summary", c, k.seen)
				k.summary = now
				if fail {
					k.pending, k.since, k.types = old.pending, old.since, old.types
					return errBroken
				}
				carried += n
				return nil
			})
			if (err != nil) != (fail && len(sent) > 0) {
				t.Fatalf("step %d: flush: %v", step, err)
			}
			for name, k := range m.keys {
				if k.pending > 0 && !sent[name] && (k.summary.IsZero() || now.Sub(k.summary) >= m.period) {
					t.Fatalf("step %d: no summary of %.5q", step, name)
				}
			}
		default:
			var up Upstream
			upTypes := map[string]uint64{}
			upstream := op == 19
			if upstream {
				up = Upstream{Suppressed: rng.Uint64N(10), ErrorTypes: types[:rng.IntN(len(types)+1)]}
				rest := up.Suppressed
				for _, name := range up.ErrorTypes {
					if rng.IntN(4) == 0 { // it tells no more
						break
					}
					n := rng.Uint64N(rest + 1)
					rest -= n
					up.ErrorCounts = append(up.ErrorCounts, n)
					upTypes[name] += n
				}
				for _, name := range up.ErrorTypes {
					upTypes[name] += 0
				}
			}
			occurrences += 1 + up.Suppressed
			k, overflow := m.find(target, now, true)
			row := m.row(target, overflow)
			var c *Claim
			if upstream {
				c = w.AdmitUpstream(up, typ, "a", target)
			} else {
				c = w.Admit(now, typ, "a", target)
			}
			held := k.inWindow(now, m.period)
			if held != (c == nil) {
				t.Fatalf("step %d: %.5q held back %v, want %v", step, target, c == nil, held)
			}
			countHeld := func() {
				switch {
				case upstream:
				case overflow:
					row.Overflow++
				default:
					row.Suppressed++
				}
			}
			if held {
				k.hold(now, 1+up.Suppressed, typ)
				k.addTypes(upTypes)
				countHeld()
				break
			}
			if overflow {
				m.passed = nil
				if len(target) < MaxKeyBytes {
					m.passed = &target
				}
			}
			k.addTypes(upTypes)
			k.pending += up.Suppressed
			all := maps.Clone(k.types)
			n, since, typs := k.take(now)
			check("record", c, n, since, typs)
			if held := n > up.Suppressed; held { // or it is of the other window alone, which did not say
				checkUntil("record", c, k.seen)
			}
			k.anchor = now
			if rng.IntN(4) == 0 {
				c.Failed()
				k.hold(now, 1+n, typ)
				k.addTypes(all)
				k.since = since
				countHeld()
			} else {
				c.Delivered()
				records++
				carried += n
				if !upstream {
					row.Emitted++
				}
			}
		}
		if got := w.Pending(); got != m.pending() || records+carried+got != occurrences {
			t.Fatalf("step %d: %d pending, want %d; %d records + %d carried, want %d occurrences", step, got, m.pending(), records, carried, occurrences)
		}
	}
	totalsOf(w, func(_ int, got total) {
		want := total{Action: "a", Target: got.Target}
		if row := m.totals[got.Target]; row != nil {
			want = *row
		}
		if got.Action == Other {
			want = total{Action: Other, Target: Other}
		}
		if got != want {
			t.Errorf("totals %s, want %s", fmt.Sprintf("%.60v", got), fmt.Sprintf("%.60v", want))
		}
	})
}
