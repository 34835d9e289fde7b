package main

import (
	"slices"
	"testing"
	"time"
)

func ms(n int64) int64 { return n * int64(time.Millisecond) }

func TestAHandOverIsAGrantMinusTheLastReleaseAtWhichSomebodyWaited(t *testing.T) {
	end := time.Unix(0, ms(100))
	for name, test := range map[string]struct {
		processes [][][]turn
		want      []float64
	}{
		"the first grant follows no release": {[][][]turn{{{{ms(1), ms(2), ms(3)}}}}, nil},
		"another process waited":             {[][][]turn{{{{ms(1), ms(2), ms(10)}}}, {{{ms(5), ms(14), ms(20)}}}}, []float64{4}},
		"nobody waited at the release":       {[][][]turn{{{{ms(1), ms(2), ms(10)}, {ms(12), ms(13), ms(14)}}}}, nil},
		"a newcomer is faster than who waits": {
			[][][]turn{{{{ms(1), ms(2), ms(10)}}, {{ms(5), ms(30), ms(31)}}, {{ms(11), ms(12), ms(20)}}}}, []float64{2, 10},
		},
		"who waits in vain waits":       {[][][]turn{{{{ms(1), ms(2), ms(10)}, {ms(12), ms(13), ms(14)}}, {{Waited: ms(3)}}}}, []float64{3}},
		"after the end nothing counts":  {[][][]turn{{{{ms(1), ms(2), ms(90)}}, {{ms(5), ms(101), ms(102)}}}}, nil},
		"processes play one contest":    {[][][]turn{{{{ms(1), ms(2), ms(10)}, {ms(11), ms(24), ms(30)}}}, {{{ms(5), ms(14), ms(20)}}}}, []float64{4, 4}},
		"a wait that begins at release": {[][][]turn{{{{ms(1), ms(2), ms(10)}}, {{ms(10), ms(14), ms(20)}}}}, []float64{4}},
	} {
		t.Run(name, func(t *testing.T) {
			got := timeline{time.Unix(0, 0), end, test.processes}.handOvers()
			if !slices.Equal(got, test.want) {
				t.Errorf("hand-overs of %v ms, want %v", got, test.want)
			}
		})
	}
}

func TestFiguresTellWhoStarvesAndWhoGetsLess(t *testing.T) {
	f := timeline{time.Unix(0, 0), time.Unix(0, ms(100)), [][][]turn{
		{{{ms(1), ms(2), ms(3)}, {ms(9), ms(10), ms(11)}, {ms(19), ms(20), ms(21)}}, {{Waited: ms(1)}}},
		{{{ms(1), ms(5), ms(6)}}},
	}}.figures()
	want := figures{mean: 5, p50: 4, p95: 9, spread: 4, starved: 1, least: 0.5}
	if f != want {
		t.Errorf("%+v, want %+v", f, want)
	}
}
