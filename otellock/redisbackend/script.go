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

	// Of releaseAndWake, which has released the key.
	wokeNobody int64 = held
	wokeSelf   int64 = 2
	wokeOther  int64 = 3
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

// take sets the key, or finds that this token holds it. The time to live comes last.
const take = `
local done = redis.pcall('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[#ARGV])
if done then
  if done.err then return done end
  return 1
end
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if value == ARGV[1] then return redis.pcall('PEXPIRE', KEYS[1], ARGV[#ARGV]) end`

// foreign names who has the key. A value that is longer than any of ours may be of
// any length, and tells nothing.
const foreign = `
  if #value > 200 then value = '' end
  return {value, redis.pcall('PTTL', KEYS[1])}`

// list puts ARGV[2] at the end of KEYS[2] that ARGV[3] says, unless it is in there. A list that cannot
// expire would stay for ever. A failure is told from one of the key: a busy lock is
// busy without the list.
const list = `
  local place = redis.pcall('LPOS', KEYS[2], ARGV[2])
  if not place then place = redis.pcall(ARGV[3], KEYS[2], ARGV[2]) end
  if type(place) ~= 'table' then
    place = redis.pcall('PEXPIRE', KEYS[2], 2000)
    if type(place) == 'table' then redis.pcall('LREM', KEYS[2], 0, ARGV[2]) end
  end
  if type(place) == 'table' then return redis.error_reply('NOLIST ' .. place.err) end`

// next wakes the first of KEYS[2] whose inbox is read. PUBLISH counts who reads it on
// this server.
const next = `
while true do
  local inbox = redis.pcall('LPOP', KEYS[2])
  if type(inbox) ~= 'string' then return 1 end
  if inbox == ARGV[2] then return 2 end
  local readers = redis.pcall('PUBLISH', inbox, KEYS[1])
  if type(readers) == 'table' then return 1 end
  if readers > 0 then return 3 end
end`

var (
	// acquire saves an attempt that may find its own token the second round trip that
	// would tell it from another's. SET NX GET does both, from Redis 7.0 on.
	acquire = newScript(take + foreign)

	// acquireOrEnlist is acquire and enlist in one, for a waiter who asks again.
	acquireOrEnlist = newScript(take + list + foreign)

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
local time = redis.pcall('TIME')
if time.err then return time end
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

	// enlist is look by a waiter: where the key is busy, ARGV[2], the inbox of its
	// process, gets into KEYS[2], the list of who waits. It keeps its place there.
	enlist = newScript(`
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if not value then return 0 end` + list + foreign)

	// releaseAndWake is release, and wakes the inbox that waits longest. ARGV[2] is the
	// caller's own, if others of his process wait: it waits from now on. It is not
	// published to if it is the next, for the reply says so: that is at once where nobody
	// else waits. The key is gone by then, so that no failure of the list is one of the
	// release.
	releaseAndWake = newScript(owner + `
local done = redis.pcall('DEL', KEYS[1])
if type(done) == 'table' then return done end
local function wait()` + list + `
end
if ARGV[2] ~= '' then
  if redis.pcall('EXISTS', KEYS[2]) == 0 then return 2 end
  wait()
end` + next)

	// leave takes an inbox out of the list. If it is not there, it may have been woken
	// in vain: then the next one is.
	leave = newScript(`
local done = redis.pcall('LREM', KEYS[2], 0, ARGV[2])
if done ~= 0 then return done end
if redis.pcall('EXISTS', KEYS[1]) ~= 0 then return 0 end` + next)

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
		for _, s := range []script{acquire, acquireOrEnlist, fenced, look, enlist, extend, release, releaseAndWake, leave, keep} {
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
