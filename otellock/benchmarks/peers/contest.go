package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A contest is waiters of one key, who take it in turns for a while: in one client,
// in a client each, or in several processes with a client each. After a turn a
// waiter pauses for another's turn and a bit, and then waits again.
type contest struct {
	Lock       string
	Addr, Key  string
	Processes  int
	Clients    int // of a process
	Waiters    int // of a client
	Hold       time.Duration
	Begin, End time.Time // of what is measured
}

// The waiters begin a while before what is measured, so that it has nothing of
// processes that start and connections that open.
const warmUp = time.Second

// compete is what one process does of a contest.
func (c contest) compete(ctx context.Context) ([][]turn, error) {
	ctx, cancel := context.WithDeadline(ctx, c.End.Add(2*time.Second)) // rueidislock may wait for ever
	defer cancel()
	m, err := makerOf(c.Lock)
	if err != nil {
		return nil, err
	}
	n := c.Clients * c.Waiters
	turns, errs := make([][]turn, n), make([]error, n)
	var group sync.WaitGroup
	for client := range c.Clients {
		take, stop, err := m.make(c.Addr)
		if err != nil {
			return nil, err
		}
		defer stop()
		for i := range c.Waiters {
			who := client*c.Waiters + i
			group.Go(func() { turns[who], errs[who] = c.wait(ctx, take) })
		}
	}
	group.Wait()
	return turns, errors.Join(errs...)
}

// wait is what one waiter does.
func (c contest) wait(ctx context.Context, take lock) (turns []turn, err error) {
	for time.Now().Before(c.End) {
		t := turn{Waited: time.Now().UnixNano()}
		release, err := take(ctx, c.Key)
		over := time.Now().After(c.End)
		switch {
		case err != nil && over:
			return append(turns, t), nil
		case err != nil:
			return nil, err
		case over: // the others want to leave, too
			return append(turns, t), release()
		}
		t.Granted = time.Now().UnixNano()
		time.Sleep(c.Hold)
		t.Released = time.Now().UnixNano()
		turns = append(turns, t)
		if err := release(); err != nil && time.Now().Before(c.End) {
			return nil, err
		}
		time.Sleep(c.Hold + time.Millisecond)
	}
	return turns, nil
}

// runMember is one of several processes.
func runMember(ctx context.Context, task string) error {
	var c contest
	if err := json.Unmarshal([]byte(task), &c); err != nil {
		return err
	}
	turns, err := c.compete(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(turns)
}

// play plays the contest to its end.
func (c contest) play(ctx context.Context, lasts time.Duration) (timeline, error) {
	c.Begin = time.Now().Add(warmUp)
	c.End = c.Begin.Add(lasts)
	t := timeline{c.Begin, c.End, make([][][]turn, c.Processes)}
	if c.Processes == 1 {
		turns, err := c.compete(ctx)
		t.Processes[0] = turns
		return t, err
	}
	task, err := json.Marshal(c)
	if err != nil {
		return t, err
	}
	errs := make([]error, c.Processes)
	var group sync.WaitGroup
	for i := range c.Processes {
		group.Go(func() {
			out, err := exec.CommandContext(ctx, os.Args[0], "-member", string(task)).Output()
			if err == nil {
				err = json.Unmarshal(out, &t.Processes[i])
			}
			errs[i] = err
		})
	}
	group.Wait()
	return t, errors.Join(errs...)
}

// counted plays it with a monitor, for the commands only: that slows the server.
func (c contest) counted(ctx context.Context, s *server, lasts time.Duration) (float64, error) {
	m, err := s.monitor()
	if err != nil {
		return 0, err
	}
	t, err := c.play(ctx, lasts)
	if err != nil {
		return 0, err
	}
	n, err := m.between(ctx, t.Begin, t.End)
	return float64(n) / float64(max(t.grants(), 1)), err
}

// handOver prints how long a lock is nobody's between a release and the next grant.
func handOver(ctx context.Context, s *server) error {
	title("Hand-over: from a release to the next grant",
		"waiters", "hold", "lock", "mean ÷ rueidislock", "mean ms", "p50", "p95", "commands", "max/min wait", "starved", "least share")
	for _, shape := range []struct {
		name                        string
		processes, clients, waiters int
	}{
		{"2, one client", 1, 1, 2}, {"16, one client", 1, 1, 16}, {"64, one client", 1, 1, 64},
		{"2, a client each", 1, 2, 1}, {"16, a client each", 1, 16, 1}, {"64, a client each", 1, 64, 1},
		{"4 processes of 16", 4, 1, 16},
	} {
		if !strings.Contains(shape.name, *waiters) {
			continue
		}
		for _, hold := range []time.Duration{time.Millisecond, 10 * time.Millisecond} {
			c := contest{Addr: s.addr, Processes: shape.processes, Clients: shape.clients, Waiters: shape.waiters, Hold: hold}
			all := c.Processes * c.Clients * c.Waiters
			lasts := max(time.Second, time.Duration(3*all)*hold)
			measured, commands := map[string][]figures{}, map[string]float64{}
			for round := range *rounds {
				for _, m := range makers {
					c.Lock, c.Key = m.name, fmt.Sprint("peers:", m.name, shape.name, hold, round)
					t, err := c.play(ctx, lasts)
					if err != nil {
						return fmt.Errorf("%s, %s: %w", shape.name, m.name, err)
					}
					measured[m.name] = append(measured[m.name], t.figures())
					if round > 0 {
						continue
					}
					c.Key += ":counted"
					if commands[m.name], err = c.counted(ctx, s, lasts); err != nil {
						return fmt.Errorf("%s, %s: %w", shape.name, m.name, err)
					}
				}
			}
			mean := func(f figures) float64 { return f.mean }
			peer := median(measured["rueidislock"], mean)
			for _, m := range makers {
				fs := measured[m.name]
				row(shape.name, hold, m.name, median(fs, mean)/peer, median(fs, mean),
					median(fs, func(f figures) float64 { return f.p50 }), median(fs, func(f figures) float64 { return f.p95 }), commands[m.name],
					median(fs, func(f figures) float64 { return f.spread }), median(fs, func(f figures) float64 { return f.starved }),
					median(fs, func(f figures) float64 { return f.least }))
			}
		}
	}
	fmt.Println()
	return nil
}
