package envelopetest

import (
	"net/http"
	"strconv"
)

// An Answer is how the server treats one envelope.
type Answer struct {
	Status int         // 0 means 200
	Header http.Header // sent along with the status
	Hang   bool        // read the request, then never answer
	Reset  bool        // read the request, then break the connection
}

// OK takes the envelope.
func OK() Answer { return Answer{} }

// Status answers with the code and takes nothing, unless the code is 2xx.
func Status(code int) Answer { return Answer{Status: code} }

// TooMany answers 429 with a Retry-After of that many seconds. A negative
// number sends no header.
func TooMany(seconds int) Answer {
	a := Answer{Status: http.StatusTooManyRequests, Header: http.Header{}}
	if seconds >= 0 {
		a.Header.Set("Retry-After", strconv.Itoa(seconds))
	}
	return a
}

// Limited answers with the status and an X-Sentry-Rate-Limits header, such as
// "60:error:organization" or "2700:default;error:key, 60:transaction".
func Limited(status int, limits string) Answer {
	return Answer{Status: status, Header: http.Header{"X-Sentry-Rate-Limits": {limits}}}
}

// Hang never answers; the connection stays open until the client gives up or
// the server is closed.
func Hang() Answer { return Answer{Hang: true} }

// Reset breaks the connection after the request was read.
func Reset() Answer { return Answer{Reset: true} }

func (a Answer) takes() bool {
	return !a.Hang && !a.Reset && (a.Status == 0 || a.Status >= 200 && a.Status < 300)
}
