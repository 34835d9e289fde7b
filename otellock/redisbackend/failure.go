package redisbackend

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/otellock/otellock-go/semconv"
	"github.com/redis/go-redis/v9"
)

// A failure is an error of the client or the server. Its text is made of
// constants: the raw text can contain keys and tokens.
type failure struct {
	class string
	cause error
}

func (f *failure) Error() string     { return "redisbackend: " + f.class }
func (f *failure) ErrorType() string { return f.class }
func (f *failure) Unwrap() error     { return f.cause }

// Classes of the client and the network, values of the attribute error.type.
var (
	classTimeout           = semconv.ErrorTypeTimeout.Value.AsString()
	classConnectionRefused = semconv.ErrorTypeConnectionRefused.Value.AsString()
	classEOF               = semconv.ErrorTypeEOF.Value.AsString()
	classPoolExhausted     = semconv.ErrorTypePoolExhausted.Value.AsString()
	classClosed            = semconv.ErrorTypeClosed.Value.AsString()
	classOther             = semconv.ErrorTypeOther.Value.AsString()
)

func classified(err error) error { return &failure{class: class(err), cause: err} }

func class(err error) string {
	var answer redis.Error
	var network net.Error
	switch {
	case errors.As(err, &answer):
		return code(answer.Error())
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return classPoolExhausted
	case errors.Is(err, redis.ErrClosed):
		return classClosed
	case errors.Is(err, syscall.ECONNREFUSED):
		return classConnectionRefused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return classEOF
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &network) && network.Timeout():
		return classTimeout
	}
	return classOther
}

// code returns the first word of a server's answer where the attribute has it
// as a value. Such words are upper case, which tells them from our own classes.
// Redis before 7 leaves a second '-' in an error that a script passes on.
func code(answer string) string {
	word, _, _ := strings.Cut(strings.TrimPrefix(answer, "-"), " ")
	if word == strings.ToUpper(word) && semconv.IsErrorType(word) {
		return word
	}
	return classOther
}
