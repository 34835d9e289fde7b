package main

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// outage prints what a call costs while Redis is not there, and how soon the first
// one succeeds when it is back.
func outage(ctx context.Context, s *server) error {
	title("Outage: what a call costs", "Redis", "lock", "p50 ÷ go-redis", "p50 µs", "p95 µs", "CPU µs a call", "first success after, ms")
	for _, way := range []struct {
		name       string
		calls      int
		begin, end func() error
	}{
		{"refused", 2000, func() error { s.kill(); return nil }, s.start},
		{"black hole", 40, func() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }, func() error { return s.cmd.Process.Signal(syscall.SIGCONT) }},
	} {
		all, err := callers(s.addr, telemetries[0])
		if err != nil {
			return err
		}
		var bare float64
		for _, c := range all {
			p50, p95, cpu, back, err := c.meets(ctx, way.calls, way.begin, way.end)
			c.stop()
			if err != nil {
				return fmt.Errorf("%s, %s: %w", way.name, c.name, err)
			}
			if c.name == "go-redis" {
				bare = p50
			}
			row(way.name, c.name, fmt.Sprintf("%.4g", p50/bare), fmt.Sprintf("%.1f", p50), fmt.Sprintf("%.1f", p95), fmt.Sprintf("%.1f", cpu), fmt.Sprintf("%.0f", back))
		}
	}
	fmt.Println()
	return nil
}

// meets lets the caller meet an outage.
func (c caller) meets(ctx context.Context, calls int, begin, end func() error) (p50, p95, cpuTime, back float64, err error) {
	call := func(i int) error {
		ctx := ctx
		if !c.bounded {
			var cancel func()
			ctx, cancel = context.WithTimeout(ctx, patience)
			defer cancel()
		}
		return c.once(ctx, fmt.Sprint("peers:", c.name, ":", i))
	}
	for i := range 20 { // connects
		if err := call(i); err != nil {
			return 0, 0, 0, 0, err
		}
	}
	if err := begin(); err != nil {
		return 0, 0, 0, 0, err
	}
	took, before, begun := make([]float64, 0, calls), cpu(), time.Now()
	for len(took) < calls && (len(took) < 5 || time.Since(begun) < 15*time.Second) { // some wait through a refusal, too
		start := time.Now()
		if err := call(len(took)); err == nil {
			return 0, 0, 0, 0, fmt.Errorf("call %d succeeded in the outage", len(took))
		}
		took = append(took, float64(time.Since(start).Nanoseconds())/1e3)
	}
	cpuTime = float64(cpu()-before) / 1e3 / float64(len(took))
	slices.Sort(took)
	if err := end(); err != nil {
		return 0, 0, 0, 0, err
	}
	start := time.Now()
	for i := 0; call(calls+i) != nil; i++ {
		if time.Since(start) > 30*time.Second {
			return 0, 0, 0, 0, fmt.Errorf("no success in %v", time.Since(start))
		}
		time.Sleep(time.Millisecond)
	}
	return took[len(took)/2], took[len(took)*95/100], cpuTime, time.Since(start).Seconds() * 1e3, nil
}

// cpu returns the processor time of this process in nanoseconds.
func cpu() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
