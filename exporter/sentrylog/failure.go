package sentrylog

import (
	"strconv"
	"strings"

	"github.com/otellock/otellock-go/exporter/internal/network"
)

// failure says why an event was not delivered: the value of error.type, which
// contains nothing that a server or an address could put into it.
type failure string

const (
	delivered         failure = ""
	failRateLimited   failure = "rate_limited"
	failTimeout       failure = network.Timeout
	failCanceled      failure = network.Canceled
	failRefused       failure = network.Refused
	failBroken        failure = network.Broken
	failResolve       failure = network.Resolve
	failCertificate   failure = network.Certificate
	failEncoding      failure = "encoding_error"
	failClientRefused failure = "refused_by_a_hook"
	failPanic         failure = "panic"
	failCap           failure = "event_cap"
	failQueueFull     failure = "queue_full"
	failShutdown      failure = "shut_down"
	failOther         failure = network.Other
)

func statusFailure(code int) failure { return failure(strconv.Itoa(code)) }

// words says it in an error.
func (f failure) words() string {
	switch {
	case f == "401" || f == "403":
		return "HTTP status " + string(f) + ", check the DSN"
	case f != "" && f[0] >= '0' && f[0] <= '9':
		return "HTTP status " + string(f)
	case f == failOther:
		return "network error"
	}
	return strings.ReplaceAll(string(f), "_", " ")
}

// classify reads an error of a round trip. Its text is never used.
func classify(err error) failure { return failure(network.Class(err)) }
