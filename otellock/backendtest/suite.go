package backendtest

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

const (
	long    = time.Minute            // a lease that does not expire during a check
	short   = 150 * time.Millisecond // a lease that does
	between = 2 * time.Millisecond   // longest pause between two looks at a condition
)

// A suite is one check's view of its backend.
type suite struct {
	testing.TB
	backend otellock.Backend
	config
	prefix string
}

func newSuite(t testing.TB, b otellock.Backend, cfg config) *suite {
	t.Helper()
	if b == nil {
		t.Fatal("backendtest: newBackend returned nil")
	}
	return &suite{TB: t, backend: b, config: cfg, prefix: "backendtest:" + crand.Text() + ":"}
}

// key returns a key of this check alone.
func (s *suite) key(name string) string { return s.prefix + name }

// try acquires once, as a first attempt, and fails the test on an error. It may
// be called from any goroutine.
func (s *suite) try(key, token string, ttl time.Duration) bool {
	s.Helper()
	return s.acquire(otellock.Claim{Key: key, Token: token, TTL: ttl})
}

// retry acquires once, as an attempt after the first.
func (s *suite) retry(key, token string, ttl time.Duration) bool {
	s.Helper()
	return s.acquire(otellock.Claim{Key: key, Token: token, TTL: ttl, Again: true})
}

func (s *suite) acquire(c otellock.Claim) bool {
	s.Helper()
	ctx, cancel := s.deadline()
	defer cancel()
	grant, err := s.backend.Acquire(ctx, c)
	if err != nil {
		s.Errorf("Acquire: %v, want no error", err)
	}
	return grant.Acquired && err == nil
}

// take acquires and ends the test when the key is not granted.
func (s *suite) take(key, token string, ttl time.Duration) {
	s.Helper()
	if !s.try(key, token, ttl) {
		s.Fatalf("Acquire by %q: not granted, want granted", token)
	}
}

// retake is take as an attempt after the first.
func (s *suite) retake(key, token string, ttl time.Duration) {
	s.Helper()
	if !s.retry(key, token, ttl) {
		s.Fatalf("Acquire by %q, again: not granted, want granted", token)
	}
}

// refused checks that the key is not granted to the token.
func (s *suite) refused(key, token string) {
	s.Helper()
	if s.try(key, token, long) || s.retry(key, token, long) {
		s.Fatalf("Acquire by %q: granted while another holds the key", token)
	}
}

// inTime takes the key for a short lease and checks an operation that finds it
// held: with another key where the machine was too slow for that.
func (s *suite) inTime(name, token, operation string, f func(key string) error, want error) (key string) {
	s.Helper()
	const attempts = 10
	for i := range attempts {
		key = s.key(fmt.Sprint(name, i))
		start := time.Now()
		s.take(key, token, short)
		err := f(key)
		if errors.Is(err, want) || time.Since(start) < short || i == attempts-1 {
			s.want(operation, err, want)
			break
		}
	}
	return key
}

// deadline returns a context for one call, which ends later than patience does.
func (s *suite) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 2*s.patience)
}

func (s *suite) extend(key, token string, ttl time.Duration) error {
	ctx, cancel := s.deadline()
	defer cancel()
	return s.backend.Extend(ctx, otellock.Claim{Key: key, Token: token, TTL: ttl})
}

func (s *suite) release(key, token string) error {
	ctx, cancel := s.deadline()
	defer cancel()
	return s.backend.Release(ctx, otellock.Claim{Key: key, Token: token})
}

// want ends the test when err is not the wanted one; nil is none.
func (s *suite) want(operation string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("%s: %v, want %v", operation, err, want)
	}
}

// frees waits until the token is granted the key, which somebody else's lease
// still holds, and returns how long that took since the given time.
func (s *suite) frees(key, token string, since time.Time, within time.Duration) time.Duration {
	s.Helper()
	if s.fastForward != nil {
		s.fastForward(within)
	}
	for {
		granted := s.try(key, token, long)
		took := time.Since(since)
		switch {
		case granted:
			return took
		case s.fastForward != nil || took > within || s.Failed():
			s.Fatalf("the key is not free after %v", within)
		}
		pause(between)
	}
}

// outlasts checks that the token still holds the key after the time has passed.
func (s *suite) outlasts(key, token string, d time.Duration) {
	s.Helper()
	if s.fastForward != nil {
		s.fastForward(d)
	}
	for end := time.Now().Add(d); ; pause(between) {
		s.refused(key, "rival of "+token)
		if s.fastForward != nil || time.Now().After(end) {
			return
		}
	}
}

// promptly runs a call that has nothing to wait for, and ends the test when it
// waits all the same. The call must not end the test itself.
func (s *suite) promptly(operation string, f func() error) error {
	s.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(s.patience):
		s.Fatalf("%s has not returned after %v", operation, s.patience)
		return nil
	}
}

// pause waits up to d, so that contenders do not march in step.
func pause(d time.Duration) { <-time.After(rand.N(d) + 1) }
