package exporter

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// malformed is the error about one variable. Values never go in: headers hold
// tokens, endpoints may hold passwords, and anything can be pasted into the
// wrong variable. The operator has the value before him.
func malformed(name, problem string) error {
	return fmt.Errorf("exporter: %s %s", name, problem)
}

// check says what is wrong with a variable that is set, in words that follow
// its name; empty when nothing is.
type check func(value string) (problem string)

// checkEnvironment finds every malformed variable that the pipeline to be built
// would read. The SDK and its exporters would instead fall back to a default,
// print the value (tokens included) to stderr, and run: telemetry that silently
// goes nowhere. All problems are reported at once.
func checkEnvironment(cfg config) error {
	var errs []error
	verify := func(c check, names ...string) {
		for _, name := range names {
			value := os.Getenv(name)
			if value == "" {
				continue
			}
			if problem := c(value); problem != "" {
				errs = append(errs, malformed(name, problem))
			}
		}
	}

	verify(oneExporter, "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
	verify(resourceAttributes, "OTEL_RESOURCE_ATTRIBUTES")
	verify(sampler, "OTEL_TRACES_SAMPLER")
	if strings.HasSuffix(strings.ToLower(os.Getenv("OTEL_TRACES_SAMPLER")), "traceidratio") {
		verify(ratio, "OTEL_TRACES_SAMPLER_ARG")
	}
	verify(oneOf("always_on", "always_off", "trace_based"), "OTEL_METRICS_EXEMPLAR_FILTER")
	verify(milliseconds,
		"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT",
		"OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BLRP_EXPORT_TIMEOUT",
		"OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT")
	verify(positive,
		"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
		"OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE")
	verify(integer,
		"OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
		"OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT",
		"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
		"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
		cardinalityVar)
	verify(port, "OTEL_EXPORTER_PROMETHEUS_PORT")
	verify(unsupported("declarative configuration cannot hold the throttle; use the OTEL_* variables"),
		"OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")

	for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
		exporter := os.Getenv("OTEL_" + signal + "_EXPORTER")
		sentry := signal == "TRACES" && cfg.sentryTraces && os.Getenv(dsnVar) != "" // by an OTLP exporter too
		if exporter != "" && exporter != "otlp" && !sentry {
			continue
		}
		errs = append(errs, checkOTLP(signal, verify)...)
	}
	return errors.Join(dedup(errs)...)
}

// checkOTLP checks the variables of one signal's OTLP exporter and those that
// all signals share. The exporters read, and complain about, the shared ones
// even where the signal's own takes precedence.
func checkOTLP(signal string, verify func(check, ...string)) []error {
	both := func(suffix string) []string {
		return []string{"OTEL_EXPORTER_OTLP_" + signal + "_" + suffix, "OTEL_EXPORTER_OTLP_" + suffix}
	}
	endpoint := check(httpEndpoint)
	protocolVar := both("PROTOCOL")[0]
	if os.Getenv(protocolVar) == "" {
		protocolVar = both("PROTOCOL")[1]
	}
	verify(exactlyOneOf("http/protobuf", "grpc"), protocolVar)
	if os.Getenv(protocolVar) == "grpc" {
		endpoint = grpcEndpoint
	}
	verify(endpoint, both("ENDPOINT")...)
	verify(headers, both("HEADERS")...)
	verify(milliseconds, both("TIMEOUT")...)
	verify(exactlyOneOf("gzip", "none"), both("COMPRESSION")...)
	verify(oneOf("true", "false"), both("INSECURE")...)
	verify(certificates, both("CERTIFICATE")...)
	if signal == "METRICS" {
		verify(oneOf("cumulative", "delta", "lowmemory"), "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")
		verify(oneOf("explicit_bucket_histogram", "base2_exponential_bucket_histogram"),
			"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION")
	}

	var errs []error
	for i, certVar := range both("CLIENT_CERTIFICATE") {
		if err := checkKeyPair(certVar, both("CLIENT_KEY")[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// dedup drops repeated complaints: shared variables are looked at once per
// signal.
func dedup(errs []error) []error {
	seen := map[string]bool{}
	return slices.DeleteFunc(errs, func(err error) bool {
		known := seen[err.Error()]
		seen[err.Error()] = true
		return known
	})
}

func oneExporter(value string) string {
	if strings.Contains(value, ",") {
		return "must name one exporter, not a list; Sentry stands beside it when SENTRY_DSN is set, " +
			"and other destinations are given to Setup as options"
	}
	return ""
}

// oneOf accepts words in any case, as the specification has it for enums.
func oneOf(words ...string) check {
	return func(value string) string {
		if slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, value) }) {
			return ""
		}
		return "must be one of " + strings.Join(words, ", ")
	}
}

// exactlyOneOf is for variables whose readers heed the case.
func exactlyOneOf(words ...string) check {
	return func(value string) string {
		if slices.Contains(words, value) {
			return ""
		}
		return "must be one of " + strings.Join(words, ", ")
	}
}

func unsupported(why string) check {
	return func(string) string { return "is not supported: " + why }
}

func sampler(value string) string {
	return oneOf("always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")(value)
}

func ratio(value string) string {
	if r, err := strconv.ParseFloat(value, 64); err != nil || !(r >= 0 && r <= 1) {
		return "must be a number from 0 to 1"
	}
	return ""
}

// milliseconds refuses 0: of the SDK's signals one takes a timeout of 0 for
// none at all, one for its default, one for an error.
func milliseconds(value string) string {
	if positive(value) != "" {
		return "must be a whole number of milliseconds above 0"
	}
	return ""
}

func positive(value string) string {
	if n, err := strconv.ParseInt(value, 10, 32); err != nil || n < 1 {
		return "must be a whole number above 0"
	}
	return ""
}

func integer(value string) string {
	if _, err := strconv.Atoi(value); err != nil {
		return "must be a whole number"
	}
	return ""
}

func port(value string) string {
	if _, err := strconv.ParseUint(value, 10, 16); err != nil {
		return "must be a port number"
	}
	return ""
}

func resourceAttributes(value string) string {
	for pair := range strings.SplitSeq(value, ",") {
		k, v, found := strings.Cut(pair, "=")
		if _, err := url.PathUnescape(strings.TrimSpace(v)); !found || strings.TrimSpace(k) == "" || err != nil {
			return "must be a comma-separated list of key=value, with values percent-encoded"
		}
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

func httpEndpoint(value string) string {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "must be a URL that starts with http:// or https://"
	}
	return ""
}

// grpcEndpoint allows what gRPC resolves as well (dns:///host:4317, unix:/path),
// but not a bare address: the exporters drop "127.0.0.1:4317" unseen.
func grpcEndpoint(value string) string {
	if u, err := url.Parse(value); err != nil || u.Scheme == "" {
		return "must be a URL, such as http://HOST:4317"
	}
	return ""
}

func certificates(path string) string {
	pem, err := os.ReadFile(path)
	if err != nil {
		return "must name a readable file"
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return "must name a file with PEM certificates"
	}
	return ""
}

func checkKeyPair(certVar, keyVar string) error {
	cert, key := os.Getenv(certVar), os.Getenv(keyVar)
	switch {
	case cert == "" && key == "":
		return nil
	case cert == "":
		return malformed(keyVar, "is set without "+certVar)
	case key == "":
		return malformed(certVar, "is set without "+keyVar)
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return malformed(certVar, "and "+keyVar+" must name files with a PEM certificate and its key")
	}
	return nil
}

// sdkDisabled reads OTEL_SDK_DISABLED.
func sdkDisabled() (bool, error) {
	const name = "OTEL_SDK_DISABLED"
	value := os.Getenv(name)
	if value == "" {
		return false, nil
	}
	if problem := oneOf("true", "false")(value); problem != "" {
		return false, malformed(name, problem)
	}
	return strings.EqualFold(value, "true"), nil
}
