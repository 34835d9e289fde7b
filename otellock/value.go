package otellock

import (
	"context"
	"crypto/rand"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

// The value of a key proves who holds it, and tells whoever reads it who that is:
//
//	otellock/1 ZK5XQ7R2PUCJLWM3NDVTY4HAEB 00-8379…-…-01 10000ms 4711@web-1
//
// These are the version of the format, a random token, the span that acquired the
// lock (a W3C traceparent, "-" without one), the time to live that was asked for,
// and the process, each after one space, in at most 200 bytes. Backends compare the
// value as a whole. With WithHolderInfo(false) it is the token alone. A key that is
// kept after its release has "kept " before it.
const (
	valueVersion = "otellock/1"
	maxValueLen  = 200
	maxInstance  = 64
	tokenLen     = 26 // of rand.Text
	keptPrefix   = "kept "
)

// newValue returns a value that was never used before, for the span of ctx.
func (c *mutexConfig) newValue(ctx context.Context) string {
	token := rand.Text()
	if c.anonymous {
		return token
	}
	span := observe.Traceparent(ctx)
	if span == "" {
		span = "-"
	}
	b := make([]byte, 0, maxValueLen)
	b = append(append(b, valueVersion+" "...), token...)
	b = append(append(append(b, ' '), span...), ' ')
	b = strconv.AppendInt(b, wholeMilliseconds(c.ttl), 10)
	b = append(append(b, "ms "...), instance...)
	return string(b)
}

func wholeMilliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// instance is the name of this process in the values: its number and its host.
var instance = instanceName(os.Getpid(), hostname())

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

func instanceName(pid int, host string) string {
	host = strings.Map(func(r rune) rune {
		if r < 128 && isInstanceByte(byte(r)) && r != '@' {
			return r
		}
		return '_'
	}, host)
	name := strconv.Itoa(pid) + "@" + host
	return name[:min(len(name), maxInstance)]
}

func isInstanceByte(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return strings.IndexByte("@._-", b) >= 0
}

// A value is a stored value, parsed. Anybody may have written it.
type value struct {
	span     string // a traceparent, or ""
	ttl      time.Duration
	instance string
	kept     bool // the lease has been released, and the key has not
}

// parseValue parses what newValue makes, with or without the prefix of a key that is
// kept. ok is false for everything else.
func parseValue(s string) (v value, ok bool) {
	if len(s) > maxValueLen {
		return value{}, false
	}
	s, kept := strings.CutPrefix(s, keptPrefix)
	version, rest, _ := strings.Cut(s, " ")
	token, rest, _ := strings.Cut(rest, " ")
	span, rest, _ := strings.Cut(rest, " ")
	ttl, instance, _ := strings.Cut(rest, " ")
	if version != valueVersion || len(token) != tokenLen || !all(token, isTokenByte) ||
		instance == "" || len(instance) > maxInstance || !all(instance, isInstanceByte) {
		return value{}, false
	}
	if span == "-" {
		span = ""
	} else if !isTraceparent(span) {
		return value{}, false
	}
	digits, found := strings.CutSuffix(ttl, "ms")
	ms, err := strconv.ParseInt(digits, 10, 64)
	if !found || err != nil || ms < 1 || ms > int64(maxTTL/time.Millisecond) || !all(digits, isDigit) || digits[0] == '0' {
		return value{}, false
	}
	return value{span: span, ttl: time.Duration(ms) * time.Millisecond, instance: instance, kept: kept}, true
}

func isTokenByte(b byte) bool { return 'A' <= b && b <= 'Z' || '2' <= b && b <= '7' }
func isDigit(b byte) bool     { return '0' <= b && b <= '9' }
func isHex(b byte) bool       { return isDigit(b) || 'a' <= b && b <= 'f' }

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

const zeroTraceID = "00000000000000000000000000000000"

func isTraceparent(s string) bool {
	parts := strings.Split(s, "-")
	if len(parts) != 4 || parts[0] != "00" || parts[1] == zeroTraceID || parts[2] == zeroTraceID[:16] {
		return false
	}
	for i, length := range []int{2, 32, 16, 2} {
		if len(parts[i]) != length || !all(parts[i], isHex) {
			return false
		}
	}
	return true
}

// age returns how long the lease has been held at least, by the server's clock. An
// extend makes a lease look younger, or older if it shortened the time to live.
func (v value) age(left time.Duration) (age time.Duration, known bool) {
	if left <= 0 || left > v.ttl || v.kept {
		return 0, false
	}
	return v.ttl - left, true
}
