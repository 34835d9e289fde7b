package otellock

import (
	"fmt"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A Target is a declared family of locks, from [Locker.Target]. It is safe for
// concurrent use.
type Target struct {
	pattern keyPattern
	config  *mutexConfig
}

// Mutex returns the lock of these ids, one for each '*' of the pattern, in order.
//
// An id goes into the key as it is, whatever bytes it holds, so that the key is
// the one that other code makes: with "lock:projects:*", Mutex("eu:9") locks
// lock:projects:eu:9. Only where text separates an id from the next one are '%'
// and the first byte of that text percent-encoded: with "lock:*:*", "a:b" and "c"
// lock lock:a%3Ab:c. Likewise '%' and a brace that would change the hash tag of
// the pattern in a Cluster: with "lock:{*}", "a}" locks lock:{a%7D}.
//
// Two lists of ids of one Target never make the same key. Two Targets can, as
// "lock:*" and "lock:*:*" do, and then they share its lock. A wrong number of
// ids, or an empty one, is an error of every method of the Mutex.
func (t *Target) Mutex(ids ...string) Mutex {
	if t == nil {
		return Mutex{}
	}
	m := Mutex{config: t.config}
	key, err := t.pattern.key(ids)
	if err != nil {
		m.err = invalid("acquire", t.config.observed.Name(), err.Error())
	}
	m.key = key
	return m
}

// KeyMutex returns the lock of an existing key, taken as it is. A key that is not the
// pattern with something in the place of each star is an error of every method
// of the Mutex.
func (t *Target) KeyMutex(key string) Mutex {
	if t == nil {
		return Mutex{}
	}
	m := Mutex{config: t.config, key: key}
	if !t.pattern.matches(key) {
		m.err = invalid("acquire", t.config.observed.Name(),
			fmt.Sprintf("the key does not match the declared pattern %s", t.pattern.text))
	}
	return m
}

// String returns the target's name and pattern.
func (t *Target) String() string {
	if t == nil {
		return "<nil>"
	}
	return t.config.observed.String()
}

// mutexConfig is what a Mutex needs of its Target: the resolved options and the
// telemetry.
type mutexConfig struct {
	lockConfig
	locker   *Locker
	observed *observe.Target
}

func (c *mutexConfig) with(opts []LockOption) (*mutexConfig, error) {
	changed, err := c.lockConfig.with(opts)
	if err != nil {
		return nil, err
	}
	return &mutexConfig{changed, c.locker, c.observed.With(changed.observed()...)}, nil
}
