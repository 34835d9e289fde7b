package redisbackend

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Options returns client options for the server at addr (host:port) that suit
// locks. They can be changed before use:
//
//   - ContextTimeoutEnabled, without which [New] refuses the client;
//   - MaxRetries -1: the Locker retries, and knows what it may repeat;
//   - DialTimeout 200 ms, below the Locker's default attempt timeout of 250 ms;
//   - PoolTimeout 100 ms, below the half of it that the first attempt at a release
//     gets, so that an exhausted pool is reported as that and not as a timeout;
//   - DialerRetries 1: go-redis's five attempts need 0.4 s to find out that
//     nobody listens, and a refused connection would look like a timeout.
func Options(addr string) *redis.Options {
	return &redis.Options{
		Addr:                  addr,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1,
		DialTimeout:           200 * time.Millisecond,
		DialerRetries:         1,
		PoolTimeout:           100 * time.Millisecond,
	}
}
