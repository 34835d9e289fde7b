package exporter

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

// newPropagator reads OTEL_PROPAGATORS. Names are deduplicated, as the
// specification demands, and "none" stands alone.
func newPropagator() (propagation.TextMapPropagator, error) {
	value := cmp.Or(strings.TrimSpace(os.Getenv("OTEL_PROPAGATORS")), "tracecontext,baggage")
	if value == "none" {
		return propagation.NewCompositeTextMapPropagator(), nil
	}
	var propagators []propagation.TextMapPropagator
	for name := range strings.SplitSeq(value, ",") {
		var p propagation.TextMapPropagator
		switch strings.TrimSpace(name) {
		case "tracecontext":
			p = propagation.TraceContext{}
		case "baggage":
			p = propagation.Baggage{}
		default:
			return nil, malformed("OTEL_PROPAGATORS", "must be a comma-separated list of tracecontext and baggage, or none; "+
				"for another propagator, unset it and call otel.SetTextMapPropagator after Setup")
		}
		if !slices.Contains(propagators, p) {
			propagators = append(propagators, p)
		}
	}
	return propagation.NewCompositeTextMapPropagator(propagators...), nil
}
