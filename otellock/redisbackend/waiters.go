package redisbackend

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/redis/go-redis/v9"
)

// waiters knows who waits for keys in this process, and wakes them.
//
// The server has a list for each key that is waited for: the inboxes of the
// processes, longest waiting first. A release takes the first inbox that somebody
// reads, and publishes the key to it. The list expires two seconds after somebody
// has last asked, so that nothing stays of a process that is gone.
type waiters struct {
	backend *Backend

	mu      sync.Mutex
	byKey   map[string]*waited
	inboxes map[*redis.Client]*inbox
	mute    bool // the server forbids what this takes: everybody polls
}

// A waited is a key that somebody of this process waits for.
type waited struct {
	who   map[otellock.Waiter]struct{}
	inbox *inbox
	place place
}

// A place says where the inbox stands in the list of a key, as far as this process
// knows. When the last waiter goes and the place is not none, leave takes the inbox out
// of the list, or passes on the wake-up that came for it.
type place int

const (
	none   place = iota // it was never sent to the list, or was called and this process got the lock
	listed              // it is in the list, or on its way there
	called              // a release has taken it out to wake this process, which has not asked since
)

func (ws *waiters) init(b *Backend) {
	ws.backend, ws.byKey, ws.inboxes = b, map[string]*waited{}, map[*redis.Client]*inbox{}
}

// The ends of the list of a key. Who was called and finds the lock taken by a newcomer
// is the next to be called.
const (
	first = "lpush"
	last  = "rpush"
)

// listen registers the waiter for the key. It returns the name of the inbox, and the end
// of the key's list where that belongs. The name is empty while the inbox is not read:
// the waiter is woken once it is, and asks again.
func (ws *waiters) listen(key string, w otellock.Waiter) (name, end string) {
	node := ws.backend.master(key)
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.mute || node == nil {
		return "", ""
	}
	k := ws.byKey[key]
	if k == nil {
		k = &waited{who: map[otellock.Waiter]struct{}{}}
		ws.byKey[key] = k
	}
	k.who[w] = struct{}{}
	if k.inbox == nil || k.inbox.node != node { // or the key has moved
		if k.inbox != nil {
			ws.unuse(k.inbox)
		}
		k.inbox, k.place = ws.use(node), none
	}
	if k.place == called {
		return k.inbox.name, first
	}
	return k.inbox.name, last
}

// sent notes that the inbox may be in the list of the key.
func (ws *waiters) sent(key, inbox string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if k := ws.byKey[key]; k != nil && inbox != "" {
		k.place = listed
	}
}

// granted notes that this process has the key: a wake-up that came for it was used.
func (ws *waiters) granted(key string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if k := ws.byKey[key]; k != nil && k.place == called {
		k.place = none
	}
}

// call wakes whoever waits for the key in this process, because a release has taken the
// inbox out of the list. It reports whether there is anybody.
func (ws *waiters) call(key string, remote bool) bool {
	ws.mu.Lock()
	if k := ws.byKey[key]; k != nil {
		k.place = called
	}
	ws.mu.Unlock()
	return ws.wake(key, remote)
}

// wake lets whoever waits for the key in this process ask again, because the inbox may
// not be in the list. It reports whether there is anybody.
func (ws *waiters) wake(key string, remote bool) bool {
	ws.mu.Lock()
	k := ws.byKey[key]
	var who []otellock.Waiter
	if k != nil {
		for w := range k.who {
			who = append(who, w)
		}
	}
	ws.mu.Unlock()
	for _, w := range who {
		w.Wake(remote)
	}
	return len(who) > 0
}

// Forget implements [otellock.Notifier].
func (b *Backend) Forget(key string, w otellock.Waiter) {
	ws := &b.waiters
	ws.mu.Lock()
	defer ws.mu.Unlock()
	k := ws.byKey[key]
	if k == nil {
		return
	}
	delete(k.who, w)
	if len(k.who) > 0 {
		return
	}
	delete(ws.byKey, key)
	if k.place != none && k.inbox.name != "" {
		go b.leave(key, k.inbox.name)
	}
	ws.unuse(k.inbox)
}

// leave takes an inbox out of the list of a key. If it was called already, the next
// one is. Where that fails, the list expires, and whoever is in it polls. Somebody who
// has come meanwhile may have lost the place, and asks again.
func (b *Backend) leave(key, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	defer b.waiters.wake(key, true)
	defer func() { _ = recover() }() // a hook of the client may panic
	_, _ = b.run(ctx, b.rdb, &leave, otellock.Claim{}, withList(key), name)
}

// forbidden switches wake-ups off for good if a server has refused what they take, and
// logs that once.
func (ws *waiters) forbidden(err error) {
	var answer redis.Error
	if !forbids(err) || !errors.As(err, &answer) {
		return
	}
	ws.mu.Lock()
	before := ws.mute
	ws.mute = true
	ws.mu.Unlock()
	if before {
		return
	}
	logger := slog.Default()
	go func() { // its handler may hang or panic
		defer func() { _ = recover() }()
		logger.Info("otellock: the Redis user may not do what wakes waiters, so that they poll; it needs the rules "+
			"~otellock:waiters* &otellock:inbox:* +lpos +lpush +rpush +lpop +lrem +exists +pexpire +publish +subscribe +ping",
			"error.type", code(strings.TrimPrefix(answer.Error(), "NOLIST ")))
	}()
}

func (ws *waiters) isMute() bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.mute
}

// withList returns the keys of a script that looks at the list of a key.
func withList(key string) []string { return []string{key, sibling("waiters", key)} }

// master returns the client of the server that has the key, or nil if the client of
// a Cluster does not know it yet.
func (b *Backend) master(key string) *redis.Client {
	switch c := b.rdb.(type) {
	case *redis.Client:
		return c
	case *redis.ClusterClient:
		if node, err := c.MasterForKey(ended, key); err == nil {
			return node
		}
	}
	return nil
}

// ended is a context that is over: with it a Cluster's client says where a key is by
// what it knows, and asks no server.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Node returns the address of the server that has the key, for the breaker of the
// [otellock.Locker]. It is empty where there is only one.
func (b *Backend) Node(key string) string {
	if _, cluster := b.rdb.(*redis.ClusterClient); !cluster {
		return ""
	}
	if node := b.master(key); node != nil {
		return node.Options().Addr
	}
	return ""
}

// enlist puts a waiter who was told busy into the list of the key.
func (b *Backend) enlist(ctx context.Context, to processor, c otellock.Claim, told otellock.Grant) (otellock.Grant, error) {
	name, end := b.waiters.listen(c.Key, c.Waiter)
	if name == "" {
		if c.Again || c.Fence { // a script has looked already
			return told, nil
		}
		return b.refused(ctx, to, c)
	}
	b.waiters.sent(c.Key, name)
	r, err := b.run(ctx, to, &enlist, otellock.Claim{}, withList(c.Key), name, end)
	var answer redis.Error
	switch {
	case err == nil && r.foreign:
		return otellock.Grant{Held: r.held, Queued: true}, nil
	case err == nil: // it was freed meanwhile
		c.Waiter.Wake(true)
	case noList(err):
		grant, without := b.refused(ctx, to, c)
		if without == nil {
			b.waiters.forbidden(err)
		}
		return grant, without
	case errors.As(err, &answer):
		return otellock.Grant{}, err
	}
	return told, nil
}

// acquireOrEnlist takes the key, or puts the inbox into its list.
func (b *Backend) acquireOrEnlist(ctx context.Context, to processor, c otellock.Claim, name, end string) (otellock.Grant, error) {
	r, err := b.run(ctx, to, &acquireOrEnlist, c, withList(c.Key), name, end, milliseconds(c.TTL))
	switch {
	case noList(err): // the key was not taken
		grant, without := b.take(ctx, to, c)
		if without == nil {
			b.waiters.forbidden(err)
		}
		return grant, without
	case err == nil && r.code == held:
		b.waiters.granted(c.Key)
		return otellock.Grant{Acquired: true}, nil
	}
	b.waiters.sent(c.Key, name)
	return otellock.Grant{Held: r.held, Queued: r.foreign}, err
}

// noList reports whether a script may have failed because of the list and not of the
// key: the user may not touch it, or the slot is moving and only one of the two has
// moved. The command without the list tells.
func noList(err error) bool {
	return err == errMute || redis.HasErrorPrefix(err, "NOLIST") || redis.HasErrorPrefix(err, "TRYAGAIN") || redis.HasErrorPrefix(err, "NOPERM")
}

var errMute = errors.New("wake-ups are forbidden")
