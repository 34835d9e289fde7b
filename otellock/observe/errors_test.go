package observe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/otellock/otellock-go/otellock/observe"
)

func TestErrorTypesAreAClosedList(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{observe.ErrExpired, "expired"},
		{fmt.Errorf("row 7: %w", observe.ErrLost), "lost"},
		{errors.Join(io.EOF, observe.ErrStolen), "stolen"},
		{classed{"timeout", observe.ErrLost}, "lost"},
		{classed{"timeout", io.EOF}, "timeout"},
		{fmt.Errorf("row 7: %w", classed{"READONLY", errDown}), "READONLY"},
		{classed{"lock:reports:secret", context.DeadlineExceeded}, "_OTHER"},
		{classed{"", io.EOF}, "_OTHER"},
		{context.DeadlineExceeded, "timeout"},
		{os.ErrDeadlineExceeded, "timeout"},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "timeout"},
		{&net.DNSError{IsTimeout: true}, "timeout"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "connection_refused"},
		{io.EOF, "eof"},
		{fmt.Errorf("reply: %w", io.ErrUnexpectedEOF), "eof"},
		{net.ErrClosed, "eof"},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "eof"},
		{syscall.EPIPE, "eof"},
		{context.Canceled, "_OTHER"},
		{observe.ErrContended, "_OTHER"},
		{errDown, "_OTHER"},
	} {
		if got := observe.ErrorType(test.err); got != test.want {
			t.Errorf("ErrorType(%v) = %q, want %q", test.err, got, test.want)
		}
	}
}

func TestNoTextOfAnErrorIsEmitted(t *testing.T) {
	x := newTelemetry(t)
	target := x.target(t)
	for _, err := range []error{errDown, classed{"lock:reports:secret", errDown}} {
		_, acquire := target.Acquire(t.Context())
		acquire.End(err)
		_, acquire = target.Acquire(t.Context())
		_, release := acquire.End(nil).Release(t.Context())
		release.End(err)
	}
	emitted := fmt.Sprint(x.warnings(t), x.attempts(t))
	for _, span := range x.spans.Ended() {
		emitted += fmt.Sprint(span.Name(), span.Status(), span.Attributes(), span.Events())
	}
	if strings.Contains(emitted, "secret") || !strings.Contains(emitted, "release_error") {
		t.Errorf("emitted: %s", emitted)
	}
}
