package exporter

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

const logsVar = "OTEL_LOGS_EXPORTER"

// malformed is the error about one variable. Its value never goes in: anything,
// such as a password, can be pasted into the wrong variable.
func malformed(name, problem string) error {
	return fmt.Errorf("exporter: %s %s", name, problem)
}

// checkEnvironment rejects variables that the SDK would print together with the
// secret in them, or that mean something else here. The others are left to the SDK.
// All problems are reported at once.
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
		if otlpSelected(signal) || signal == "TRACES" && cfg.sentryTraces && os.Getenv(dsnVar) != "" {
			used = true
			verify("OTEL_EXPORTER_OTLP_"+signal+"_HEADERS", headers)
			verify("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT", endpoint(signal))
		}
	}
	if used {
		verify("OTEL_EXPORTER_OTLP_HEADERS", headers)
		verify("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint(""))
	}
	if dsn := os.Getenv(dsnVar); dsn != "" {
		if _, err := sentryissue.ParseDSN(dsn); err != nil {
			errs = append(errs, fmt.Errorf("exporter: %s: %w", dsnVar, err))
		}
	}
	return errors.Join(errs...)
}

func otlpSelected(signal string) bool {
	name := os.Getenv("OTEL_" + signal + "_EXPORTER")
	return name == "" || name == "otlp"
}

func protocol(signal string) string {
	return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf")
}

func oneExporter(value string) string {
	if strings.Contains(value, ",") {
		return "must name one exporter, not a list; Sentry stands beside it when SENTRY_DSN is set, " +
			"and other destinations are given to Setup as options"
	}
	return ""
}

// headerName is a token of RFC 9110, 5.6.2.
var headerName = regexp.MustCompile("^[0-9A-Za-z!#$%&'*+.^_`|~-]+$")

func headers(value string) string {
	for pair := range strings.SplitSeq(value, ",") {
		k, v, found := strings.Cut(pair, "=")
		if _, err := url.PathUnescape(v); !found || !headerName.MatchString(strings.TrimSpace(k)) || err != nil {
			return "must be a comma-separated list of name=value, with values percent-encoded"
		}
	}
	return ""
}

// endpoint allows for gRPC what that resolves as well (dns:///host:4317,
// unix:/path), but not a bare address: the exporters drop "127.0.0.1:4317"
// unseen.
func endpoint(signal string) func(string) string {
	return func(value string) string {
		u, err := url.Parse(value)
		switch grpc := protocol(signal) == "grpc"; {
		case grpc && (err != nil || u.Scheme == ""):
			return "must be a URL, such as http://HOST:4317"
		case !grpc && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
			return "must be a URL that starts with http:// or https://"
		}
		return ""
	}
}
