package backendtest

import (
	"errors"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

func (s *suite) capabilities() otellock.Capabilities {
	if b, ok := s.backend.(interface {
		Capabilities() otellock.Capabilities
	}); ok {
		return b.Capabilities()
	}
	return otellock.Capabilities{}
}

// grant acquires and fails the test on an error.
func (s *suite) grant(c otellock.Claim) otellock.Grant {
	s.Helper()
	ctx, cancel := s.deadline()
	defer cancel()
	g, err := s.backend.Acquire(ctx, c)
	s.want("Acquire", err, nil)
	return g
}

// releaseClaim is release with a Keep.
func (s *suite) releaseClaim(c otellock.Claim) error {
	ctx, cancel := s.deadline()
	defer cancel()
	return s.backend.Release(ctx, c)
}

// holderIsTold allows a backend to say nothing.
func holderIsTold(s *suite) {
	k := s.key("k")
	s.take(k, "a", long)
	check := func(operation string, held otellock.Held) {
		if held.Token != "" && held.Token != "a" || held.Left < 0 || held.Left > long {
			s.Errorf("%s: says that %q has the key for %v, want %q and at most %v", operation, held.Token, held.Left, "a", long)
		}
	}
	for _, again := range []bool{false, true} {
		for _, fence := range []bool{false, s.capabilities().Fence} {
			g := s.grant(otellock.Claim{Key: k, Token: "b", TTL: long, Again: again, Fence: fence})
			if g.Acquired {
				s.Fatal("granted while another holds the key")
			}
			check("Acquire", g.Held)
		}
	}
	for operation, err := range map[string]error{"Extend": s.extend(k, "b", long), "Release": s.release(k, "b")} {
		s.want(operation, err, otellock.ErrStolen)
		if stolen := (*otellock.StolenError)(nil); errors.As(err, &stolen) {
			check(operation, stolen.Held)
		}
	}
	s.want("Release", s.release(k, "a"), nil)
}

func fenceRises(s *suite) {
	k, fences := s.key("k"), s.capabilities().Fence
	var last uint64
	for i := range 20 {
		token := string(rune('a' + i))
		g := s.grant(otellock.Claim{Key: k, Token: token, TTL: long, Again: i%2 == 1, Fence: fences})
		switch {
		case !g.Acquired:
			s.Fatal("a free key was not granted")
		case fences && g.Fence <= last:
			s.Fatalf("fence %d after %d, want a higher one", g.Fence, last)
		case !fences && g.Fence != 0:
			s.Fatalf("a backend without fences gave the fence %d", g.Fence)
		}
		last = g.Fence
		if fences {
			refused := s.grant(otellock.Claim{Key: k, Token: "rival", TTL: long, Fence: true})
			if refused.Acquired || refused.Fence != 0 {
				s.Fatalf("a held key: %+v, want no grant and no fence", refused)
			}
		}
		s.want("Release", s.release(k, token), nil)
	}
}

func keptKeyIsBusy(s *suite) {
	if !s.capabilities().Keep {
		return // Keep is not looked at, and the Locker refuses what needs it
	}
	k := s.key("k")
	s.take(k, "a", long)
	start := time.Now()
	s.want("Release that keeps the key", s.releaseClaim(otellock.Claim{Key: k, Token: "a", Keep: short}), nil)
	s.want("Extend by the former holder", s.extend(k, "a", long), otellock.ErrStolen)
	s.want("Release by the former holder", s.release(k, "a"), otellock.ErrStolen)
	for _, token := range []string{"a", "b", ""} {
		if time.Since(start) < short {
			granted := s.retry(k, token, long)
			if granted && time.Since(start) < short {
				s.Fatalf("granted to %q while the key is kept", token)
			}
			if granted {
				s.want("Release", s.release(k, token), nil)
				return // the machine was too slow to ask more
			}
		}
	}
	s.frees(k, "b", start, s.patience)
	s.want("Release", s.release(k, "b"), nil)

	s.want("Release of an absent key", s.releaseClaim(otellock.Claim{Key: k, Token: "a", Keep: long}), otellock.ErrLost)
	s.take(k, "c", long)
	s.want("Release by another", s.releaseClaim(otellock.Claim{Key: k, Token: "a", Keep: short}), otellock.ErrStolen)
	s.want("Release", s.release(k, "c"), nil)
}

func keepingIsRepeated(s *suite) {
	if !s.capabilities().Keep {
		return
	}
	k := s.key("k")
	s.take(k, "a", long)
	start := time.Now()
	s.want("Release that keeps the key", s.releaseClaim(otellock.Claim{Key: k, Token: "a", Keep: short}), nil)
	if err := s.releaseClaim(otellock.Claim{Key: k, Token: "a", Keep: long}); time.Since(start) < short {
		s.want("the same once more", err, nil)
	}
	s.frees(k, "b", start, s.patience)
	s.want("Release", s.release(k, "b"), nil)
}
