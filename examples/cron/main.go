// Cron runs a job on a schedule in three replicas, each a process with a clock of
// its own, and each schedule runs once: whoever comes first does the job, and keeps
// the lock until the others have come as well. One replica at a time is killed and
// started again meanwhile.
//
//	go run ./examples/cron                  # two minutes; an embedded Redis
//	go run ./examples/cron -gocron          # scheduled by github.com/go-co-op/gocron/v2
//	REDIS_ADDR=localhost:6379 go run ./examples/cron
//
// The rule: the lock has to stay busy until the slowest clock has reached the
// schedule, and to be free when the fastest clock reaches the next one. With clocks
// that differ by skew at most, for [otellock.WithMinHold](d):
//
//	skew < d < period - skew
//
// d in the middle leaves the same slack to both sides: for replicas that are late
// because their machine is busy, and for clocks that drift further. The time to live
// is d as well, so that a replica that is killed in its job blocks nobody longer: a
// job that takes longer than d is renewed. The lock fails closed, because a job that
// runs twice is worse than one that runs late. What the lock cannot give back is a
// job whose replica dies in the middle: it runs at most once.
//
// A report follows, which takes longer than its lease lives: it is renewed while it
// works, and stops by itself when somebody takes the lease away.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// A plan is what all replicas have in common.
type plan struct {
	redis     string
	period    time.Duration
	skew      time.Duration // between the fastest clock and the slowest
	job       time.Duration
	useGocron bool
}

// hold is d of the rule.
func (p plan) hold() time.Duration { return p.period / 2 }

// grace is how late a replica may be without running a schedule a second time.
func (p plan) grace() time.Duration { return p.hold() - p.skew }

func (p plan) check() error {
	if p.skew >= p.hold() || p.hold() >= p.period-p.skew {
		return fmt.Errorf("clocks that differ by %v are too far apart for a period of %v: it has to be more than twice that", p.skew, p.period)
	}
	return nil
}

func main() {
	var p plan
	flag.DurationVar(&p.period, "period", 15*time.Second, "time between two schedules")
	flag.DurationVar(&p.skew, "skew", 5*time.Second, "by how much the third clock is ahead of the first; the second is 200ms ahead")
	flag.DurationVar(&p.job, "job", 50*time.Millisecond, "how long the job takes")
	flag.BoolVar(&p.useGocron, "gocron", false, "let gocron schedule the job")
	schedules := flag.Int("schedules", 7, "how many schedules to watch")
	number := flag.Int("replica", 0, "be this replica; set by the program itself")
	ahead := flag.Duration("ahead", 0, "of a replica: by how much its clock is ahead")
	flag.Parse()
	p.redis = os.Getenv("REDIS_ADDR")

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logging.Disable() // go-redis would print every failed dial
	run := func(ctx context.Context) error { return show(ctx, os.Stdout, p, *schedules) }
	if *number > 0 {
		run = func(ctx context.Context) error { return replica{p, *ahead}.run(untilEOF(ctx)) }
	}
	if err := p.check(); err != nil {
		fmt.Fprintln(os.Stderr, "cron:", err)
		os.Exit(2)
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "cron:", err)
		os.Exit(1)
	}
}

// show watches the replicas over some schedules, and then the report.
func show(ctx context.Context, out io.Writer, p plan, schedules int) error {
	if p.redis == "" {
		addr, stop, err := startRedis(ctx)
		if err != nil {
			return err
		}
		defer stop()
		p.redis = addr
	}
	clocks := []time.Duration{0, 200 * time.Millisecond, p.skew}
	fmt.Fprintf(out, "A job every %v in %d replicas, whose clocks are %v, %v and %v ahead. The lock is kept for %v.\n",
		p.period, len(clocks), clocks[0], clocks[1], clocks[2], p.hold())
	fmt.Fprintf(out, "%d schedules take about %v.\n", schedules, p.period*time.Duration(schedules+1))
	f, err := startFleet(ctx, p, clocks)
	if err != nil {
		return err
	}
	err = f.watch(ctx, out, schedules)
	f.stop()
	if err != nil {
		return err
	}
	return report(ctx, out, p.redis)
}

// connect returns a Locker, and a function that closes it and its client.
func connect(addr string, opts ...otellock.Option) (*otellock.Locker, *redis.Client, func(), error) {
	rdb := redis.NewClient(redisbackend.Options(addr))
	backend, err := redisbackend.New(rdb)
	if err != nil {
		return nil, nil, nil, err
	}
	locker, err := otellock.New(backend, opts...)
	if err != nil {
		return nil, nil, nil, err
	}
	return locker, rdb, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = locker.Close(ctx) // what is left is a warning cut short
		_ = rdb.Close()
	}, nil
}
