// Package network says in one bounded word why an exchange with a server failed.
package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// The classes of failures, as values of error.type.
const (
	Timeout     = "timeout"
	Canceled    = "canceled"
	Refused     = "connection_refused"
	Broken      = "connection_reset"
	Resolve     = "name_resolution_error"
	Certificate = "certificate_error"
	Other       = "_OTHER"
)

// Class returns the class of an error of a round trip. What caused the last
// attempt wins over the deadline that ended the attempts. The error's text is
// never used: a server or an address could put anything into it.
func Class(err error) string {
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		timeout     net.Error
	)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Broken
	case errors.As(err, &dns):
		return Resolve
	case errors.As(err, &certificate), errors.As(err, &authority):
		return Certificate
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return Other
}
