package etcd

import (
	"context"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/otellock/otellock-go/internal/locktest/pipeline"
	concurrency "github.com/otellock/otellock-go/otellock/oteletcd"
)

// Package peer runs etcd's own tests in each pipeline. They hardly meet a failure.
func TestWhatFailsFailsTheSameInEveryPipeline(t *testing.T) {
	for name, p := range pipeline.All {
		t.Run(name, func(t *testing.T) {
			w := world{t: t, client: connect(t, server.Addr), locks: concurrency.New(p.Options()...)}
			s, other := w.session(), w.session()
			m, busy, e := w.mutex(s), w.mutex(other), w.locks.NewElection(s, prefix(t)+"-election")
			must(t, m.Lock(t.Context()), e.Campaign(t.Context(), "me"))
			if err := busy.TryLock(t.Context()); err != concurrency.ErrLocked {
				t.Errorf("TryLock = %v", err)
			}
			if err := busy.Lock(within(t, 20*time.Millisecond)); err != context.DeadlineExceeded {
				t.Errorf("Lock = %v", err)
			}
			working := w.client.KV
			w.client.KV = failing{working, rpctypes.ErrNoLeader}
			for what, f := range map[string]func(context.Context) error{
				"TryLock": busy.TryLock, "Lock": busy.Lock, "Unlock": m.Unlock, "Resign": e.Resign,
				"Campaign": func(ctx context.Context) error { return e.Campaign(ctx, "you") },
			} {
				if err := f(t.Context()); err != rpctypes.ErrNoLeader {
					t.Errorf("%s = %v, want etcd's own error", what, err)
				}
			}
			w.client.KV = working
			must(t, m.Unlock(t.Context())) // it is still locked
			must(t, busy.Lock(t.Context()))
			_, err := w.client.Revoke(t.Context(), other.Lease())
			must(t, err)
			must(t, m.Lock(t.Context()), m.Unlock(t.Context()))
		})
	}
}
