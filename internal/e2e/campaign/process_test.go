package campaign

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// A process is what a service has: a client, a wire to the server, a Locker.
type process struct {
	name   string
	r      *run
	proxy  *toxiproxy.Proxy
	rdb    *redis.Client
	locker *otellock.Locker
	target *otellock.Target
	seen   *seen
	tally  tally
	kept   sync.Map // leases that are left to Close

	attempt  time.Duration
	mayClose bool // before the end of the run
	closing  atomic.Bool
}

func (r *run) newProcess(i int) *process {
	p := &process{name: "process" + strconv.Itoa(i), r: r, proxy: newProxy(r.t, r.server.Addr), seen: newSeen(r), mayClose: i == 0}
	r.t.Cleanup(p.proxy.Stop)
	attempt := r.between(100*time.Millisecond, 250*time.Millisecond)
	p.attempt = attempt
	options := redisbackend.Options(p.proxy.Listen)
	options.PoolSize, options.DialTimeout, options.PoolTimeout = 2+r.rand.IntN(7), 4*attempt/5, attempt/5
	p.rdb = redis.NewClient(options)
	r.t.Cleanup(func() { _ = p.rdb.Close() })
	backend, err := redisbackend.New(p.rdb)
	if err != nil {
		r.t.Fatal(err)
	}
	p.locker, err = otellock.New(tap{backend, p}, append(p.seen.options(), otellock.WithAttemptTimeout(attempt),
		otellock.WithWakeUp(r.rand.IntN(3) > 0), otellock.WithTTL(r.ttl), otellock.WithWait(r.between(0, time.Second)))...)
	if err != nil {
		r.t.Fatal(err)
	}
	if p.target, err = p.locker.Target("campaign", key("*")); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (p *process) close() {
	p.closing.Store(true)
	p.r.holders.closing(p)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p.r.note("%s Close: %v", p.name, p.locker.Close(ctx))
	p.kept.Range(func(lease, _ any) bool {
		if foundLost(lease.(*otellock.Lease)) == "lease" { // the clock was first, and counted the release
			p.tally.add(released)
			p.tally.add(mayBeLost)
		}
		p.kept.Delete(lease)
		return true
	})
}

// foundLost says who found before its release that a lease is lost: "lease", the
// clock, or "extend", or nobody.
func foundLost(lease *otellock.Lease) string {
	var lost *otellock.Error
	if err := lease.Extend(context.Background(), time.Minute); errors.As(err, &lost) && lost.Type != "released" && lost.Type != "unprotected" {
		return lost.Op
	}
	return ""
}

func (p *process) isClosed() bool { return p.closing.Load() }
