package otellock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// An endpoint answers 409 while somebody else works on the same project. An
// outage of the backend costs it the protection, and no request.
func Example_http() {
	locker, err := otellock.New(memorybackend.New()) // redisbackend.New(client) in production
	if err != nil {
		panic(err)
	}
	projects, err := locker.Target("projects", "lock:projects:*", otellock.WithWait(50*time.Millisecond))
	if err != nil {
		panic(err)
	}
	save := func(w http.ResponseWriter, r *http.Request) {
		err := projects.Mutex(r.PathValue("id")).Do(r.Context(), func(ctx context.Context) error {
			fmt.Fprintln(w, "saved")
			return nil
		})
		switch {
		case errors.Is(err, otellock.ErrContended):
			w.Header().Set("Retry-After", "1")
			http.Error(w, "somebody else is saving this project", http.StatusConflict)
		case err != nil:
			http.Error(w, "not saved", http.StatusInternalServerError)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /projects/{id}", save)

	put := func() {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("PUT", "/projects/42", nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	put()
	_ = projects.Mutex("42").Do(context.Background(), func(context.Context) error {
		put()
		return nil
	})
	// Output:
	// 200 saved
	// 409 somebody else is saving this project
}

// Of many replicas of a worker one does the nightly job; the others skip it.
func ExampleMutex_TryDo() {
	locker, err := otellock.New(memorybackend.New())
	if err != nil {
		panic(err)
	}
	nightly, err := locker.Target("nightly", "lock:cron:nightly", otellock.WithTTL(time.Hour))
	if err != nil {
		panic(err)
	}
	replica := func(ctx context.Context, then func()) {
		ran, err := nightly.Mutex().TryDo(ctx, func(context.Context) error {
			fmt.Println("the job runs")
			then()
			return nil
		})
		fmt.Println("ran:", ran, "error:", err)
	}
	replica(context.Background(), func() { replica(context.Background(), nil) })
	// Output:
	// the job runs
	// ran: false error: <nil>
	// ran: true error: <nil>
}

// A lease by hand, for work that does not fit into one function.
func ExampleMutex_Lock() {
	ctx := context.Background()
	locker, err := otellock.New(memorybackend.New())
	if err != nil {
		panic(err)
	}
	defer locker.Close(ctx)
	imports, err := locker.Target("imports", "lock:imports:*", otellock.WithFailClosed(true))
	if err != nil {
		panic(err)
	}

	lease, err := imports.Mutex("customers.csv").Lock(ctx)
	if err != nil {
		panic(err)
	}
	for chunk := range 3 {
		if err := lease.Extend(ctx, 10*time.Second); err != nil {
			fmt.Println("stop, the lease is gone:", err)
			break
		}
		fmt.Println("chunk", chunk)
	}
	fmt.Println("released:", lease.Release(ctx))
	// Output:
	// chunk 0
	// chunk 1
	// chunk 2
	// released: <nil>
}

// A unit test needs no server, and four lines for an outage.
func ExampleNew_unitTest() {
	backend := memorybackend.New()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	locker, err := otellock.New(backend, otellock.WithLogger(quiet))
	if err != nil {
		panic(err)
	}
	orders, err := locker.Target("orders", "lock:orders:*")
	if err != nil {
		panic(err)
	}
	pay := func(opts ...otellock.LockOption) error {
		return orders.Mutex("7").With(opts...).Do(context.Background(), func(ctx context.Context) error {
			fmt.Println("paid, protected:", otellock.LeaseFromContext(ctx).Protected())
			return nil
		})
	}
	_ = pay()

	backend.Fail(errors.New("connection refused"))
	_ = pay()
	err = pay(otellock.WithFailClosed(true))
	backend.Fail(nil)

	fmt.Println(errors.Is(err, otellock.ErrBackend))
	// Output:
	// paid, protected: true
	// paid, protected: false
	// true
}

// A function with a result.
func ExampleDo() {
	locker, err := otellock.New(memorybackend.New())
	if err != nil {
		panic(err)
	}
	numbers, err := locker.Target("invoice-numbers", "lock:invoice-numbers")
	if err != nil {
		panic(err)
	}
	number, err := otellock.Do(context.Background(), numbers.Mutex(), func(context.Context) (int, error) {
		return 118, nil
	})
	fmt.Println(number, err)
	// Output: 118 <nil>
}

// An endpoint answers 409 if its own lock is busy. A lock that its function takes
// may be busy too: that one is its function's matter, and not the client's.
func ExampleOwnError() {
	locker, err := otellock.New(memorybackend.New())
	if err != nil {
		panic(err)
	}
	projects, err := locker.Target("projects", "lock:projects:*", otellock.WithWait(0))
	if err != nil {
		panic(err)
	}
	quotas, err := locker.Target("quotas", "lock:quotas:*", otellock.WithWait(0))
	if err != nil {
		panic(err)
	}
	save := func(ctx context.Context, project string) int {
		err := projects.Mutex(project).Do(ctx, func(ctx context.Context) error {
			return quotas.Mutex("acme").Do(ctx, func(context.Context) error { return nil })
		})
		if own, ok := otellock.OwnError(ctx, err); ok && errors.Is(own, otellock.ErrContended) {
			return http.StatusConflict
		}
		if err != nil {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}

	ctx := context.Background()
	busy := func(m otellock.Mutex) {
		lease, err := m.Lock(ctx)
		if err != nil {
			panic(err)
		}
		defer lease.Release(ctx)
		fmt.Println(save(ctx, "42"))
	}
	busy(projects.Mutex("42"))
	busy(quotas.Mutex("acme"))
	fmt.Println(save(ctx, "42"))
	// Output:
	// 409
	// 500
	// 200
}

// A store is a table of which a row remembers the fence of its last writer.
type store struct {
	name  string
	fence uint64
}

var errFenced = errors.New("a later holder has written")

// update is UPDATE projects SET name = ?, fence = ? WHERE id = ? AND fence <= ?, of
// which no row means errFenced. The same holder may write twice.
func (s *store) update(name string, fence uint64) error {
	if fence < s.fence {
		return errFenced
	}
	s.name, s.fence = name, fence
	return nil
}

// A holder that was stopped for longer than its lease wakes up and writes. No lock
// can prevent that, and the store refuses it.
func ExampleLease_Fence() {
	ctx := context.Background()
	backend := memorybackend.New()
	locker, err := otellock.New(backend)
	if err != nil {
		panic(err)
	}
	projects, err := locker.Target("projects", "lock:projects:*", otellock.WithFencing(), otellock.WithFailClosed(true))
	if err != nil {
		panic(err)
	}
	var row store
	write := func(lease *otellock.Lease, name string) error {
		fence, ok := lease.Fence()
		if !ok {
			return errors.New("unprotected")
		}
		return row.update(name, fence)
	}

	stopped, err := projects.Mutex("42").Lock(ctx)
	if err != nil {
		panic(err)
	}
	backend.Clear() // its time to live passes
	next, err := projects.Mutex("42").Lock(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println("the next holder:", write(next, "one"), write(next, "two"))
	fmt.Println("the stopped one:", write(stopped, "stale"))
	fmt.Println("the name is", row.name)
	// Output:
	// the next holder: <nil> <nil>
	// the stopped one: a later holder has written
	// the name is two
}

// A job of half an hour on a lease of ten seconds: it is renewed while it works, and
// stops when the lease is lost.
func ExampleWithAutoExtend() {
	backend := memorybackend.New()
	locker, err := otellock.New(backend, otellock.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		panic(err)
	}
	reports, err := locker.Target("reports", "lock:report", otellock.WithTTL(900*time.Millisecond), // 10 s in production
		otellock.WithAutoExtend(30*time.Minute), otellock.WithFailClosed(true))
	if err != nil {
		panic(err)
	}
	err = reports.Mutex().Do(context.Background(), func(ctx context.Context) error {
		backend.Clear() // the server loses the key
		<-ctx.Done()    // pass ctx to everything that the job does
		return context.Cause(ctx)
	})
	fmt.Println("stopped:", errors.Is(err, otellock.ErrLost))
	// Output: stopped: true
}
