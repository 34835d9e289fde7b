package redisbackend

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// admit says why a client cannot carry locks, and what to change.
func admit(rdb redis.UniversalClient) error {
	switch c := rdb.(type) {
	case nil:
		return errNil
	case *redis.Client:
		if c == nil {
			return errNil
		}
		o, name := c.Options(), "redis.Options"
		if o.Addr == failoverAddr {
			name = "redis.FailoverOptions"
		}
		// Not the options' own word: go-redis changes it when a server refuses.
		return bounded(name, o.ContextTimeoutEnabled, c.GetMaintNotificationsManager() != nil, o.ReadTimeout, o.WriteTimeout)
	case *redis.ClusterClient:
		if c == nil {
			return errNil
		}
		o := c.Options()
		m := o.MaintNotificationsConfig // nil is auto
		notified := o.Protocol != 2 && (m == nil || m.Mode != maintnotifications.ModeDisabled)
		return bounded("redis.ClusterOptions", o.ContextTimeoutEnabled, notified, o.ReadTimeout, o.WriteTimeout)
	case *redis.Ring:
		return errors.New("redisbackend: a redis.Ring cannot carry locks: when a shard is lost it moves keys to another one, " +
			"and a lock has two holders; use redis.NewClient, redis.NewFailoverClient or redis.NewClusterClient")
	default:
		return fmt.Errorf("redisbackend: a %T cannot be checked for what locks need; "+
			"pass the *redis.Client or *redis.ClusterClient itself", rdb)
	}
}

var errNil = errors.New("redisbackend: the Redis client is nil")

// bounded says which option lets a command outlive the deadline of its context.
// go-redis keeps a timeout of -2 as -1: no deadline is ever set on the socket.
func bounded(options string, contextTimeout, notified bool, read, write time.Duration) error {
	switch {
	case !contextTimeout:
		return fmt.Errorf("redisbackend: set %s.ContextTimeoutEnabled to true: "+
			"without it a hung server holds every call for the client's ReadTimeout, whatever the lock's own timeouts", options)
	case read < 0:
		return fmt.Errorf("redisbackend: %s.ReadTimeout is -2, which switches read deadlines off; "+
			"use -1 or a positive duration", options)
	case write < 0:
		return fmt.Errorf("redisbackend: %s.WriteTimeout is -2, which switches write deadlines off; "+
			"use -1 or a positive duration", options)
	case notified:
		return fmt.Errorf("redisbackend: set %s.MaintNotificationsConfig to "+
			"&maintnotifications.Config{Mode: maintnotifications.ModeDisabled}: "+
			"with it on, which is the default, new connections wait for one another whatever the deadline", options)
	}
	return nil
}
