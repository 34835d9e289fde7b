package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/semconv"
)

// A stage is what the acts play on.
type stage struct {
	*screen
	tracer  trace.Tracer
	seen    *capture
	attempt time.Duration // how long Redis may take to answer
}

const longestAttempt = 16 * time.Second

// patiently plays an act until it shows what it is about. On a starved machine
// Redis does not answer in time, and locks fail open: each further play gives it
// longer, and so do the acts that follow.
func (s *stage) patiently(ctx context.Context, play func() (shown bool)) bool {
	for !play() {
		if ctx.Err() != nil || s.attempt*4 > longestAttempt {
			return false
		}
		s.attempt *= 4
		s.say(warned, "   ", fmt.Sprintf("This machine is busy: again, with an attempt timeout of %v.", s.attempt))
	}
	return true
}

// options are the lock's own defaults, all of them longer where the attempt
// timeout had to be.
func (s *stage) options() []otellock.LockOption {
	return []otellock.LockOption{otellock.WithAttemptTimeout(s.attempt), otellock.WithTTL(40 * s.attempt), otellock.WithWait(s.wait())}
}

func (s *stage) wait() time.Duration { return 12 * s.attempt }

// put plays a request that works under the lock, and returns its HTTP status and its
// trace.
func (s *stage) put(ctx context.Context, route string, m otellock.Mutex, work func(ctx context.Context)) (status int, id trace.TraceID) {
	ctx, span := s.tracer.Start(ctx, "PUT "+route)
	defer span.End()
	err := m.Do(ctx, func(ctx context.Context) error {
		work(ctx)
		return nil
	})
	status = http.StatusOK
	switch {
	case errors.Is(err, otellock.ErrContended):
		status = http.StatusConflict
	case err != nil:
		status = http.StatusServiceUnavailable
	}
	span.SetAttributes(otelconv.HTTPResponseStatusCode(status))
	return status, span.SpanContext().TraceID()
}

func (s *stage) work(ctx context.Context, d time.Duration) {
	_, span := s.tracer.Start(ctx, "work")
	defer span.End()
	pause(ctx, d)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func protected(ctx context.Context) bool { return otellock.LeaseFromContext(ctx).Protected() }

// contention is many requests for few projects, one that gives up, and one that
// does not wait.
func (s *stage) contention(ctx context.Context, projects *otellock.Target) {
	const requests, keys = 40, 3
	s.heading("1  CONTENTION", fmt.Sprintf("%d PUTs at once, for %d projects", requests, keys))
	var longest trace.TraceID
	s.patiently(ctx, func() bool {
		c := crowd{stage: s, projects: projects, statuses: map[int]int{}, types: map[string]int{}}
		c.play(ctx, requests, keys)
		c.print()
		longest = c.longest
		return c.alone()
	})
	if s.seen.has(longest, semconv.LockOutcomeAcquired) {
		s.say(plain, "   ", "The one that waited the longest:")
		s.printTrace(s.seen, longest, toCommands)
	}

	var refused, skipped trace.TraceID
	shown := s.patiently(ctx, func() (shown bool) {
		busy := projects.Mutex("busy").With(s.options()...)
		err := busy.Do(ctx, func(held context.Context) error {
			if !protected(held) {
				return nil
			}
			// ctx and not held, which would say at once that it has the lock itself.
			var status int
			status, refused = s.put(ctx, "/projects/{id}", busy.With(otellock.WithWait(20*time.Millisecond)), func(context.Context) {})
			ctx, span := s.tracer.Start(ctx, "nightly job")
			defer span.End()
			skipped = span.SpanContext().TraceID()
			ran, err := busy.TryDo(ctx, func(context.Context) error { return nil })
			shown = status == http.StatusConflict && !ran && err == nil
			return nil
		})
		return shown && err == nil
	})
	if !shown {
		s.say(bad, "   ", "Redis never answered in time: nobody was told that the lock is busy.")
		return
	}
	s.say(plain, "   ", "While another one works, a PUT that waits 20 ms at most gets a 409:")
	s.printTrace(s.seen, refused, toLocks)
	s.say(plain, "   ", "A job that does not wait (TryDo) skips:")
	s.printTrace(s.seen, skipped, toLocks)
}

// overrun holds a lease for longer than it lives.
func (s *stage) overrun(ctx context.Context, invoices *otellock.Target) {
	var ttl time.Duration
	var id trace.TraceID
	s.heading("2  OVERRUN", "a payment works for longer than its lease lives")
	shown := s.patiently(ctx, func() bool {
		ttl = max(time.Second, s.attempt*3/2)
		m := invoices.Mutex("2026-117").With(otellock.WithAttemptTimeout(s.attempt), otellock.WithTTL(ttl))
		_, id = s.put(ctx, "/invoices/{id}", m, func(ctx context.Context) { s.work(ctx, ttl*5/4) })
		return s.seen.has(id, semconv.LockOutcomeReleaseError, semconv.ErrorTypeExpired)
	})
	if !shown {
		s.say(bad, "   ", "Redis did not answer in time: this lease was not lost by working too long.")
	} else {
		s.say(plain, "   ", fmt.Sprintf("It worked for %v on a lease of %v: a second payment could have run meanwhile. The request succeeded; the trace and a warning tell.", ttl*5/4, ttl))
	}
	s.printTrace(s.seen, id, toCommands)
}

// outage goes on with requests while Redis is gone.
func (s *stage) outage(ctx context.Context, server *redisServer, orders *otellock.Target) {
	const requests, workers = 1000, 16
	s.heading("3  OUTAGE", fmt.Sprintf("%s; %d PUTs go on", server.outage, requests))
	server.cut()
	var next, unprotected, locked, failed atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := next.Add(1); i <= requests && ctx.Err() == nil; i = next.Add(1) {
				status, _ := s.put(ctx, "/orders/{id}", orders.Mutex(fmt.Sprint(i)), func(ctx context.Context) {
					if protected(ctx) {
						locked.Add(1)
					} else {
						unprotected.Add(1)
					}
					s.work(ctx, 2*time.Millisecond)
				})
				if status != http.StatusOK {
					failed.Add(1)
				}
			}
		})
	}
	group.Wait()
	c := good
	if locked.Load() > 0 || failed.Load() > 0 {
		c = bad
	}
	s.say(c, "   ", fmt.Sprintf("%d ran, unprotected; %d had the lock; %d failed. One warning says so:", unprotected.Load(), locked.Load(), failed.Load()))
	s.printTrace(s.seen, s.seen.warningOf(semconv.EventLockBackendError, "orders"), toCommands)
}
