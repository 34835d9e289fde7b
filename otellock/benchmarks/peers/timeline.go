package main

import (
	"slices"
	"time"
)

// A turn is when a waiter began to wait, was granted the lock and began to release
// it, in nanoseconds since 1970. The last two are zero where it waited in vain.
type turn struct{ Waited, Granted, Released int64 }

// A timeline is the turns of a contest by process and waiter. All processes run on
// one machine, so their clock is one.
type timeline struct {
	Begin, End time.Time
	Processes  [][][]turn
}

// measures reports whether a turn was granted between the begin and the end.
func (t timeline) measures(at turn) bool {
	return at.Granted > 0 && at.Granted >= t.Begin.UnixNano() && at.Granted <= t.End.UnixNano()
}

// handOvers returns for each grant that is measured how long before it the lock was
// last released, in ms. It leaves out a grant after a release at which nobody waited.
func (t timeline) handOvers() []float64 {
	var waited, granted, released []int64
	for _, waiters := range t.Processes {
		for _, turns := range waiters {
			for _, turn := range turns {
				waited = append(waited, turn.Waited)
				if turn.Granted != 0 {
					granted, released = append(granted, turn.Granted), append(released, turn.Released)
				}
			}
		}
	}
	slices.Sort(waited)
	slices.Sort(granted)
	slices.Sort(released)
	// until counts the times that are not after the given one.
	until := func(times []int64, at int64) int {
		n, _ := slices.BinarySearch(times, at+1)
		return n
	}
	var took []float64
	for _, at := range granted[until(granted, t.Begin.UnixNano()-1):until(granted, t.End.UnixNano())] {
		n := until(released, at)
		if n == 0 {
			continue
		}
		last := released[n-1]
		if waiting := until(waited, last) - until(granted, last); waiting > 0 {
			took = append(took, float64(at-last)/1e6)
		}
	}
	return took
}

// grants counts the turns that are measured.
func (t timeline) grants() (n int) {
	for _, waiters := range t.Processes {
		for _, turns := range waiters {
			granted, _ := t.waits(turns)
			n += granted
		}
	}
	return n
}

// waits returns how many of a waiter's turns are measured, and its mean wait for
// these in ms.
func (t timeline) waits(turns []turn) (granted int, mean float64) {
	for _, turn := range turns {
		if t.measures(turn) {
			granted++
			mean += float64(turn.Granted-turn.Waited) / 1e6
		}
	}
	return granted, mean / float64(max(granted, 1))
}

// figures are those of one row of the table.
type figures struct{ mean, p50, p95, spread, starved, least float64 }

func (t timeline) figures() (f figures) {
	took := t.handOvers()
	slices.Sort(took)
	if n := len(took); n > 0 {
		for _, ms := range took {
			f.mean += ms / float64(n)
		}
		f.p50, f.p95 = took[n/2], took[n*95/100]
	}
	shortest, longest := 0.0, 0.0
	shares := make([]float64, len(t.Processes))
	for process, waiters := range t.Processes {
		for _, turns := range waiters {
			granted, wait := t.waits(turns)
			if granted == 0 {
				f.starved++
				continue
			}
			shares[process] += float64(granted)
			longest = max(longest, wait)
			if shortest == 0 || wait < shortest {
				shortest = wait
			}
		}
	}
	if shortest > 0 {
		f.spread = longest / shortest
	}
	f.least = slices.Min(shares) * float64(len(shares)) / float64(max(t.grants(), 1))
	return f
}

// median returns the median of one of the figures.
func median(fs []figures, of func(figures) float64) float64 {
	values := make([]float64, len(fs))
	for i, f := range fs {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
