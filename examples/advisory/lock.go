package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/otellock/otellock-go/otellock/observe"
)

// Locks are PostgreSQL's advisory locks. A lock belongs to the connection that took
// it, and is gone when that is.
type Locks struct {
	db       *sql.DB
	observer *observe.Observer
}

// Do runs fn while nobody else has the key. It does not wait: it returns
// [observe.ErrContended] if somebody has.
func (l Locks) Do(ctx context.Context, key string, fn func(context.Context) error) error {
	acquiring, acquire := l.observer.KeyTarget(key).TryAcquire(ctx)
	acquire.Key(key)
	conn, err := l.take(acquiring, key)
	lease := acquire.End(err)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer func() {
		releasing, release := lease.Release(context.WithoutCancel(ctx))
		release.End(ask(releasing, conn, `SELECT pg_advisory_unlock(hashtextextended($1, 0))`, key, observe.ErrLost))
	}()
	return fn(ctx)
}

func (l Locks) take(ctx context.Context, key string) (*sql.Conn, error) {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	err = ask(ctx, conn, `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`, key, observe.ErrContended)
	if err != nil && !errors.Is(err, observe.ErrContended) {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // it may hold the lock: it must not go back to the pool
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// ask returns no if the database says false. A connection that broke has lost what
// it held.
func ask(ctx context.Context, conn *sql.Conn, query, key string, no error) error {
	var yes bool
	err := conn.QueryRowContext(ctx, query, key).Scan(&yes)
	if err == nil && !yes || errors.Is(err, driver.ErrBadConn) && errors.Is(no, observe.ErrLost) {
		return no
	}
	return err
}
