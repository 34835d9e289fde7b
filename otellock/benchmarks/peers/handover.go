package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// A contest is waiters of one key, who take it in turns for a while: in one client,
// in a client each, or in several processes with a client each. After a turn a
// waiter pauses for another's turn and a bit, and then waits again.
type contest struct {
	Lock      string
	Addr, Key string
	Board     string // a file that the processes share
	Processes int
	Clients   int // of a process
	Waiters   int // of a client
	Hold      time.Duration
	Lasts     time.Duration
}

// A result is what became of it.
type result struct {
	HandOvers []float64   // release to next grant, ms
	Turns     [][]int     // by process and waiter
	Waits     [][]float64 // the mean wait of each waiter, ms
	Commands  float64     // for a hand-over
}

// The board is shared memory: when the lock was last released while somebody waited
// for it, how many wait, and when the contest ends.
type board struct{ released, waiting, end *atomic.Int64 }

func openBoard(path string) (board, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return board{}, err
	}
	defer f.Close()
	if err := f.Truncate(24); err != nil {
		return board{}, err
	}
	m, err := syscall.Mmap(int(f.Fd()), 0, 24, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return board{}, err
	}
	at := func(i int) *atomic.Int64 { return (*atomic.Int64)(unsafe.Pointer(&m[8*i])) }
	return board{at(0), at(1), at(2)}, nil
}

// compete is what one process does of a contest.
func (c contest) compete(ctx context.Context) (result, error) {
	board, err := openBoard(c.Board)
	if err != nil {
		return result{}, err
	}
	end := time.Unix(0, board.end.Load())
	ctx, cancel := context.WithDeadline(ctx, end.Add(2*time.Second)) // rueidislock may wait for ever
	defer cancel()
	m, err := makerOf(c.Lock)
	if err != nil {
		return result{}, err
	}
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	all := c.Clients * c.Waiters
	r := result{Turns: [][]int{make([]int, all)}, Waits: [][]float64{make([]float64, all)}}
	for client := range c.Clients {
		take, stop, err := m.make(c.Addr)
		if err != nil {
			return result{}, err
		}
		defer stop()
		for i := range c.Waiters {
			group.Go(func() {
				who := client*c.Waiters + i
				waited := time.Duration(0)
				for time.Now().Before(end) {
					start := time.Now()
					board.waiting.Add(1)
					release, err := take(ctx, c.Key)
					board.waiting.Add(-1)
					now := time.Now()
					if err != nil && now.After(end) {
						break
					}
					if err != nil {
						mu.Lock()
						failed = errors.Join(failed, err)
						mu.Unlock()
						return
					}
					before := board.released.Swap(0)
					if now.Before(end) && before > 0 {
						mu.Lock()
						r.HandOvers = append(r.HandOvers, float64(now.UnixNano()-before)/1e6)
						mu.Unlock()
					}
					r.Turns[0][who]++
					waited += now.Sub(start)
					time.Sleep(c.Hold)
					if board.waiting.Load() > 0 {
						board.released.Store(time.Now().UnixNano())
					}
					if err := release(); err != nil && time.Now().Before(end) {
						mu.Lock()
						failed = errors.Join(failed, err)
						mu.Unlock()
						return
					}
					time.Sleep(c.Hold + time.Millisecond)
				}
				if n := r.Turns[0][who]; n > 0 {
					r.Waits[0][who] = waited.Seconds() * 1e3 / float64(n)
				}
			})
		}
	}
	group.Wait()
	return r, failed
}

// runMember is one of several processes.
func runMember(task string) error {
	var c contest
	if err := json.Unmarshal([]byte(task), &c); err != nil {
		return err
	}
	r, err := c.compete(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// play plays the contest to its end.
func (c contest) play(ctx context.Context, s *server) (result, error) {
	board, err := openBoard(c.Board)
	if err != nil {
		return result{}, err
	}
	board.released.Store(0)
	board.waiting.Store(0)
	board.end.Store(time.Now().Add(c.Lasts + 300*time.Millisecond).UnixNano())
	if c.Processes == 1 {
		return c.compete(ctx)
	}
	task, err := json.Marshal(c)
	if err != nil {
		return result{}, err
	}
	results, errs := make([]result, c.Processes), make([]error, c.Processes)
	var group sync.WaitGroup
	for i := range c.Processes {
		group.Go(func() {
			out, err := exec.Command(os.Args[0], "-member", string(task)).Output()
			if err == nil {
				err = json.Unmarshal(out, &results[i])
			}
			errs[i] = err
		})
	}
	group.Wait()
	var sum result
	for _, r := range results {
		sum.HandOvers = append(sum.HandOvers, r.HandOvers...)
		sum.Turns, sum.Waits = append(sum.Turns, r.Turns...), append(sum.Waits, r.Waits...)
	}
	return sum, errors.Join(errs...)
}

// counted plays it with a monitor, for the commands only: that slows the server.
func (c contest) counted(ctx context.Context, s *server) (float64, error) {
	m, err := s.monitor()
	if err != nil {
		return 0, err
	}
	r, err := c.play(ctx, s)
	n := m.stop()
	turns := 0
	for _, process := range r.Turns {
		for _, t := range process {
			turns += t
		}
	}
	return float64(n) / float64(max(turns, 1)), err
}

// figures are those of one row of the table.
type figures struct{ mean, p50, p95, commands, spread, starved, least float64 }

func (r result) figures() (f figures) {
	slices.Sort(r.HandOvers)
	if n := len(r.HandOvers); n > 0 {
		for _, ms := range r.HandOvers {
			f.mean += ms / float64(n)
		}
		f.p50, f.p95 = r.HandOvers[n/2], r.HandOvers[n*95/100]
	}
	f.commands = r.Commands
	shortest, longest, all := 0.0, 0.0, 0
	shares := make([]float64, len(r.Turns))
	for process, turns := range r.Turns {
		for who, n := range turns {
			all += n
			shares[process] += float64(n)
			if n == 0 {
				f.starved++
				continue
			}
			wait := r.Waits[process][who]
			longest = max(longest, wait)
			if shortest == 0 || wait < shortest {
				shortest = wait
			}
		}
	}
	if shortest > 0 {
		f.spread = longest / shortest
	}
	f.least = slices.Min(shares) * float64(len(shares)) / float64(max(all, 1))
	return f
}

// handOver prints how long a lock is nobody's between a release and the next grant.
func handOver(ctx context.Context, s *server) error {
	fmt.Println("## Hand-over: from a release to the next grant")
	fmt.Println()
	row("waiters", "hold", "lock", "mean ÷ rueidislock", "mean ms", "p50", "p95", "commands", "max/min wait", "starved", "least share")
	row("---", "---", "---", "---", "---", "---", "---", "---", "---", "---", "---")
	for _, shape := range []struct {
		name                        string
		processes, clients, waiters int
	}{
		{"2, one client", 1, 1, 2}, {"16, one client", 1, 1, 16}, {"64, one client", 1, 1, 64},
		{"2, a client each", 1, 2, 1}, {"16, a client each", 1, 16, 1}, {"64, a client each", 1, 64, 1},
		{"4 processes of 16", 4, 1, 16},
	} {
		for _, hold := range []time.Duration{time.Millisecond, 10 * time.Millisecond} {
			all := shape.processes * shape.clients * shape.waiters
			c := contest{Addr: s.addr, Board: s.dir + "/board", Processes: shape.processes, Clients: shape.clients, Waiters: shape.waiters,
				Hold: hold, Lasts: max(time.Second, time.Duration(4*all)*hold)}
			measured := map[string][]figures{}
			for round := range *rounds {
				for _, m := range makers {
					c.Lock, c.Key = m.name, fmt.Sprintf("peers:%s:%d:%v:%d", m.name, all, hold, round)
					r, err := c.play(ctx, s)
					if err != nil {
						return fmt.Errorf("%s, %s: %w", shape.name, m.name, err)
					}
					if round == 0 {
						if r.Commands, err = c.counted(ctx, s); err != nil {
							return err
						}
					}
					measured[m.name] = append(measured[m.name], r.figures())
				}
			}
			peer := median(measured["rueidislock"], func(f figures) float64 { return f.mean })
			for _, m := range makers {
				fs := measured[m.name]
				get := func(of func(figures) float64) float64 { return median(fs, of) }
				mean := get(func(f figures) float64 { return f.mean })
				row(shape.name, hold, m.name, mean/peer, mean,
					get(func(f figures) float64 { return f.p50 }), get(func(f figures) float64 { return f.p95 }), fs[0].commands,
					get(func(f figures) float64 { return f.spread }), get(func(f figures) float64 { return f.starved }),
					get(func(f figures) float64 { return f.least }))
			}
		}
	}
	fmt.Println()
	return nil
}

func median(fs []figures, of func(figures) float64) float64 {
	values := make([]float64, len(fs))
	for i, f := range fs {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
