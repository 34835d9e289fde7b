package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// spending is what a caller's calls have cost so far. CPU and allocations are those
// of the whole process while it has its turn.
type spending struct {
	took        []float64 // µs
	cpu, allocs float64   // µs, number
	commands    float64   // that clients send, a call
}

// uncontended prints what it costs to take a free key and to release it.
func uncontended(ctx context.Context, s *server) error {
	const turns = 100 // a round
	title("Uncontended: an acquire and a release of a free key",
		"telemetry", "lock", "p50 ÷ go-redis", "CPU ÷ go-redis", "p50 µs", "CPU µs", "allocs", "commands")
	for _, t := range telemetries {
		all, err := callers(s.addr, t)
		if err != nil {
			return err
		}
		spent := make([]spending, len(all))
		for i, c := range all {
			if spent[i].commands, err = c.commands(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		for range turns * *rounds {
			for i, c := range all {
				if err := c.spend(ctx, &spent[i]); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
			}
		}
		p50, cpu := make([]float64, len(all)), make([]float64, len(all))
		for i, c := range all {
			calls := spent[i].took
			slices.Sort(calls)
			n := float64(len(calls))
			p50[i], cpu[i] = calls[len(calls)/2], spent[i].cpu/n
			row(t.name, c.name, p50[i]/p50[0], cpu[i]/cpu[0], fmt.Sprintf("%.1f", p50[i]), fmt.Sprintf("%.1f", cpu[i]),
				fmt.Sprintf("%.0f", spent[i].allocs/n), spent[i].commands)
			c.stop()
		}
	}
	fmt.Println()
	return nil
}

// spend is a turn: some calls, so that what they leave to other goroutines falls into
// it too.
func (c caller) spend(ctx context.Context, s *spending) error {
	const calls = 20
	key := "peers:" + c.name
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpuBefore := cpu()
	for range calls {
		start := time.Now()
		if err := c.once(ctx, key); err != nil {
			return err
		}
		s.took = append(s.took, float64(time.Since(start).Nanoseconds())/1e3)
	}
	s.cpu += float64(cpu()-cpuBefore) / 1e3
	runtime.ReadMemStats(&after)
	s.allocs += float64(after.Mallocs - before.Mallocs)
	return nil
}

// commands returns how many commands the client sends in a call, once it is
// connected and the server knows the scripts.
func (c caller) commands(ctx context.Context, s *server) (float64, error) {
	const calls = 100
	call := func() error {
		for range calls {
			if err := c.once(ctx, "peers:"+c.name); err != nil {
				return err
			}
		}
		return nil
	}
	if err := call(); err != nil {
		return 0, err
	}
	m, err := s.monitor()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := call(); err != nil {
		return 0, err
	}
	n, err := m.between(ctx, begin, time.Now())
	return float64(n) / calls, err
}
