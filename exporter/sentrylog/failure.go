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
	"syscall"
)

// failure says why an event was not delivered: the value of error.type, bounded
// and free of anything that a server or an address could put into it.
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
	failClientRefused failure = "client_refused"
	failPanic         failure = "panic"
	failCap           failure = "event_cap"
	failQueueFull     failure = "queue_full"
	failShutdown      failure = "shut_down"
	failOther         failure = "_OTHER"
)

func statusFailure(code int) failure { return failure(strconv.Itoa(code)) }

func (f failure) words() string {
	switch f {
	case failRateLimited:
		return "rate limited by Sentry"
	case failTimeout:
		return "no answer in time"
	case failCanceled:
		return "canceled"
	case failRefused:
		return "connection refused"
	case failBroken:
		return "connection broken"
	case failResolve:
		return "host name not resolved"
	case failCertificate:
		return "certificate not accepted"
	case failEncoding:
		return "event could not be encoded"
	case failClientRefused:
		return "refused by a hook of the client"
	case failQueueFull:
		return "the queue is full"
	case failShutdown:
		return "emitted after Shutdown"
	case failPanic:
		return "a hook of the client panicked"
	case failOther:
		return "network error"
	case "401", "403":
		return "HTTP status " + string(f) + ", check the DSN"
	}
	return "HTTP status " + string(f)
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
