package redisbackend

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Replies of the scripts.
const (
	foreign int64 = -1 // another token holds the key
	absent  int64 = 0
	held    int64 = 1 // done, and for acquire: the token holds the key
)

// A script's fields are strings, kept as the arguments of a command.
type script struct{ source, sha1 any }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source: source, sha1: hex.EncodeToString(sum[:])}
}

// The scripts call by pcall and return the error reply as it is: by call, Redis
// before 7 buries its code (WRONGTYPE, READONLY, OOM) in a text of its own.
var (
	// acquire saves waiters, who send it over and over, the second round trip
	// that would tell their own token from another's. SET NX GET does both, from
	// Redis 7.0 on.
	acquire = newScript(`
local r = redis.pcall('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
if r then
  if r.err then return r end
  return 1
end
r = redis.pcall('GET', KEYS[1])
if type(r) == 'table' then return r end
if r ~= ARGV[1] then return -1 end
return redis.pcall('PEXPIRE', KEYS[1], ARGV[2])`)

	extend = newScript(`
local r = redis.pcall('GET', KEYS[1])
if type(r) == 'table' then return r end
if not r then return 0 end
if r ~= ARGV[1] then return -1 end
return redis.pcall('PEXPIRE', KEYS[1], ARGV[2])`)

	release = newScript(`
local r = redis.pcall('GET', KEYS[1])
if type(r) == 'table' then return r end
if not r then return 0 end
if r ~= ARGV[1] then return -1 end
return redis.pcall('DEL', KEYS[1])`)
)

// loadScripts teaches the scripts to the server of a new connection. A server
// forgets them only when it restarts, which ends its connections. A server that
// refuses is not an error: the command that follows says what is wrong.
func loadScripts(ctx context.Context, conn *redis.Conn) error {
	_, err := conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, s := range []script{acquire, extend, release} {
			p.Do(ctx, "script", "load", s.source)
		}
		return nil
	})
	var refused redis.Error
	if errors.As(err, &refused) {
		return nil
	}
	return err
}
