// Package rediserror finds the error.type of an error that somebody else's lock
// returns as its Redis client made it, whichever client that is.
package rediserror

import (
	"strings"

	"github.com/otellock/otellock-go/semconv"
)

// texts are those of errors that a client makes itself, without an answer.
var texts = map[string]string{
	"redis: connection pool timeout":                       semconv.ErrorTypePoolExhausted.Value.AsString(),
	"redis: connection pool exhausted":                     semconv.ErrorTypePoolExhausted.Value.AsString(),
	"redigo: connection pool exhausted":                    semconv.ErrorTypePoolExhausted.Value.AsString(),
	"redis: client is closed":                              semconv.ErrorTypeClosed.Value.AsString(),
	"redigo: get on closed pool":                           semconv.ErrorTypeClosed.Value.AsString(),
	"rueidis client is closing or unable to connect redis": semconv.ErrorTypeClosed.Value.AsString(),
	"valkey client is closing or unable to connect valkey": semconv.ErrorTypeClosed.Value.AsString(),
}

// Classify returns the error with a method ErrorType where it is an answer of the
// server or a state of the client that the registry has a value for, and as it is
// otherwise. No other part of its text is used.
func Classify(err error) error {
	if class := find(err); class != "" {
		return &classed{err, class}
	}
	return err
}

type classed struct {
	error
	class string
}

func (c *classed) ErrorType() string { return c.class }
func (c *classed) Unwrap() error     { return c.error }

// find looks at the errors that err wraps, first the innermost: what wraps them
// may put its own words before the server's.
func find(err error) string {
	switch wrapper := err.(type) {
	case nil:
		return ""
	case interface{ Unwrap() error }:
		if class := find(wrapper.Unwrap()); class != "" {
			return class
		}
	case interface{ Unwrap() []error }:
		for _, wrapped := range wrapper.Unwrap() {
			if class := find(wrapped); class != "" {
				return class
			}
		}
		return ""
	}
	text := err.Error()
	if class := texts[text]; class != "" {
		return class
	}
	// Redis before 7 leaves a second '-' in an error that a script passes on. The
	// codes are upper case, which tells them from our own classes.
	word, _, _ := strings.Cut(strings.TrimPrefix(text, "-"), " ")
	if word != "" && word == strings.ToUpper(word) && word != semconv.ErrorTypeOther.Value.AsString() && semconv.IsErrorType(word) {
		return word
	}
	return ""
}
