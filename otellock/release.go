package otellock

import (
	"context"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// release ends the lease as its holder does. Later calls return the result of
// the first.
func (l *lease) release(ctx context.Context) error {
	if !l.protected {
		return nil
	}
	var op observe.Operation
	first := l.end(func() {
		l.stopWork(nil)
		ctx, op = l.observed.Release(ctx)
		err, left := l.giveBack(ctx, &op)
		if err != nil {
			l.result = err
		}
		if left {
			l.config.locker.cleanup.add(ctx, l, false)
		}
	})
	if first {
		l.reports.Wait() // a loss that has just ended the work is reported first
		op.End(l.result)
	}
	return l.result
}

// releaseByClose ends the lease as Close does.
func (l *lease) releaseByClose(ctx context.Context) {
	l.end(func() {
		closed := l.newError("release", "closed", ErrClosed, nil)
		l.result = closed
		l.stopWork(closed)
		var uncounted observe.Operation
		err, left := l.giveBack(ctx, &uncounted)
		l.observed.Drop(ctx)
		switch {
		case left:
			l.config.locker.cleanup.add(ctx, l, true)
		case err == nil:
			l.config.observed.Cleanup(ctx, nil)
		default:
			l.config.observed.Cleanup(ctx, err)
		}
	})
}

// abandon ends a lease that nobody can release any more. The backend is not
// touched, nor by a cleanup: the collector may run while the critical section still
// does.
func (l *lease) abandon() {
	if l.beginEnd() {
		defer l.finishEnd()
		l.pending = false
		l.observed.Abandon(context.Background())
	}
}

// end calls f if it is the first to end the lease, and returns when the lease has
// ended. It waits on a channel and not in a sync.Once, because f calls the backend.
func (l *lease) end(f func()) (first bool) {
	if !l.beginEnd() {
		l.awaitEnd()
		return false
	}
	defer l.finishEnd()
	f()
	return true
}

// beginEnd reports whether the caller is the first to end the lease. It has to call
// finishEnd then.
func (l *lease) beginEnd() (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = !l.ending
	l.ending = true
	return first
}

// finishEnd wakes those who wait for the end.
func (l *lease) finishEnd() {
	l.forget()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = true
	if l.waiters != nil {
		close(l.waiters)
	}
}

// awaitEnd returns when the lease has ended, and its result is set.
func (l *lease) awaitEnd() {
	l.mu.Lock()
	if l.waiters == nil && !l.finished {
		l.waiters = make(chan struct{})
	}
	waiters := l.waiters
	l.mu.Unlock()
	if waiters != nil {
		<-waiters
	}
}

// forget drops what the process keeps of a lease that has ended, and has a token
// cleaned up that may still be granted.
func (l *lease) forget() {
	l.gone.Store(true)
	locker := l.config.locker
	if l.pending { // an attempt to acquire may still land
		locker.cleanup.add(context.Background(), l, false)
	}
	if l.given {
		locker.mu.Lock()
		delete(locker.given, l)
		locker.mu.Unlock()
	}
}

// giveBack removes the key, or keeps it busy for its shortest hold, unless the
// backend has said that the lease is lost. It takes one attempt timeout at most. If
// an Extend is under way it waits for that first, for half of the time at most: one
// that is not answered by then is overtaken, and finds the key gone. left says that
// the key may still be there.
func (l *lease) giveBack(ctx context.Context, op *observe.Operation) (failed *Error, left bool) {
	start, timeout := time.Now(), l.config.attemptTimeout
	l.mu.Lock()
	l.releasing = true
	extending := l.extending
	l.mu.Unlock()
	if extending != nil {
		half := time.NewTimer(timeout / 2)
		select {
		case <-extending:
		case <-half.C:
			l.mu.Lock()
			l.overtaken = l.extending != nil
			l.mu.Unlock()
		}
		half.Stop()
		timeout -= time.Since(start)
	}
	l.mu.Lock()
	lost, outlived := l.lost, l.outlived
	l.mu.Unlock()
	if lost == nil || outlived {
		failed, _ = l.request(ctx, "release", 0, timeout, op)
		left = failed != nil && failed.kind == ErrBackend
	}
	if lost != nil {
		failed = l.newError("release", lost.Type, lost.kind, lost.cause)
		failed.holder = lost.holder
	}
	return failed, left
}

// keep returns for how long a release has to keep the key busy.
func (l *lease) keep(now time.Time) time.Duration {
	if l.config.minHold == 0 || l.granted.IsZero() {
		return 0
	}
	return max(0, l.granted.Add(l.config.minHold).Sub(now))
}
