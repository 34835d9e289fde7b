package redisbackend

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	lingers    = time.Second            // how long an inbox is read after the last waiter
	pulse      = time.Second            // of silence, after which the connection is tried
	firstRetry = 100 * time.Millisecond // after a connection was lost; doubled up to the pulse
)

// An inbox is where this process learns from one server which keys are free: a
// pub/sub channel with a random name, on a connection of its own outside the pool.
// It exists while somebody waits for a key of that server, and a second longer.
// waiters.mu guards its fields.
type inbox struct {
	waiters *waiters
	node    *redis.Client
	name    string // empty while it is not read
	keys    int    // that are waited for
	linger  *time.Timer
	sub     *redis.PubSub
	closed  bool
}

// use returns the inbox of a server, for one more key. mu is held.
func (ws *waiters) use(node *redis.Client) *inbox {
	in := ws.inboxes[node]
	if in == nil {
		in = &inbox{waiters: ws, node: node}
		ws.inboxes[node] = in
		go in.read()
	}
	in.keys++
	if in.linger != nil {
		in.linger.Stop()
	}
	return in
}

// unuse ends the use for one key. mu is held.
func (ws *waiters) unuse(in *inbox) {
	if in.keys--; in.keys == 0 {
		in.linger = time.AfterFunc(lingers, in.close)
	}
}

// close ends the inbox, unless it is in use again.
func (in *inbox) close() {
	ws := in.waiters
	ws.mu.Lock()
	if in.keys > 0 || in.closed {
		ws.mu.Unlock()
		return
	}
	in.closed, in.name = true, ""
	delete(ws.inboxes, in.node)
	sub := in.sub
	ws.mu.Unlock()
	if sub != nil {
		_ = sub.Close()
	}
}

// read keeps the inbox open until it is closed.
func (in *inbox) read() {
	for pause := firstRetry; ; pause = min(2*pause, pulse) {
		opened, err := in.readOnce()
		if in.lost() {
			return
		}
		if opened {
			pause = firstRetry
		}
		in.waiters.forbidden(err)
		time.Sleep(pause)
	}
}

// readOnce opens the channel under a new name and wakes waiters until the
// connection fails. Lists get the name once a message that the inbox sends to itself
// has arrived, which shows that the server lets this user publish and subscribe.
func (in *inbox) readOnce() (opened bool, err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	name := "otellock:inbox:" + rand.Text()
	ctx := context.Background()
	sub := in.node.Subscribe(ctx)
	defer func() { _ = sub.Close() }()
	if !in.reads(sub) {
		return false, redis.ErrClosed
	}
	if err := in.briefly(func(ctx context.Context) error { return sub.Subscribe(ctx, name) }); err != nil {
		return false, err
	}
	for tried := false; ; {
		message, err := sub.ReceiveTimeout(ctx, pulse)
		var network net.Error
		switch {
		case errors.As(err, &network) && network.Timeout() && !tried:
			tried = true
			if err := in.briefly(func(ctx context.Context) error { return sub.Ping(ctx) }); err != nil {
				return opened, err
			}
			continue
		case err != nil:
			return opened, err
		}
		tried = false
		switch m := message.(type) {
		case *redis.Subscription:
			err := in.briefly(func(ctx context.Context) error {
				return in.node.Process(ctx, onceInt{redis.NewIntCmd(ctx, "publish", name, "")})
			})
			if err != nil {
				return opened, err
			}
		case *redis.Message:
			if opened = true; m.Payload == "" {
				in.open(name)
			} else if !in.waiters.call(m.Payload, true) {
				go in.waiters.backend.leave(m.Payload, name) // nobody waits any more
			}
		}
	}
}

var errPanicked = errors.New("a hook of the client panicked")

// briefly calls f with a deadline of a second.
func (in *inbox) briefly(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), pulse)
	defer cancel()
	return f(ctx)
}

// reads notes the connection, for close. It returns false if the inbox is closed.
func (in *inbox) reads(sub *redis.PubSub) bool {
	in.waiters.mu.Lock()
	defer in.waiters.mu.Unlock()
	in.sub = sub
	return !in.closed
}

// open makes the name known, and lets everybody ask again to get into the lists.
func (in *inbox) open(name string) {
	in.waiters.mu.Lock()
	in.name = name
	in.waiters.mu.Unlock()
	in.wakeAll()
}

// lost withdraws the name, so that everybody polls. It reports whether the inbox is
// closed.
func (in *inbox) lost() bool {
	ws := in.waiters
	ws.mu.Lock()
	in.name = ""
	closed := in.closed
	ws.mu.Unlock()
	if !closed {
		in.wakeAll()
	}
	return closed
}

// wakeAll wakes whoever waits for a key of this server.
func (in *inbox) wakeAll() {
	ws := in.waiters
	ws.mu.Lock()
	var keys []string
	for key, k := range ws.byKey {
		if k.inbox == in {
			keys = append(keys, key)
		}
	}
	ws.mu.Unlock()
	for _, key := range keys {
		ws.wake(key, true)
	}
}

// forbids reports whether a server will not let this user publish, subscribe or use
// lists, however often it is asked. A script says so by NOPERM or ERR, depending on
// the server's version.
func forbids(err error) bool {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return false
	}
	text, ofList := strings.CutPrefix(answer.Error(), "NOLIST ")
	text = strings.TrimPrefix(text, "-")
	return strings.HasPrefix(text, "NOPERM") || strings.HasPrefix(text, "ERR unknown command") ||
		ofList && strings.HasPrefix(text, "ERR ")
}
