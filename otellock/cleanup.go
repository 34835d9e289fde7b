package otellock

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/otellock/otellock-go/internal/inflight"
	"github.com/otellock/otellock-go/otellock/observe"
)

const (
	cleanupInterval = 500 * time.Millisecond // between two looks for one token
	cleanupParallel = 8                      // looks under way: few, so that an outage does not empty a client's pool
	cleanupQueue    = 4096                   // tokens
)

// cleanup removes tokens that may be in the backend though nobody will release
// them: those of acquires that were never answered, and of releases that failed.
// It asks in the background until the backend answers, and once
// more after that, because a command that was delayed on its way can land after
// the answer. While the backend does not answer, one token asks for all.
//
// A token that can still be granted must not be added: it would be deleted under
// its holder. A full queue keeps the oldest tokens, those that were sent before
// an outage was noticed, and refuses newer ones.
type cleanup struct {
	inflight.Counter // of tokens that are not settled
	locker           *Locker

	mu      sync.Mutex
	queue   list.List     // of *leftover; what was looked at last is at the back
	longest time.Duration // the longest time to live that was ever added
	running bool          // a goroutine works on the queue
	stopped bool          // Close has given up
	wake    chan struct{} // has one slot: there is a new token, or stopped is set
}

// A leftover is one token to remove.
type leftover struct {
	ctx     context.Context // carries the trace of the operation that left it
	claim   Claim
	config  *mutexConfig
	lease   *lease // the key is kept until its shortest hold has passed
	byClose bool   // Close tried to release the lease, and could not

	place    *list.Element
	added    time.Time
	due      time.Time // of the next look
	answered bool      // an earlier look was: the next answer is the last
	silent   bool      // the latest look was not answered
	failed   error     // of the latest look
}

func (c *cleanup) init(l *Locker) {
	c.Counter, c.locker, c.wake = inflight.New(), l, make(chan struct{}, 1)
}

// add puts the token of a lease into the queue. byClose says that Close tried to
// release the lease; Close then returns an error if the token is not removed.
func (c *cleanup) add(ctx context.Context, l *lease, byClose bool) {
	now := time.Now()
	l.pending = false
	l.mu.Lock()
	longest := max(l.config.ttl, l.longest)
	l.mu.Unlock()
	left := &leftover{ctx: observe.TraceContext(ctx), claim: Claim{Key: l.key, Token: l.token, TTL: longest},
		config: l.config, lease: l, byClose: byClose, added: now, due: now, failed: errNotTried}
	c.Begin()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.queue.Len() >= cleanupQueue {
		c.settle(left)
		return
	}
	left.place = c.queue.PushBack(left)
	c.longest = max(c.longest, left.claim.TTL)
	if !c.running {
		c.running = true
		go c.run()
	}
	c.nudge()
}

// run looks at what is due until nothing is left.
func (c *cleanup) run() {
	limit := cleanupParallel
	for {
		due, next := c.take(limit)
		if len(due) == 0 {
			if next.IsZero() {
				return
			}
			c.pause(next, true)
			continue
		}
		start := time.Now()
		var looks sync.WaitGroup
		for _, left := range due {
			looks.Go(func() { c.look(left) })
		}
		looks.Wait()
		limit = cleanupParallel
		for _, left := range due {
			if left.silent {
				limit = 1
			}
		}
		if limit == 1 {
			c.pause(start.Add(cleanupInterval), false)
		}
	}
}

// take returns up to limit tokens that are due, or when the next one is. It
// returns neither if the queue is empty: then run must end.
func (c *cleanup) take(limit int) (due []*leftover, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = c.queue.Len() > 0
	now := time.Now()
	for place := c.queue.Front(); place != nil && len(due) < limit; place = place.Next() {
		left := place.Value.(*leftover)
		if !left.due.After(now) {
			due = append(due, left)
		} else if next.IsZero() || left.due.Before(next) {
			next = left.due
		}
	}
	return due, next
}

// pause waits until end, or until Close gives up. With early it also returns as soon
// as there is a new token.
func (c *cleanup) pause(end time.Time, early bool) {
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-c.wake:
			c.mu.Lock()
			stopped := c.stopped
			c.mu.Unlock()
			if early || stopped {
				return
			}
		}
	}
}

// nudge wakes run. c.mu is held.
func (c *cleanup) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// look asks the backend once to remove the token.
func (c *cleanup) look(left *leftover) {
	err := errNoReturn
	defer func() { c.looked(left, err) }()
	claim := left.claim
	claim.Keep = left.lease.keep(time.Now())
	_, err = c.locker.call(left.ctx, "cleanup", claim, left.config.attemptTimeout)
	if errors.Is(err, ErrLost) || errors.Is(err, ErrStolen) {
		err = nil
	}
}

var errNoReturn = errors.New("the backend ended the goroutine")

// looked settles the token, or puts it at the back of the queue.
func (c *cleanup) looked(left *leftover, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if left.place == nil { // Close has given it up
		return
	}
	now := time.Now()
	left.silent = err != nil
	final := false
	switch {
	case err == nil && left.answered:
		final = true
	case err == nil:
		left.answered, left.due = true, now.Add(cleanupInterval)
	default:
		left.failed = err
		// A client that is closed never answers. A server that refuses is there,
		// and forgets the token by itself.
		class := observe.ErrorType(err)
		final = class == typeClosed || isAnswer(class) && now.Sub(left.added) > left.claim.TTL
	}
	if final {
		c.settle(left)
		return
	}
	c.queue.MoveToBack(left.place)
}

// settle removes the token from the queue and records what became of it. c.mu is held.
func (c *cleanup) settle(left *leftover) {
	defer c.End()
	if left.place != nil {
		c.queue.Remove(left.place)
		left.place = nil
	}
	if left.answered {
		left.failed = nil
	}
	left.config.observed.Cleanup(left.ctx, left.failed)
}

// close waits until every token is settled. It gives up when the context ends,
// and when the longest time to live has passed, for then the keys are gone from
// any server that counts it. It returns an error for each lease of Lock that Close
// could not release, and the context's error if that is why it gave up.
func (c *cleanup) close(ctx context.Context) (failed []error, err error) {
	c.mu.Lock()
	longest := c.longest
	c.mu.Unlock()
	patience, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if c.Wait(patience) == nil {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.nudge()
	for c.queue.Len() > 0 {
		left := c.queue.Front().Value.(*leftover)
		if left.byClose && !left.answered {
			failed = append(failed, &Error{Op: "release", Target: left.config.observed.Name(),
				Type: observe.ErrorType(left.failed), kind: ErrBackend, cause: left.failed})
		}
		c.settle(left)
	}
	return failed, ctx.Err()
}
