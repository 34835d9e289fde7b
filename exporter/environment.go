package exporter

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

const logsVar = "OTEL_LOGS_EXPORTER"

// malformed is the error about one variable. Values never go in: headers hold
// tokens, endpoints may hold passwords, and anything can be pasted into the
// wrong variable.
func malformed(name, problem string) error {
	return fmt.Errorf("exporter: %s %s", name, problem)
}

// checkEnvironment finds the variables that the SDK would print together with
// the secret in them, or that mean something else here. Of the others the SDK
// takes care. All problems are reported at once.
func checkEnvironment(cfg config) error {
	var errs []error
	verify := func(name string, problem func(string) string) {
		if value := os.Getenv(name); value != "" {
			if p := problem(value); p != "" {
				errs = append(errs, malformed(name, p))
			}
		}
	}
	used := false
	for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
		verify("OTEL_"+signal+"_EXPORTER", oneExporter)
		sentry := signal == "TRACES" && cfg.sentryTraces && os.Getenv(dsnVar) != "" // by an OTLP exporter too
		if otlpSelected(signal) || sentry {
			used = true
			verify("OTEL_EXPORTER_OTLP_"+signal+"_HEADERS", headers)
			verify("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT", endpoint(signal))
		}
	}
	if used {
		verify("OTEL_EXPORTER_OTLP_HEADERS", headers)
		verify("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint(""))
	}
	return errors.Join(append(errs, checkSentry())...)
}

func otlpSelected(signal string) bool {
	name := os.Getenv("OTEL_" + signal + "_EXPORTER")
	return name == "" || name == "otlp"
}

// localProtocol returns the protocol of a signal that goes to an OTLP receiver
// whose address nobody gave, and so to localhost: by http, as the specification
// has it, where Go's exporters would use TLS. Otherwise it returns "".
func localProtocol(signal string) string {
	if !otlpSelected(signal) || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != "" {
		return ""
	}
	return protocol(signal)
}

func protocol(signal string) string {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return "http/protobuf"
}

func oneExporter(value string) string {
	if strings.Contains(value, ",") {
		return "must name one exporter, not a list; Sentry stands beside it when SENTRY_DSN is set, " +
			"and other destinations are given to Setup as options"
	}
	return ""
}

func headers(value string) string {
	for pair := range strings.SplitSeq(value, ",") {
		k, v, found := strings.Cut(pair, "=")
		if _, err := url.PathUnescape(v); !found || !isToken(strings.TrimSpace(k)) || err != nil {
			return "must be a comma-separated list of name=value, with values percent-encoded"
		}
	}
	return ""
}

// isToken reports whether s may be the name of an HTTP header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// endpoint allows for gRPC what that resolves as well (dns:///host:4317,
// unix:/path), but not a bare address: the exporters drop "127.0.0.1:4317"
// unseen.
func endpoint(signal string) func(string) string {
	return func(value string) string {
		u, err := url.Parse(value)
		switch {
		case protocol(signal) == "grpc" && (err != nil || u.Scheme == ""):
			return "must be a URL, such as http://HOST:4317"
		case protocol(signal) != "grpc" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
			return "must be a URL that starts with http:// or https://"
		}
		return ""
	}
}

func sdkDisabled() bool { return strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") }
