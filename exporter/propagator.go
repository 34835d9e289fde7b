package exporter

import (
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

const propagatorsVar = "OTEL_PROPAGATORS"

// newPropagator reads OTEL_PROPAGATORS. Names are deduplicated, as the
// specification demands, and "none" stands alone.
func newPropagator() (propagation.TextMapPropagator, error) {
	value := strings.TrimSpace(os.Getenv(propagatorsVar))
	if value == "" {
		value = "tracecontext,baggage"
	}
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if slices.Equal(names, []string{"none"}) {
		return propagation.NewCompositeTextMapPropagator(), nil
	}
	var propagators []propagation.TextMapPropagator
	for _, name := range names {
		switch name {
		case "tracecontext":
			propagators = append(propagators, propagation.TraceContext{})
		case "baggage":
			propagators = append(propagators, propagation.Baggage{})
		default:
			return nil, malformed(propagatorsVar, "must be a comma-separated list of tracecontext and baggage, or none; "+
				"for another propagator, unset it and call otel.SetTextMapPropagator after Setup")
		}
	}
	return propagation.NewCompositeTextMapPropagator(propagators...), nil
}
