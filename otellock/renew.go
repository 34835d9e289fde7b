package otellock

import "time"

// maxRenewals is how many leases of a Locker are renewed at the same time: few, so
// that other commands find a connection in a client's pool.
const maxRenewals = 8

// renewAt returns when the next renewal is due: after a third of the time to live,
// and after a failure within a quarter of what is left. It is false when the limit
// is reached, or nothing is left. l.mu is held.
func (l *lease) renewAt(now time.Time) (at time.Time, ok bool) {
	c, w, deadline := l.config, l.watch, l.deadline()
	if !deadline.Before(l.start.Add(c.extendFor)) {
		return time.Time{}, false
	}
	if w.failed != nil {
		least := w.ttl / 32 // of a pause, and of a timeout: a shorter one says nothing of the backend
		at = now.Add(max(l.lossAt().Sub(now)/4, least))
		return at, !at.Add(2 * least).After(l.lossAt())
	}
	at = w.from.Add(deadline.Sub(w.from) / 3)
	if extended := deadline.Add(-c.ttl * 2 / 3); at.Before(extended) { // by more than a time to live
		at = extended
	}
	return at, true
}

// renew extends the lease. If an Extend is under way it does nothing: the end of that
// sets the timer again.
func (l *lease) renew() {
	slots := l.config.locker.renewing
	if !l.awaitSlot(slots) {
		return
	}
	defer func() { <-slots }()
	calls := &l.config.locker.calls
	calls.Begin()
	defer calls.End()

	done := make(chan struct{})
	start := time.Now()
	ttl, timeout, ok := l.beginRenewal(start, done)
	if !ok {
		return
	}
	ctx, op := l.observed.Renew(l.watch.ctx, ttl)
	_ = l.prolong(ctx, start, ttl, timeout, done, &op)
}

// awaitSlot waits until fewer than maxRenewals are under way. It returns false if the
// lease is lost before.
func (l *lease) awaitSlot(slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	default:
	}
	l.mu.Lock()
	patience := time.NewTimer(time.Until(l.lossAt()))
	l.mu.Unlock()
	defer patience.Stop()
	select {
	case slots <- struct{}{}:
		return true
	case <-patience.C:
		return false
	}
}

// beginRenewal registers a renewal as [lease.beginExtend] does, and returns its time
// to live, which ends with the limit at the latest, and its timeout, at most half of
// what is left of the lease.
func (l *lease) beginRenewal(now time.Time, done chan struct{}) (ttl, timeout time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireIfOver(now)
	c, left := l.config, l.lossAt().Sub(now)
	ttl = min(c.ttl, l.start.Add(c.extendFor).Sub(now))
	if l.lost != nil || l.releasing || l.gone.Load() || l.extending != nil || left <= 0 || ttl <= l.deadline().Sub(now) {
		return 0, 0, false
	}
	l.extending = done
	return ttl, min(c.attemptTimeout, left/2), true
}
