package otellock_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/otellock/otellock-go/internal/locktest"
)

func TestWhatHappensAlways(t *testing.T) {
	for _, sc := range locktest.Scenes {
		t.Run(sc.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sc.Perform(t, newTelemetry())
				if s.Ran != sc.Ran {
					t.Errorf("fn ran %d times, want %d", s.Ran, sc.Ran)
				}
				if len(sc.Is) == 0 && s.Err != nil {
					t.Errorf("returned %v, want nil", s.Err)
				}
				for _, want := range sc.Is {
					if !errors.Is(s.Err, want) {
						t.Errorf("returned %v, which is not %v", s.Err, want)
					}
				}
				for _, not := range sc.Not {
					if errors.Is(s.Err, not) {
						t.Errorf("returned %v, which is %v", s.Err, not)
					}
				}
				if got := s.Tel.Attempts(t); !maps.Equal(got, sc.Counted) {
					t.Errorf("counted\n%v\nwant\n%v", got, sc.Counted)
				}
				var warned []string
				for _, w := range s.Tel.Warnings() {
					warned = append(warned, w["lock.action"].(string)+" "+w["error.type"].(string))
				}
				if !slices.Equal(warned, sc.Warned) {
					t.Errorf("warned %q, want %q", warned, sc.Warned)
				}
				if held := s.Tel.Total(t, "lock.held"); held != 0 {
					t.Errorf("lock.held = %d at the end", held)
				}
				if waiting := s.Tel.Total(t, "lock.waiting"); waiting != 0 {
					t.Errorf("lock.waiting = %d at the end", waiting)
				}
				if sc.Check != nil {
					sc.Check(s)
				}
			})
		})
	}
}
