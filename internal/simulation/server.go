package simulation

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// A server executes requests one after the other: the memory backend, beside a
// model of it that knows who holds what and why a lease ended.
type server struct {
	*world
	backend *memorybackend.Backend
	leases  map[string]*token // by key: what the model says is there, expired or not
	fences  map[string]uint64 // by key: the last one

	hung     bool
	stops    int     // faults for which it is not there
	answers  error   // to everything, instead of executing it
	buffered []*call // while it hangs
	rate     float64 // of its clock: above 1 leases end early, by the processes' clocks
	fault    Fault
}

// A Fault breaks the server on purpose, to see that the simulation notices. It
// sees each request that is executed and the token that holds its key, may change
// the request, and may ask the server to pretend that it did what was asked.
type Fault func(kind string, c *otellock.Claim, holder string) (pretend bool)

// lifetime is what a time to live lasts by the processes' clocks.
func (s *server) lifetime(ttl time.Duration) time.Duration {
	return time.Duration(float64(ttl) / s.rate)
}

// holder is the token that has the key now, or nil.
func (s *server) holder(key string) *token {
	t := s.leases[key]
	if t != nil && s.now() >= t.expires {
		s.forget(t, "expired")
		t = nil
	}
	return t
}

// forget ends a token's lease in the model.
func (s *server) forget(t *token, why string) {
	delete(s.leases, t.key)
	t.end, t.ended = why, s.now()
	s.log("server", "%s of %s: %s", t.key, t.name, why)
}

// keys are those that the model has, in order.
func (s *server) keys() []string { return slices.Sorted(maps.Keys(s.leases)) }

// execute carries the request out, now.
func (s *server) execute(c *call) (r reply) {
	if s.answers != nil {
		return reply{err: s.answers}
	}
	if c.kind == acquire && !c.claim.Again && s.plan.PlainFirst && s.holder(c.claim.Key) == c.token {
		return reply{}
	}
	claim, ctx := c.claim, context.Background()
	claim.TTL = s.lifetime(claim.TTL)
	if s.fault != nil {
		holder := ""
		if t := s.holder(c.claim.Key); t != nil {
			holder = t.secret
		}
		if s.fault(string(c.kind), &claim, holder) {
			return reply{granted: c.kind == acquire}
		}
	}
	switch c.kind {
	case acquire:
		var g otellock.Grant
		g, r.err = s.backend.Acquire(ctx, claim)
		r.granted, r.queued, r.fence = g.Acquired, g.Queued, g.Fence
		if r.granted && c.claim.Fence {
			if last := s.fences[c.claim.Key]; r.fence <= last {
				s.violate("a fence never falls", "%s has %d after %d", c.name, r.fence, last)
			}
			s.fences[c.claim.Key] = r.fence
			c.token.fences = append(c.token.fences, r.fence)
		}
	case extend:
		r.err = s.backend.Extend(ctx, claim)
	case release:
		r.err = s.backend.Release(ctx, claim)
	}
	var stolen *otellock.StolenError
	if errors.As(r.err, &stolen) { // by the server's clock
		r.err = &otellock.StolenError{Held: otellock.Held{Token: stolen.Held.Token, Left: time.Duration(float64(stolen.Held.Left) * s.rate)}}
	}
	if want, wantErr := s.judge(c, claim); s.fault == nil && (want != r.granted || !errors.Is(r.err, wantErr)) {
		s.violate("the server", "answered %t, %v to %s, the model %t, %v", r.granted, r.err, c.name, want, wantErr)
	}
	return r
}

// judge is what execute must answer, and keeps the model.
func (s *server) judge(c *call, done otellock.Claim) (granted bool, err error) {
	t, held := c.token, s.holder(c.claim.Key)
	if done.Token != c.claim.Token && held != nil { // a server that is broken
		t = held
	}
	switch {
	case c.kind == acquire && (held == nil || held == t):
		if t.end != "" || t.granted == 0 {
			t.granted = s.now()
		}
		t.end, t.expires, t.longest = "", s.now()+done.TTL, max(t.longest, c.claim.TTL)
		s.leases[t.key] = t
		return true, nil
	case c.kind == acquire:
		return false, nil
	case held == nil:
		return false, otellock.ErrLost
	case held != t:
		return false, otellock.ErrStolen
	case c.kind == extend:
		t.expires, t.longest = s.now()+done.TTL, max(t.longest, c.claim.TTL)
	case c.kind == release:
		s.forget(t, "released")
		t.releasedBy = c.name
	}
	return false, nil
}

// stop breaks the connections of what waits in a server that hangs.
func (s *server) stop() {
	s.stops++
	for _, c := range s.buffered {
		c.returns(0, reply{err: io.EOF})
	}
	s.buffered = nil
}

// take removes a key as a fault does: the lock cannot know.
func (s *server) take(key, why string) {
	if t := s.holder(key); t != nil {
		_ = s.backend.Release(context.Background(), otellock.Claim{Key: key, Token: t.secret, TTL: time.Second})
		t.robbed = true
		s.forget(t, why)
	}
}

// jump moves the server's clock forward: every lease is that much older.
func (s *server) jump(d time.Duration) {
	for _, key := range s.keys() {
		t := s.holder(key)
		switch {
		case t == nil:
		case t.expires-s.now() <= d:
			s.take(key, "expired by a jump of the server's clock")
		default:
			t.expires -= d
			t.robbed = true
			_ = s.backend.Extend(context.Background(), otellock.Claim{Key: key, Token: t.secret, TTL: t.expires - s.now()})
		}
	}
}
