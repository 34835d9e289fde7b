// Package sentrydsn reads a Sentry DSN and derives addresses from it, without
// ever printing its key: neither an error nor a formatted [DSN] contains one.
package sentrydsn

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Errors of [Parse]. None contains any part of the DSN.
var (
	ErrEmpty    = errors.New("the Sentry DSN is empty: expected https://KEY@HOST/PROJECT")
	ErrNotURL   = errors.New("the Sentry DSN is not a URL: expected https://KEY@HOST/PROJECT")
	ErrScheme   = errors.New("the Sentry DSN must start with https:// or http://")
	ErrKey      = errors.New("the Sentry DSN has no public key: expected https://KEY@HOST/PROJECT")
	ErrHost     = errors.New("the Sentry DSN has no host: expected https://KEY@HOST/PROJECT")
	ErrPort     = errors.New("the Sentry DSN has a port that is not a number from 1 to 65535")
	ErrProject  = errors.New("the Sentry DSN has no project id: expected https://KEY@HOST/PROJECT, without a slash at the end")
	ErrTrailing = errors.New("the Sentry DSN has a query or a fragment: expected https://KEY@HOST/PROJECT")
)

// A DSN is a parsed Sentry DSN. Formatting it in any way shows its host and
// project, never its keys.
type DSN struct {
	scheme, host, path, project string
	key                         string
	port                        int
}

// Parse reads a DSN of the form SCHEME://KEY[:SECRET]@HOST[:PORT][/PATH]/PROJECT.
func Parse(raw string) (DSN, error) {
	if raw == "" {
		return DSN{}, ErrEmpty
	}
	u, err := url.Parse(raw)
	if err != nil {
		return DSN{}, ErrNotURL // err quotes the DSN
	}
	d := DSN{scheme: u.Scheme, host: u.Hostname(), key: u.User.Username()}
	switch u.Scheme {
	case "https":
		d.port = 443
	case "http":
		d.port = 80
	default:
		return DSN{}, ErrScheme
	}
	if d.key == "" {
		return DSN{}, ErrKey
	}
	if d.host == "" {
		return DSN{}, ErrHost
	}
	if p := u.Port(); p != "" {
		if d.port, err = strconv.Atoi(p); err != nil || d.port < 1 || d.port > 65535 {
			return DSN{}, ErrPort
		}
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return DSN{}, ErrTrailing
	}
	i := strings.LastIndexByte(u.Path, '/')
	if i < 0 || u.Path[i+1:] == "" {
		return DSN{}, ErrProject
	}
	d.path, d.project = u.Path[:i], u.Path[i+1:]
	return d, nil
}

// OTLPTraces returns where Sentry takes spans over OTLP/HTTP for this project,
// and the headers that authenticate them. Port and path of the DSN are kept.
// The headers contain the public key: hand them to an exporter, do not log
// them.
func (d DSN) OTLPTraces() (endpoint string, headers map[string]string) {
	u := url.URL{
		Scheme: d.scheme,
		Host:   d.authority(),
		Path:   d.path + "/api/" + d.project + "/integration/otlp/v1/traces",
	}
	return u.String(), map[string]string{"x-sentry-auth": "sentry sentry_key=" + d.key}
}

// PublicKey returns the part of the DSN that identifies the project's client.
func (d DSN) PublicKey() string { return d.key }

// Server returns the host and the port that requests go to.
func (d DSN) Server() (address string, port int) { return d.host, d.port }

func (d DSN) authority() string {
	if d.scheme == "https" && d.port == 443 || d.scheme == "http" && d.port == 80 {
		if strings.Contains(d.host, ":") {
			return "[" + d.host + "]"
		}
		return d.host
	}
	return net.JoinHostPort(d.host, strconv.Itoa(d.port))
}

// String returns the DSN without its keys.
func (d DSN) String() string {
	if d.scheme == "" {
		return ""
	}
	return d.scheme + "://" + d.authority() + d.path + "/" + d.project
}

// Format writes [DSN.String] for every verb, so that no verb shows a key.
func (d DSN) Format(s fmt.State, _ rune) { fmt.Fprint(s, d.String()) }
