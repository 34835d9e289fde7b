package redisbackend

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Replies of the scripts. Where another token holds the key, it is a list instead:
// that token, and how many milliseconds it has left.
const (
	absent int64 = 0
	held   int64 = 1 // done, and for acquire: the token holds the key; fenced replies with the fence
)

// A script's fields are strings, kept as the arguments of a command.
type script struct{ source, sha1 any }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source: source, sha1: hex.EncodeToString(sum[:])}
}

// The scripts call by pcall and return the error reply as it is: by call, Redis
// before 7 buries its code (WRONGTYPE, READONLY, OOM) in a text of its own.

// owner begins the scripts that act for the holder only.
const owner = `
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if not value then return 0 end
if value ~= ARGV[1] then ` + foreign + ` end
`

// foreign names who has the key. A value that is longer than any of ours may be of
// any length, and tells nothing.
const foreign = `
  if #value > 200 then value = '' end
  return {value, redis.pcall('PTTL', KEYS[1])}`

var (
	// acquire saves waiters, who send it over and over, the second round trip
	// that would tell their own token from another's. SET NX GET does both, from
	// Redis 7.0 on.
	acquire = newScript(`
local done = redis.pcall('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
if done then
  if done.err then return done end
  return 1
end` + owner + `
return redis.pcall('PEXPIRE', KEYS[1], ARGV[2])`)

	// fenced is acquire with a fence: the server's time in microseconds, or one
	// more than the last fence where the clock has gone back. It is written before
	// the key, so that no grant is without one. KEYS[2] keeps the last fence for a
	// day; after that the clock alone carries on. A number of that size is exact in
	// Lua, but has to be printed with all its digits.
	fenced = newScript(`
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if value and value ~= ARGV[1] then ` + foreign + ` end
local last = redis.pcall('GET', KEYS[2])
if type(last) == 'table' then return last end
local time = redis.call('TIME')
local fence = math.max((tonumber(last or 0) or 0) + 1, time[1] * 1000000 + time[2])
local done = redis.pcall('SET', KEYS[2], string.format('%.0f', fence), 'PX', 86400000)
if done.err then return done end
done = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if done.err then return done end
return fence`)

	// look reads who has the key, and nothing else: it may arrive late, after the
	// key was freed, when acquire would take it for an attempt that is over.
	look = newScript(`
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if not value then return 0 end` + foreign)

	extend = newScript(owner + `
return redis.pcall('PEXPIRE', KEYS[1], ARGV[2])`)

	release = newScript(owner + `
return redis.pcall('DEL', KEYS[1])`)

	// keep is a release that leaves the key, under a value that is no token. One
	// that is repeated finds that value and changes nothing.
	keep = newScript(`
if redis.pcall('GET', KEYS[1]) == ARGV[2] then return 1 end` + owner + `
local done = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if done.err then return done end
return 1`)
)

// loadScripts teaches the scripts to the server of a new connection. A server
// forgets them only when it restarts, which ends its connections. A server that
// refuses is not an error: the command that follows says what is wrong.
func loadScripts(ctx context.Context, conn *redis.Conn) error {
	_, err := conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, s := range []script{acquire, fenced, look, extend, release, keep} {
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
