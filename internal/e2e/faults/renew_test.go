package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// TestMain is also the holder of TestAHolderThatIsStoppedBeyondItsLeaseStopsItsWork.
func TestMain(m *testing.M) {
	if addr := os.Getenv("OTELLOCK_TEST_HOLDER"); addr != "" {
		hold(addr)
		return
	}
	os.Exit(m.Run())
}

const renewedTTL = 3 * time.Second

// renewed is the wire's lock with a lease that is renewed every second, and that ends
// its work.
func (w *wire) renewed() otellock.Mutex {
	return w.mutex.With(otellock.WithTTL(renewedTTL), otellock.WithAutoExtend(time.Hour),
		otellock.WithFailClosed(true), otellock.WithFencing())
}

// renewedOnce waits until the lease lasts longer than it did.
func renewedOnce(t testing.TB, lease *otellock.Lease) {
	t.Helper()
	before := lease.Deadline()
	eventually(t, "it is renewed", func() bool { return lease.Deadline().After(before) })
}

func TestALeaseThatIsRenewedOutlastsItsTimeToLiveAndAFaultThatPasses(t *testing.T) {
	shared := sharedServer(t)
	for _, fault := range []struct {
		name   string
		server origin
		inject func(*wire)
		mend   func(*wire)
	}{
		{"none", shared, func(*wire) {}, func(*wire) {}},
		{"black hole", shared, blackHole, (*wire).heal},
		{"every reply lost", shared, everyReplyLost, (*wire).heal},
		{"reset", shared, reset, (*wire).heal},
		{"a server that hangs", own, func(w *wire) { w.server.Suspend() }, func(w *wire) { w.server.Resume() }},
		{"kill -9, and a server that keeps its keys", durable, killed, killedAndRestarted},
		{"the scripts are forgotten", shared, func(w *wire) { w.do("SCRIPT", "FLUSH") }, func(*wire) {}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, fault.server(t))
			// Long enough for a busy machine to mend the fault in time.
			m := w.renewed().With(otellock.WithTTL(4*renewedTTL), otellock.WithAttemptTimeout(time.Second))
			err := m.Do(t.Context(), func(ctx context.Context) error {
				lease := otellock.LeaseFromContext(ctx)
				failed := make(chan struct{})
				fault.inject(w)
				go func() { // until a renewal was due
					defer close(failed)
					deadline := lease.Deadline()
					eventually(t, "a third of the time to live is over", func() bool { return time.Until(deadline) < 7*renewedTTL/3 })
				}()
				<-failed
				fault.mend(w)
				renewedOnce(t, lease)
				if ctx.Err() != nil || !lease.Protected() {
					t.Errorf("%v, %v", lease, context.Cause(ctx))
				}
				if left := w.side.PTTL(t.Context(), w.key).Val(); left <= 0 || left < time.Until(lease.Deadline())-time.Second {
					t.Errorf("the server has it for %v, the holder for %v", left, lease.Remaining())
				}
				return nil
			})
			if err != nil {
				t.Errorf("Do: %v", err)
			}
			w.keyIsGone()
			w.drain()
			wantAtRest(t, w.seen)
		})
	}
}

// The work must be told before anybody else can start: while the key is still there.
func TestWorkIsToldBeforeAnotherCanStartWhenNoRenewalArrives(t *testing.T) {
	shared := sharedServer(t)
	for _, fault := range []struct {
		name      string
		server    origin
		inject    func(*wire)
		errorType string
	}{
		{"black hole", shared, blackHole, "timeout"},
		{"every request lost after it arrived", shared, everyReplyLost, "timeout"},
		{"refused", shared, refused, "connection_refused"},
		{"READONLY", own, demoted, "READONLY"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, fault.server(t))
			var left time.Duration
			err := w.renewed().Do(t.Context(), func(ctx context.Context) error {
				lease := otellock.LeaseFromContext(ctx)
				fault.inject(w)
				<-ctx.Done()
				left = time.Until(lease.Deadline())
				return context.Cause(ctx)
			})
			var lost *otellock.Error
			if !errors.Is(err, otellock.ErrExpired) || !errors.As(err, &lost) || lost.Op != "lease" {
				t.Fatalf("Do: %v", err)
			}
			var renewal *otellock.Error
			if !errors.As(lost.Unwrap()[1], &renewal) || renewal.Type != fault.errorType {
				t.Errorf("the last renewal's error is %v, want %s", lost.Unwrap(), fault.errorType)
			}
			// Told an attempt timeout before the deadline, give or take a busy machine.
			if left > attemptTimeout || left < -slack {
				t.Errorf("told %v before its deadline", left)
			}
			w.drainInFault()
			got := w.seen.Attempts(t)
			if got[attempt{"release", "release_error", "expired", "closed"}] != 1 || got[attempt{"extend", "extend_error", fault.errorType, "closed"}] == 0 {
				t.Errorf("counted %v", got)
			}
			warned := map[string]int{}
			for _, r := range w.seen.Warnings() {
				warned[fmt.Sprint(r["lock.action"], " ", r["error.type"])]++
			}
			if warned["release_error expired"] != 1 || len(warned) != 2 {
				t.Errorf("warned %v", warned)
			}
			wantAtRest(t, w.seen)
		})
	}
}

func TestARenewalThatFindsTheLeaseGoneStopsTheWork(t *testing.T) {
	shared := sharedServer(t)
	for _, loss := range []struct {
		name      string
		server    origin
		inject    func(*wire)
		errorType string
		sentinel  error
	}{
		{"FLUSHALL", own, flushed, "lost", otellock.ErrLost},
		{"kill -9, and a server that forgets", own, killedAndRestarted, "lost", otellock.ErrLost},
		{"another's value", shared, stolen, "stolen", otellock.ErrStolen},
	} {
		t.Run(loss.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, way way, policy string) {
				w := newWire(t, loss.server(t))
				// Ended by the loss, also where the lock fails open.
				m := w.renewed().With(otellock.WithFailClosed(policies[policy]), otellock.WithCancelOnLoss(true),
					otellock.WithTTL(4*renewedTTL), otellock.WithAttemptTimeout(4*renewedTTL/3))
				var cause error
				err, released := way.run(t.Context(), m, func(_ context.Context, lease *otellock.Lease) error {
					loss.inject(w)
					<-lease.Context().Done()
					cause = context.Cause(lease.Context())
					return cause
				})
				wantError(t, cause, loss.sentinel, "extend", loss.errorType)
				if err != cause {
					t.Errorf("returned %v, want the cause alone", err)
				}
				if way.handle {
					wantError(t, released, loss.sentinel, "release", loss.errorType)
				}
				w.drain()
				wantAttempts(t, w.seen, attempt{"acquire", "acquired"}, attempt{"extend", "extend_error", loss.errorType, "closed"},
					attempt{"release", "release_error", loss.errorType, policy})
				if n := len(w.seen.Warnings()); n != 1 {
					t.Errorf("%d warnings, want one", n)
				}
				wantAtRest(t, w.seen)
			})
		})
	}
}

// hold is a process that holds a renewed lease until its work is told to stop.
func hold(addr string) {
	options := redisbackend.Options(addr)
	options.Password = password
	backend, err := redisbackend.New(redis.NewClient(options))
	if err != nil {
		panic(err)
	}
	locker, err := otellock.New(backend, otellock.WithFailClosed(true), otellock.WithTTL(renewedTTL),
		otellock.WithAutoExtend(time.Hour), otellock.WithFencing())
	if err != nil {
		panic(err)
	}
	err = locker.UndeclaredMutex("lock:stopped").Do(context.Background(), func(ctx context.Context) error {
		fence, _ := otellock.LeaseFromContext(ctx).Fence()
		fmt.Println("holds", fence)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	fmt.Println("ended", errors.Is(err, otellock.ErrExpired) || errors.Is(err, otellock.ErrStolen), err)
}

// A process that was stopped cannot be prevented from waking up. It is told at once,
// and its fence is below that of who came after.
func TestAHolderThatIsStoppedBeyondItsLeaseStopsItsWork(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.CommandContext(t.Context(), program)
	holder.Env = append(os.Environ(), "OTELLOCK_TEST_HOLDER="+server.Addr)
	holder.Stderr = os.Stderr
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Process.Kill() }()
	lines := bufio.NewScanner(out)
	next := func() string {
		lines.Scan()
		return lines.Text()
	}
	var its uint64
	if _, err := fmt.Sscanf(next(), "holds %d", &its); err != nil {
		t.Fatal(err)
	}

	if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w := newWire(t, server, otellock.WithFencing())
	m := w.locker.UndeclaredMutex("lock:stopped").With(otellock.WithFencing(), otellock.WithFailClosed(true), otellock.WithWait(time.Minute))
	lease, err := m.Lock(t.Context()) // once its time to live has passed
	if err != nil {
		t.Fatal(err)
	}
	if mine, ok := lease.Fence(); !ok || mine <= its {
		t.Errorf("the fence is %d, %t, after %d", mine, ok, its)
	}
	if err := holder.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if said := next(); !strings.HasPrefix(said, "ended true") {
		t.Errorf("the holder says %q", said)
	}
	_ = holder.Wait()
	if err := lease.Release(t.Context()); err != nil {
		t.Errorf("the one who came after: %v", err)
	}
	w.drain()
}

// A failover may lose the lease or not. What must not be is a holder who believes in
// a lease that the new master does not have.
func TestARenewedLeaseSurvivesAFailoverOrItsWorkIsTold(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	rdb := s.Client(func(o *redis.FailoverOptions) { o.ContextTimeoutEnabled = true })
	backend, err := redisbackend.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	const ttl = 20 * time.Second // longer than a failover takes
	locker, err := otellock.New(backend, newTelemetry().Options(otellock.WithTTL(ttl), otellock.WithAutoExtend(time.Hour),
		otellock.WithFailClosed(true), otellock.WithAttemptTimeout(time.Second), otellock.WithFencing())...)
	if err != nil {
		t.Fatal(err)
	}
	side := s.Replica.Client()
	var fence uint64
	err = locker.UndeclaredMutex("lock:failover").Do(t.Context(), func(ctx context.Context) error {
		lease := otellock.LeaseFromContext(ctx)
		fence, _ = lease.Fence()
		s.Master.Kill()
		before := lease.Deadline()
		eventually(t, "it is renewed on the new master, or lost", func() bool {
			return ctx.Err() != nil || lease.Deadline().After(before)
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if left := side.PTTL(t.Context(), "lock:failover").Val(); left <= 0 || left < lease.Remaining()-time.Second {
			t.Errorf("the new master has it for %v, the holder for %v", left, lease.Remaining())
		}
		return nil
	})
	if err != nil && !errors.Is(err, otellock.ErrLost) && !errors.Is(err, otellock.ErrExpired) {
		t.Errorf("Do: %v", err)
	}
	eventually(t, "the new master grants, with a higher fence", func() bool {
		var after uint64
		ran, err := locker.UndeclaredMutex("lock:failover").TryDo(t.Context(), func(ctx context.Context) error {
			after, _ = otellock.LeaseFromContext(ctx).Fence()
			return nil
		})
		if ran && after <= fence {
			t.Errorf("fence %d after %d", after, fence)
		}
		return ran && err == nil
	})
	closing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := locker.Close(closing); err != nil {
		t.Errorf("Close: %v", err)
	}
}
