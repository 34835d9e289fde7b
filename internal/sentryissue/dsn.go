package sentryissue

import (
	"errors"
	"strings"
	"unicode"

	"github.com/getsentry/sentry-go"
)

const expected = ": expected https://KEY@HOST/PROJECT"

// Errors of [ParseDSN]. None contains any part of the DSN.
var (
	ErrNoDSN  = errors.New("the Sentry DSN is empty" + expected)
	ErrNotDSN = errors.New("the Sentry DSN is malformed" + expected)
	ErrBlank  = errors.New("the Sentry DSN contains white space" + expected)
	ErrID     = errors.New("the Sentry DSN has a project id that is not a number" + expected)
)

// ParseDSN reads a DSN by sentry-go, and refuses what that accepts although no
// Sentry would.
func ParseDSN(raw string) (*sentry.Dsn, error) {
	dsn, err := sentry.NewDsn(raw) // an error of which quotes the DSN
	switch {
	case raw == "":
		return nil, ErrNoDSN
	case strings.ContainsFunc(raw, unicode.IsSpace):
		return nil, ErrBlank
	case err != nil, dsn.GetPort() < 1, dsn.GetPort() > 65535, strings.ContainsAny(raw, "?#"):
		return nil, ErrNotDSN
	case strings.Trim(dsn.GetProjectID(), "0123456789") != "":
		return nil, ErrID
	}
	return dsn, nil
}
