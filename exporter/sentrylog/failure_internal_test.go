package sentrylog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestErrorsOfTheNetworkBecomeBoundedReasons(t *testing.T) {
	const secret = "https://0123456789abcdef@host/1"
	for _, c := range []struct {
		err  error
		want failure
	}{
		{context.DeadlineExceeded, failTimeout},
		{context.Canceled, failCanceled},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, failRefused},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, failBroken},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, failBroken},
		{io.EOF, failBroken},
		{io.ErrUnexpectedEOF, failBroken},
		{&net.DNSError{Err: "no such host", Name: secret, IsNotFound: true}, failResolve},
		{&tls.CertificateVerificationError{Err: errors.New(secret)}, failCertificate},
		{x509.UnknownAuthorityError{}, failCertificate},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, failTimeout},
		{errors.New(secret), failOther},
	} {
		wrapped := &url.Error{Op: "Post", URL: secret, Err: fmt.Errorf("%s: %w", secret, c.err)}
		got := classify(wrapped)
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
		a := &account{untold: map[failure]int64{got: 2}, ended: 5}
		text := a.err().Error()
		if strings.Contains(text, secret) || !strings.HasPrefix(text, "sentrylog: 2 of 5 events not delivered: ") || strings.HasSuffix(text, ": ") {
			t.Errorf("%v: %s", c.err, text)
		}
	}
	if err := (&account{ended: 3}).err(); err != nil {
		t.Errorf("without a loss: %v", err)
	}
}
