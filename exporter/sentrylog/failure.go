package sentrylog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// failure says why an event was not delivered: the value of error.type, which
// contains nothing that a server or an address could put into it.
type failure string

const (
	delivered         failure = ""
	failRateLimited   failure = "rate_limited"
	failTimeout       failure = "timeout"
	failCanceled      failure = "canceled"
	failRefused       failure = "connection_refused"
	failBroken        failure = "connection_reset"
	failResolve       failure = "name_resolution_error"
	failCertificate   failure = "certificate_error"
	failEncoding      failure = "encoding_error"
	failClientRefused failure = "refused_by_a_hook"
	failPanic         failure = "panic"
	failCap           failure = "event_cap"
	failQueueFull     failure = "queue_full"
	failShutdown      failure = "shut_down"
	failOther         failure = "_OTHER"
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
func classify(err error) failure {
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		timeout     net.Error
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return failTimeout
	case errors.Is(err, context.Canceled):
		return failCanceled
	case errors.Is(err, syscall.ECONNREFUSED):
		return failRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failBroken
	case errors.As(err, &dns):
		return failResolve
	case errors.As(err, &certificate), errors.As(err, &authority):
		return failCertificate
	case errors.As(err, &timeout) && timeout.Timeout():
		return failTimeout
	}
	return failOther
}
