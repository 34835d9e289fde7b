package backendtest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A model is a correct backend whose every step can be replaced by a wrong one.
type model struct {
	mu     sync.Mutex
	leases map[string]lease

	refuse  func(l lease, held bool, c otellock.Claim) bool // may the claim not have the key
	ttl     func(time.Duration) time.Duration
	key     func(string) string
	ended   func(context.Context) error                                                 // on entry of every call
	busy    func(context.Context) error                                                 // the answer to a refused claim
	regrant func(old, new lease) lease                                                  // own token, held
	extend  func(m *model, l lease, held bool, c otellock.Claim) (lease, error)         // what to store
	release func(m *model, l lease, held bool, c otellock.Claim) (remove bool, _ error) // whether to remove
	yield   bool                                                                        // let others in between look and act
	fence   func(last uint64) uint64                                                    // the next one
	told    func(otellock.Held) otellock.Held                                           // who has the key
	keep    func(l lease, held bool, c otellock.Claim) (lease, error)                   // what a release with Keep stores

	wakes   func(c otellock.Claim) bool // whether a release does
	forgets bool                        // whether Forget does

	last    uint64
	waiting []otellock.Waiter // of any key
}

type lease struct {
	token   string
	expires time.Time
}

func newModel() *model {
	return &model{
		leases: make(map[string]lease),
		refuse: func(l lease, held bool, c otellock.Claim) bool { return held && l.token != c.Token },
		ttl:    func(d time.Duration) time.Duration { return d },
		key:    func(k string) string { return k },
		ended:  func(ctx context.Context) error { return ctx.Err() },
		busy:   func(context.Context) error { return nil },
		regrant: func(_, l lease) lease {
			return l
		},
		extend: func(m *model, l lease, held bool, c otellock.Claim) (lease, error) {
			return m.lease(c), owned(l, held, c)
		},
		release: func(_ *model, l lease, held bool, c otellock.Claim) (bool, error) {
			err := owned(l, held, c)
			return err == nil, err
		},
		wakes:   func(c otellock.Claim) bool { return c.Keep == 0 },
		forgets: true,
		fence:   func(last uint64) uint64 { return last + 1 },
		told:    func(h otellock.Held) otellock.Held { return h },
		keep: func(l lease, held bool, c otellock.Claim) (lease, error) {
			if held && l.token == kept(c).token {
				return l, nil
			}
			return kept(c), owned(l, held, c)
		},
	}
}

// kept is what a release with Keep leaves.
func kept(c otellock.Claim) lease {
	return lease{token: "kept " + c.Token, expires: time.Now().Add(c.Keep)}
}

func (*model) Capabilities() otellock.Capabilities {
	return otellock.Capabilities{Fence: true, Keep: true}
}

func owned(l lease, held bool, c otellock.Claim) error {
	switch {
	case !held:
		return otellock.ErrLost
	case l.token != c.Token:
		return &otellock.StolenError{Held: l.held()}
	}
	return nil
}

func (l lease) held() otellock.Held {
	return otellock.Held{Token: l.token, Left: time.Until(l.expires)}
}

func (m *model) lease(c otellock.Claim) lease {
	return lease{token: c.Token, expires: time.Now().Add(m.ttl(c.TTL))}
}

func (m *model) look(c otellock.Claim) (lease, bool) {
	l, found := m.leases[m.key(c.Key)]
	held := found && time.Now().Before(l.expires)
	if m.yield {
		m.mu.Unlock()
		runtime.Gosched()
		m.mu.Lock()
	}
	return l, held
}

func (m *model) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	if err := m.ended(ctx); err != nil {
		return otellock.Grant{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l, held := m.look(c)
	if m.refuse(l, held, c) {
		if c.Waiter != nil && !slices.Contains(m.waiting, c.Waiter) {
			m.waiting = append(m.waiting, c.Waiter)
		}
		m.mu.Unlock()
		defer m.mu.Lock()
		return otellock.Grant{Held: m.told(l.held()), Queued: c.Waiter != nil}, m.busy(ctx)
	}
	granted := m.lease(c)
	if held {
		granted = m.regrant(l, granted)
	}
	m.leases[m.key(c.Key)] = granted
	grant := otellock.Grant{Acquired: true}
	if c.Fence {
		m.last = m.fence(m.last)
		grant.Fence = m.last
	}
	return grant, nil
}

func (m *model) Extend(ctx context.Context, c otellock.Claim) error {
	if err := m.ended(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l, held := m.look(c)
	extended, err := m.extend(m, l, held, c)
	if err == nil {
		m.leases[m.key(c.Key)] = extended
	}
	return err
}

func (m *model) Release(ctx context.Context, c otellock.Claim) error {
	if err := m.ended(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l, held := m.look(c)
	if c.Keep > 0 {
		left, err := m.keep(l, held, c)
		if err == nil {
			m.leases[m.key(c.Key)] = left
			m.wake(c)
		}
		return err
	}
	remove, err := m.release(m, l, held, c)
	if remove {
		delete(m.leases, m.key(c.Key))
		m.wake(c)
	}
	return err
}

// wake wakes who waits longest. m.mu is held.
func (m *model) wake(c otellock.Claim) {
	if len(m.waiting) > 0 && m.wakes(c) {
		m.waiting[0].Wake(true)
		m.waiting = m.waiting[1:]
	}
}

func (m *model) Forget(_ string, w otellock.Waiter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forgets {
		m.waiting = slices.DeleteFunc(m.waiting, func(other otellock.Waiter) bool { return other == w })
	}
}

// A flaw is a backend that the suite must not let through, with a check that has
// to notice.
type flaw struct {
	name  string
	check string
	spoil func(*model)
}

var flaws = []flaw{
	{"sets without looking who holds the key", "a held key is refused at once and without an error", func(m *model) {
		m.refuse = func(lease, bool, otellock.Claim) bool { return false }
	}},
	{"sets without looking who holds the key", "one holder at a time among 64 contenders, and all of them get through", func(m *model) {
		m.refuse = func(lease, bool, otellock.Claim) bool { return false }
	}},
	{"looks and sets in two steps", "one holder at a time among 64 contenders, and all of them get through", func(m *model) {
		m.yield = true
	}},
	{"never serves one of the contenders", "one holder at a time among 64 contenders, and all of them get through", func(m *model) {
		correct := m.refuse
		m.refuse = func(l lease, held bool, c otellock.Claim) bool {
			return strings.HasPrefix(c.Token, "63/") || correct(l, held, c)
		}
	}},
	{"never grants", "a free key is granted", func(m *model) {
		m.refuse = func(lease, bool, otellock.Claim) bool { return true }
	}},
	{"calls contention an error", "a held key is refused at once and without an error", func(m *model) {
		m.busy = func(context.Context) error { return errors.New("busy") }
	}},
	{"waits for a held key", "a held key is refused at once and without an error", func(m *model) {
		m.busy = func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}
	}},
	{"refuses the holder's own token", "the same token is granted again and its expiry is set anew", func(m *model) {
		m.refuse = func(_ lease, held bool, _ otellock.Claim) bool { return held }
	}},
	{"takes a later attempt for its own holder", "a later attempt is granted and refused as a first one is", func(m *model) {
		m.refuse = func(l lease, held bool, c otellock.Claim) bool { return held && l.token != c.Token && !c.Again }
	}},
	{"grants first attempts only", "a later attempt is granted and refused as a first one is", func(m *model) {
		correct := m.refuse
		m.refuse = func(l lease, held bool, c otellock.Claim) bool { return c.Again || correct(l, held, c) }
	}},
	{"keeps the first expiry on a second grant", "the same token is granted again and its expiry is set anew", func(m *model) {
		m.regrant = func(old, _ lease) lease { return old }
	}},
	{"only lengthens on a second grant", "the same token is granted again and its expiry is set anew", func(m *model) {
		m.regrant = later
	}},
	{"releases nothing", "release frees the key", func(m *model) {
		m.release = func(*model, lease, bool, otellock.Claim) (bool, error) { return false, nil }
	}},
	{"cannot acquire a second time", "one token can acquire and release over and over", func(m *model) {
		m.release = func(m *model, l lease, held bool, c otellock.Claim) (bool, error) {
			m.leases[m.key(c.Key)] = lease{token: "tombstone", expires: time.Now().Add(time.Hour)}
			return false, owned(l, held, c)
		}
	}},
	{"is content with releasing nothing", "release of an absent key says lost", func(m *model) {
		m.release = func(_ *model, l lease, held bool, c otellock.Claim) (bool, error) {
			err := owned(l, held, c)
			if errors.Is(err, otellock.ErrLost) {
				err = nil
			}
			return err == nil, err
		}
	}},
	{"releases without comparing", "release by the wrong token says stolen and changes nothing", func(m *model) {
		m.release = func(*model, lease, bool, otellock.Claim) (bool, error) { return true, nil }
	}},
	{"says stolen and releases all the same", "release by the wrong token says stolen and changes nothing", func(m *model) {
		m.release = func(_ *model, l lease, held bool, c otellock.Claim) (bool, error) { return true, owned(l, held, c) }
	}},
	{"compares tokens without case", "release by the wrong token says stolen and changes nothing", func(m *model) {
		m.release = func(_ *model, l lease, held bool, c otellock.Claim) (bool, error) {
			l.token, c.Token = strings.ToLower(l.token), strings.ToLower(c.Token)
			err := owned(l, held, c)
			return err == nil, err
		}
	}},
	{"compares and releases in two steps", "one of many concurrent releases succeeds", func(m *model) { m.yield = true }},
	{"extends nothing", "extend sets the time to live", func(m *model) {
		m.extend = func(_ *model, l lease, held bool, c otellock.Claim) (lease, error) { return l, owned(l, held, c) }
	}},
	{"only lengthens on extend", "extend sets the time to live", func(m *model) {
		m.extend = func(m *model, l lease, held bool, c otellock.Claim) (lease, error) {
			return later(l, m.lease(c)), owned(l, held, c)
		}
	}},
	{"recreates on extend", "extend of an absent key says lost and creates nothing", func(m *model) {
		m.extend = func(m *model, l lease, held bool, c otellock.Claim) (lease, error) {
			if !held {
				return m.lease(c), nil
			}
			return m.lease(c), owned(l, held, c)
		}
	}},
	{"says lost and recreates on extend", "extend of an absent key says lost and creates nothing", func(m *model) {
		m.extend = func(m *model, l lease, held bool, c otellock.Claim) (lease, error) {
			if !held {
				m.leases[m.key(c.Key)] = m.lease(c)
			}
			return m.lease(c), owned(l, held, c)
		}
	}},
	{"recreates an expired lease on extend", "a holder whose lease expired has lost it", func(m *model) {
		m.extend = func(m *model, l lease, _ bool, c otellock.Claim) (lease, error) {
			return m.lease(c), owned(l, l.token != "", c)
		}
	}},
	{"extends without comparing", "extend by the wrong token says stolen and changes nothing", func(m *model) {
		m.extend = func(m *model, l lease, _ bool, c otellock.Claim) (lease, error) {
			return lease{token: l.token, expires: m.lease(c).expires}, nil
		}
	}},
	{"says stolen and extends all the same", "extend by the wrong token says stolen and changes nothing", func(m *model) {
		m.extend = func(m *model, l lease, held bool, c otellock.Claim) (lease, error) {
			if held {
				m.leases[m.key(c.Key)] = lease{token: l.token, expires: m.lease(c).expires}
			}
			return m.lease(c), owned(l, held, c)
		}
	}},
	{"calls stolen lost", "a holder whose key was taken after expiry is told stolen", func(m *model) {
		m.extend = func(m *model, l lease, held bool, c otellock.Claim) (lease, error) {
			return m.lease(c), owned(l, held && l.token == c.Token, c)
		}
	}},
	{"calls lost stolen", "a holder whose lease expired has lost it", func(m *model) {
		m.extend = func(m *model, l lease, held bool, c otellock.Claim) (lease, error) {
			err := owned(l, held, c)
			if err != nil {
				err = otellock.ErrStolen
			}
			return m.lease(c), err
		}
	}},
	{"names the one who asks as the holder", "who is refused learns nothing wrong about the holder", func(m *model) {
		m.told = func(h otellock.Held) otellock.Held {
			h.Token = "b"
			return h
		}
	}},
	{"says that the holder has longer than it can have", "who is refused learns nothing wrong about the holder", func(m *model) {
		m.told = func(h otellock.Held) otellock.Held {
			h.Left += time.Minute
			return h
		}
	}},
	{"gives one fence twice", "a fence rises with every grant", func(m *model) {
		m.fence = func(last uint64) uint64 { return max(last, 1) }
	}},
	{"gives no fence though it says that it has them", "a fence rises with every grant", func(m *model) {
		m.fence = func(uint64) uint64 { return 0 }
	}},
	{"removes a key that was to be kept", "a key that is kept is busy for that long, and for everybody", func(m *model) {
		m.keep = func(l lease, held bool, c otellock.Claim) (lease, error) { return lease{}, owned(l, held, c) }
	}},
	{"leaves a key that was to be kept to its former holder", "a key that is kept is busy for that long, and for everybody", func(m *model) {
		m.keep = func(l lease, held bool, c otellock.Claim) (lease, error) {
			return lease{token: c.Token, expires: time.Now().Add(c.Keep)}, owned(l, held, c)
		}
	}},
	{"keeps a key for its whole time to live", "a key that is kept is busy for that long, and for everybody", func(m *model) {
		m.keep = func(l lease, held bool, c otellock.Claim) (lease, error) {
			return lease{token: kept(c).token, expires: l.expires}, owned(l, held, c)
		}
	}},
	{"keeps an absent key", "a key that is kept is busy for that long, and for everybody", func(m *model) {
		m.keep = func(l lease, held bool, c otellock.Claim) (lease, error) {
			if !held {
				return kept(c), nil
			}
			return kept(c), owned(l, held, c)
		}
	}},
	{"calls a keeping that is repeated stolen", "a release that keeps the key can be repeated and changes nothing", func(m *model) {
		m.keep = func(l lease, held bool, c otellock.Claim) (lease, error) { return kept(c), owned(l, held, c) }
	}},
	{"keeps anew when the keeping is repeated", "a release that keeps the key can be repeated and changes nothing", func(m *model) {
		m.keep = func(l lease, held bool, c otellock.Claim) (lease, error) {
			if held && l.token == kept(c).token {
				return kept(c), nil
			}
			return kept(c), owned(l, held, c)
		}
	}},
	{"wakes nobody", "a release wakes who waits longest", func(m *model) {
		m.wakes = func(otellock.Claim) bool { return false }
	}},
	{"wakes though the key is kept", "a release that keeps the key wakes nobody", func(m *model) {
		m.wakes = func(otellock.Claim) bool { return true }
	}},
	{"wakes who is gone", "a waiter that was forgotten is not woken", func(m *model) { m.forgets = false }},
	{"rounds up to seconds", "a lease expires, neither early nor a second late", func(m *model) {
		m.ttl = func(d time.Duration) time.Duration { return (d + time.Second - 1).Truncate(time.Second) }
	}},
	{"rounds down to seconds", "a lease expires, neither early nor a second late", func(m *model) {
		m.ttl = func(d time.Duration) time.Duration { return d.Truncate(time.Second) }
	}},
	{"expires early", "a lease expires, neither early nor a second late", func(m *model) {
		m.ttl = func(d time.Duration) time.Duration { return d / 2 }
	}},
	{"never expires", "a lease can be a millisecond", func(m *model) {
		m.ttl = func(time.Duration) time.Duration { return time.Hour }
	}},
	{"has one lock for all keys", "different keys do not exclude one another", func(m *model) {
		m.refuse = func(_ lease, held bool, _ otellock.Claim) bool { return held }
		m.key = func(string) string { return "" }
	}},
	{"cuts keys at a zero byte", "keys and tokens are any bytes", func(m *model) {
		m.key = func(k string) string { return strings.Split(k, "\x00")[0] }
	}},
	{"trims keys", "keys and tokens are any bytes", func(m *model) { m.key = strings.TrimSpace }},
	{"drops bytes that are not UTF-8", "keys and tokens are any bytes", func(m *model) {
		m.key = func(k string) string { return strings.ToValidUTF8(k, "") }
	}},
	{"does not look at the context", "a context that has ended returns at once and does nothing", func(m *model) {
		m.ended = func(context.Context) error { return nil }
	}},
	{"works on after the context's end", "a context that has ended returns at once and does nothing", func(m *model) {
		m.ended = func(ctx context.Context) error {
			if ctx.Err() != nil {
				<-time.After(time.Second)
			}
			return ctx.Err()
		}
	}},
}

func later(old, new lease) lease {
	if old.expires.After(new.expires) {
		new.expires = old.expires
	}
	return new
}
