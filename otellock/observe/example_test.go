package observe_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A sqlLock is a lock that a program has of its own: a row for each key, which
// belongs to its owner until it is deleted or too old. What it emits is observe's.
type sqlLock struct {
	db     *sql.DB
	target *observe.Target
	owner  string
}

const lease = 30 * time.Second

// Do runs fn while the key is locked. It does not wait.
func (l sqlLock) Do(ctx context.Context, key string, fn func(context.Context) error) error {
	acquiring, acquire := l.target.TryAcquire(ctx)
	acquire.Key(key) // never emitted
	err := l.exec(acquiring, observe.ErrContended, `INSERT INTO locks (name, owner, until) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE locks.until < ?`,
		key, l.owner, time.Now().Add(lease), time.Now())
	held := acquire.End(err)
	if err != nil {
		return err
	}
	defer func() {
		releasing, release := held.Release(context.WithoutCancel(ctx))
		release.End(l.exec(releasing, observe.ErrLost, `DELETE FROM locks WHERE name = ? AND owner = ?`, key, l.owner))
	}()
	return fn(ctx)
}

// exec returns none if the statement has changed no row.
func (l sqlLock) exec(ctx context.Context, none error, query string, args ...any) error {
	result, err := l.db.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return none
}

// A lock on an SQL table, observed: each operation is a span, each outcome is
// counted, and a failure is one warning a minute.
func Example() {
	ctx := context.Background()
	observer, err := observe.New(observe.WithBackendName("postgresql"))
	if err != nil {
		panic(err)
	}
	defer observer.Close(ctx)
	reports, err := observer.Target("reports", "report:*", observe.WithTTL(lease))
	if err != nil {
		panic(err)
	}

	db := sql.OpenDB(&table{owners: map[string]string{}}) // your database in production
	first, second := sqlLock{db, reports, "host-1"}, sqlLock{db, reports, "host-2"}
	err = first.Do(ctx, "report:2026-11", func(ctx context.Context) error {
		err := second.Do(ctx, "report:2026-11", nil)
		fmt.Println("host-2 is told that it is busy:", errors.Is(err, observe.ErrContended))
		return nil
	})
	fmt.Println("host-1 has run:", err == nil)
	err = second.Do(ctx, "report:2026-11", func(context.Context) error { return nil })
	fmt.Println("then host-2 has run:", err == nil)
	// Output:
	// host-2 is told that it is busy: true
	// host-1 has run: true
	// then host-2 has run: true
}

// A lock that waits: lock.waiting counts the caller meanwhile, and the lease counts
// from the attempt that was granted.
func ExampleTarget_Acquire() {
	observer, err := observe.New()
	if err != nil {
		panic(err)
	}
	reports, err := observer.Target("reports", "report:*", observe.WithTTL(lease), observe.WithWait(time.Second))
	if err != nil {
		panic(err)
	}
	drop := func(context.Context) error { return nil }
	answers := []error{observe.ErrContended, observe.ErrContended, nil} // of the backend
	attempt := func(context.Context) error { err := answers[0]; answers = answers[1:]; return err }

	ctx, acquire := reports.Acquire(context.Background())
	for deadline := time.Now().Add(time.Second); ; acquire.Retry() {
		err = attempt(ctx)
		if !errors.Is(err, observe.ErrContended) || time.Now().After(deadline) {
			break
		}
		acquire.Wait()
		<-time.After(time.Millisecond) // the lock's own back-off
	}
	held := acquire.End(err) // nil unless err is
	fmt.Println("held:", held != nil)

	ctx, release := held.Release(context.Background())
	release.End(drop(ctx))
	// Output: held: true
}

// A table is as much of a database as the example needs: its two statements, on a
// map, for package database/sql.
type table struct {
	mu     sync.Mutex
	owners map[string]string
}

func (t *table) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name, owner := args[0].Value.(string), args[1].Value.(string)
	holder, locked := t.owners[name]
	switch insert := strings.HasPrefix(query, "INSERT"); {
	case insert && !locked:
		t.owners[name] = owner
	case !insert && holder == owner:
		delete(t.owners, name)
	default:
		return driver.RowsAffected(0), nil
	}
	return driver.RowsAffected(1), nil
}

func (t *table) Connect(context.Context) (driver.Conn, error) { return t, nil }
func (t *table) Driver() driver.Driver                        { return nil }
func (t *table) Close() error                                 { return nil }
func (t *table) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (t *table) Begin() (driver.Tx, error)                    { return nil, driver.ErrSkip }
