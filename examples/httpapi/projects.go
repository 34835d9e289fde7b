package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/otellock/otellock-go/otellock"
)

const (
	leaseTTL    = 10 * time.Second
	patience    = 500 * time.Millisecond // a busy project's second writer waits this long for its 409
	usualWork   = 20 * time.Millisecond
	longestWork = 8 * time.Second // below the TTL
)

// projects are what the service stores. What the lock guards is the update of
// one project across all instances of the service, not this map.
type projects struct {
	lock *otellock.Target

	mu       sync.Mutex
	versions map[string]int
}

func newProjects(locker *otellock.Locker) (*projects, error) {
	lock, err := locker.Target("projects", "lock:projects:*",
		otellock.WithTTL(leaseTTL), otellock.WithWait(patience))
	if err != nil {
		return nil, err
	}
	return &projects{lock: lock, versions: map[string]int{}}, nil
}

func routes(p *projects) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("PUT /projects/{id}", otelhttp.NewHandler(http.HandlerFunc(p.put), "PUT /projects/{id}"))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return mux
}

type updated struct {
	ID        string `json:"id"`
	Version   int    `json:"version"`
	Protected bool   `json:"protected"` // false: Redis did not answer, and the lock failed open
}

func (p *projects) put(w http.ResponseWriter, r *http.Request) {
	work, err := workOf(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := r.PathValue("id")
	result, err := otellock.Do(r.Context(), p.lock.Mutex(id), func(ctx context.Context) (updated, error) {
		version, err := p.update(ctx, id, work)
		return updated{id, version, otellock.LeaseFromContext(ctx).Protected()}, err
	})
	switch {
	case errors.Is(err, otellock.ErrContended):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the project is being updated", http.StatusConflict)
	case err != nil:
		http.Error(w, "the project was not updated", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(result) // the client has gone, if this fails
	}
}

// update takes its time, as a database would.
func (p *projects) update(ctx context.Context, id string, work time.Duration) (version int, err error) {
	select {
	case <-time.After(work):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.versions[id]++
	return p.versions[id], nil
}

func workOf(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("work")
	if text == "" {
		return usualWork, nil
	}
	work, err := time.ParseDuration(text)
	if err != nil || work < 0 || work > longestWork {
		return 0, errors.New("work must be a duration from 0s to 8s")
	}
	return work, nil
}
