package sentryissue

import (
	"errors"
	"strings"
	"unicode"

	"github.com/getsentry/sentry-go"
)

// Errors of [ParseDSN]. None contains any part of the DSN.
var (
	ErrNoDSN  = errors.New("the Sentry DSN is empty: expected https://KEY@HOST/PROJECT")
	ErrNotDSN = errors.New("the Sentry DSN is malformed: expected https://KEY@HOST/PROJECT")
	ErrBlank  = errors.New("the Sentry DSN contains white space: expected https://KEY@HOST/PROJECT")
	ErrID     = errors.New("the Sentry DSN has a project id that is not a number: expected https://KEY@HOST/PROJECT")
)

// ParseDSN reads a DSN by sentry-go, and refuses what that accepts although no
// Sentry would. An error never shows the key.
func ParseDSN(raw string) (*sentry.Dsn, error) {
	switch {
	case raw == "":
		return nil, ErrNoDSN
	case strings.ContainsFunc(raw, unicode.IsSpace):
		return nil, ErrBlank
	}
	dsn, err := sentry.NewDsn(raw) // an error of which quotes the DSN
	if err != nil || dsn.GetPort() < 1 || dsn.GetPort() > 65535 || strings.ContainsAny(raw, "?#") {
		return nil, ErrNotDSN
	}
	if strings.Trim(dsn.GetProjectID(), "0123456789") != "" {
		return nil, ErrID
	}
	return dsn, nil
}
