package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A fleet is the replicas, each a process of this program.
type fleet struct {
	plan
	clocks   []time.Duration
	replicas []*process
	says     chan saying
}

type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // the process ends with it
}

// A saying is a line that a replica printed.
type saying struct {
	replica int // from 1
	line    string
}

func startFleet(ctx context.Context, p plan, clocks []time.Duration) (*fleet, error) {
	f := &fleet{plan: p, clocks: clocks, replicas: make([]*process, len(clocks)), says: make(chan saying, 100)}
	for i := range clocks {
		if err := f.start(i); err != nil {
			f.stop()
			return nil, err
		}
	}
	for range clocks {
		select {
		case <-f.says: // ready
		case <-ctx.Done():
			f.stop()
			return nil, ctx.Err()
		}
	}
	return f, nil
}

func (f *fleet) start(i int) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, "-replica", strconv.Itoa(i+1), "-ahead", f.clocks[i].String(), "-period", f.period.String(),
		"-skew", f.skew.String(), "-job", f.job.String(), "-gocron="+strconv.FormatBool(f.useGocron))
	cmd.Env = append(os.Environ(), "REDIS_ADDR="+f.redis)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	f.replicas[i] = &process{cmd, stdin}
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			f.says <- saying{i + 1, lines.Text()}
		}
	}()
	return nil
}

// kill ends a replica as a machine that fails does.
func (f *fleet) kill(i int) {
	_ = f.replicas[i].cmd.Process.Kill()
	_ = f.replicas[i].cmd.Wait()
}

// stop lets every replica end by itself.
func (f *fleet) stop() {
	for _, p := range f.replicas {
		if p != nil {
			_ = p.stdin.Close()
		}
	}
	for _, p := range f.replicas {
		if p != nil {
			_ = p.cmd.Wait()
		}
	}
}

// watch checks that each schedule runs once. Whoever has run every second one is
// killed right after its job, and starts again at once.
func (f *fleet) watch(ctx context.Context, out io.Writer, schedules int) error {
	// The first schedule that all replicas can come to, and when the slowest clock
	// has passed the last one.
	first := time.Now().Add(f.skew).Truncate(f.period).Add(f.period)
	last := first.Add(time.Duration(schedules-1) * f.period)
	end := time.After(time.Until(last.Add(f.period - f.skew - f.grace()/2)))
	ran := map[int64][]string{}
	for over := false; !over; {
		select {
		case s := <-f.says:
			word, at, _ := strings.Cut(s.line, " ")
			if word != "ran" {
				continue
			}
			ms, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				return fmt.Errorf("replica %d says %q", s.replica, s.line)
			}
			ran[ms] = append(ran[ms], strconv.Itoa(s.replica))
			schedule := time.UnixMilli(ms)
			fmt.Fprintf(out, "  %s  replica %d", schedule.Format("15:04:05.0"), s.replica)
			if nth := schedule.Sub(first) / f.period; nth%2 == 1 {
				fmt.Fprint(out, ", then killed and started again")
				sleep(ctx, 2*f.job)
				f.kill(s.replica - 1)
				if err := f.start(s.replica - 1); err != nil {
					return err
				}
			}
			fmt.Fprintln(out)
		case <-end:
			over = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	once := 0
	for at := first; !at.After(last); at = at.Add(f.period) {
		if who := ran[at.UnixMilli()]; len(who) != 1 {
			fmt.Fprintf(out, "  %s  ran %d times, by replicas [%s]\n", at.Format("15:04:05.0"), len(who), strings.Join(who, " "))
			continue
		}
		once++
	}
	fmt.Fprintf(out, "%d schedules, %d ran once.\n\n", schedules, once)
	if once != schedules {
		return fmt.Errorf("%d schedules did not run once", schedules-once)
	}
	return nil
}
