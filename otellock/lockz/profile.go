package lockz

import (
	"runtime"
	"time"

	"github.com/google/pprof/profile"

	"github.com/otellock/otellock-go/internal/live"
)

// waitProfile returns what waiting has cost since the start, in the shape of the
// mutex profile of package runtime: contentions, and the nanoseconds that they took.
func waitProfile() *profile.Profile {
	costs, since := live.Costs()
	p := &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "contentions", Unit: "count"}, {Type: "delay", Unit: "nanoseconds"}},
		DefaultSampleType: "delay",
		PeriodType:        &profile.ValueType{Type: "contentions", Unit: "count"},
		Period:            1,
		TimeNanos:         since.UnixNano(),
		DurationNanos:     int64(time.Since(since)),
	}
	b := builder{profile: p, locations: map[uintptr]*profile.Location{}, functions: map[string]*profile.Function{}}
	for _, c := range costs {
		p.Sample = append(p.Sample, &profile.Sample{
			Location: b.stack(c.Stack),
			Value:    []int64{c.Contentions, int64(c.Delay)},
			Label:    map[string][]string{"lock.target": {c.Target}},
		})
	}
	return p
}

// A builder makes the locations and functions that the samples share.
type builder struct {
	profile   *profile.Profile
	locations map[uintptr]*profile.Location
	functions map[string]*profile.Function
}

// stack returns the locations of a stack, the innermost first. One location has as
// many lines as functions were inlined there.
func (b *builder) stack(pcs []uintptr) (stack []*profile.Location) {
	for _, pc := range pcs {
		l := b.locations[pc]
		if l == nil {
			l = &profile.Location{ID: uint64(len(b.locations) + 1), Address: uint64(pc)}
			frames := runtime.CallersFrames([]uintptr{pc})
			for more := true; more; {
				var f runtime.Frame
				f, more = frames.Next()
				l.Line = append(l.Line, profile.Line{Function: b.function(f), Line: int64(f.Line)})
			}
			b.locations[pc] = l
			b.profile.Location = append(b.profile.Location, l)
		}
		stack = append(stack, l)
	}
	return stack
}

func (b *builder) function(f runtime.Frame) *profile.Function {
	known := b.functions[f.Function]
	if known == nil {
		known = &profile.Function{ID: uint64(len(b.functions) + 1), Name: f.Function, SystemName: f.Function, Filename: f.File}
		b.functions[f.Function] = known
		b.profile.Function = append(b.profile.Function, known)
	}
	return known
}
