package otellock

import (
	"sync"
	"sync/atomic"
	"time"
)

// A hold is one lease, from the first attempt at its key to its end. It never
// refers to the Lease that is given out, so that a forgotten one is garbage.
type hold struct {
	settings *settings
	key      string
	token    string
	mode     mode
	outer    *Lease // the lease that the caller's context runs under
	manual   bool   // given out by Lock or TryLock

	protected bool          // the backend granted it
	start     time.Time     // of the request that was granted: the lease counts from here
	wait      time.Duration // from then to its reply
	retries   int           // attempts after the first
	pending   bool          // an attempt to acquire the token may still land
	length    atomic.Int64  // of the lease, from start, in nanoseconds
	gone      atomic.Bool   // ended, or known to be lost

	mu        sync.Mutex    // never held over a call of the backend
	extending chan struct{} // closed when the extend that is under way has ended
	shortest  time.Duration // time to live of any attempt that may still land
	lost      *Error        // what Extend found
	releasing bool
	ending    bool          // by its holder, by Close, or as garbage
	over      bool          // the end has come
	ended     chan struct{} // closed then; nil where nobody waits for it

	result error // of the end
}

// end calls f unless the lease is ending, and returns when the end has come. It
// is a sync.Once that waits on a channel, because f calls the backend: virtual
// time passes while a goroutine waits for a channel, and not for a mutex.
func (h *hold) end(f func()) {
	h.mu.Lock()
	if h.ending {
		if !h.over && h.ended == nil {
			h.ended = make(chan struct{})
		}
		over, ended := h.over, h.ended
		h.mu.Unlock()
		if !over {
			<-ended
		}
		return
	}
	h.ending = true
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.over = true
		if h.ended != nil {
			close(h.ended)
		}
	}()
	f()
}

// holds reports whether the lease is there, as far as this process knows.
func (h *hold) holds() bool { return h.protected && !h.gone.Load() }

func (h *hold) deadline() time.Time { return h.start.Add(time.Duration(h.length.Load())) }

// granted is the time of the reply that granted the lease.
func (h *hold) granted() time.Time { return h.start.Add(h.wait) }

// contended is the error of a lock that stayed busy.
func (h *hold) contended() *Error {
	if h.outer == nil {
		return h.settings.family.contended
	}
	return h.newError(opAcquire, "contended", ErrContended, nil)
}

func (h *hold) claim(ttl time.Duration) Claim {
	return Claim{Key: h.key, Token: h.token, TTL: ttl}
}

func (h *hold) newError(op operation, class string, kind, cause error) *Error {
	return &Error{Op: op.String(), Target: h.settings.family.name, Type: class, kind: kind, cause: cause, under: h.outer}
}
