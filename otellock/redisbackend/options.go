package redisbackend

import (
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options returns client options for the server at addr (host:port) that suit
// locks with the Locker's default attempt timeout of 250 ms. They can be changed
// before use:
//
//   - ContextTimeoutEnabled and MaintNotificationsConfig, without which [New]
//     refuses the client;
//   - MaxRetries -1: the Locker retries, and knows what it may repeat;
//   - DialTimeout 200 ms, below the attempt timeout;
//   - PoolTimeout 75 ms: the first attempt at a release gets half of the attempt
//     timeout, and a call that waits for a connection has to end well before, so
//     that the Locker knows that nothing was sent and asks again;
//   - DialerRetries 1: go-redis's five attempts need 0.4 s to find out that
//     nobody listens, and a refused connection would look like a timeout;
//   - OnConnect loads the scripts, so that traces show no NOSCRIPT after the
//     server has restarted. Without it the backend does so when it has to;
//   - DisableIdentity saves the round trip that this costs, and an error in the
//     trace: Redis before 7.2 does not know CLIENT SETINFO.
//
// PoolSize is go-redis's default of 10 for each CPU. A call occupies a
// connection for one round trip, so the pool needs about
//
//	calls per second at the peak × seconds per round trip
//
// A pod whose CPU is throttled stops for up to a CFS period, 100 ms unless
// configured otherwise, with replies unread and timers late. Give it an attempt
// timeout of three periods or more (otellock.WithAttemptTimeout), a DialTimeout
// of 4/5 and a PoolTimeout of 3/10 of that, and count the pause as part of the
// round trip in PoolSize. A limit on CPU that the pod does not run into is
// better than any timeout.
func Options(addr string) *redis.Options {
	return &redis.Options{
		Addr:                     addr,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		MaxRetries:               -1,
		DialTimeout:              200 * time.Millisecond,
		DialerRetries:            1,
		PoolTimeout:              75 * time.Millisecond,
		OnConnect:                loadScripts,
		DisableIdentity:          true,
	}
}
