// Package exporter sets OpenTelemetry up from the environment: traces, metrics
// and logs with one [Setup], one [Telemetry.Shutdown].
//
//	tel, err := exporter.Setup(ctx)
//	if err != nil {
//		return err
//	}
//	defer func() {
//		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
//		defer cancel()
//		err = errors.Join(err, tel.Shutdown(ctx))
//	}()
//
// It serves any program. For one that locks through otellock it adds the
// throttle that keeps an outage at one warning a minute for each action and
// target, and the exporter that makes Sentry issues of those warnings. Neither
// package imports the other: they meet in the OpenTelemetry API.
//
// # Variables
//
// The variables and their defaults are those of the OpenTelemetry
// specification. In particular, without any variable all three signals go to
// an OTLP receiver at http://localhost:4318.
//
//   - OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER: otlp
//     (default), console, none, for metrics also prometheus, for logs also
//     sentry, and whatever is registered with autoexport. One each, no lists.
//   - OTEL_EXPORTER_OTLP_*, for all signals and for each: endpoint, protocol
//     (http/protobuf, grpc), headers, timeout, compression, certificates.
//   - OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
//   - OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG.
//   - OTEL_BSP_*, OTEL_BLRP_*, OTEL_METRIC_EXPORT_INTERVAL and _TIMEOUT,
//     OTEL_METRICS_EXEMPLAR_FILTER, the attribute limits.
//   - OTEL_PROPAGATORS: tracecontext, baggage (both by default), none.
//   - OTEL_SDK_DISABLED: true leaves the propagators and nothing else.
//   - OTEL_GO_X_CARDINALITY_LIMIT: series per instrument, 10,000 by default
//     here, 2,000 in the SDK.
//   - SENTRY_DSN, SENTRY_ENVIRONMENT, SENTRY_RELEASE.
//
// A variable that the SDK would print together with the secret in it (headers,
// endpoints), or that means something else here (lists of exporters, propagators,
// SENTRY_DSN), is an error of Setup if it is malformed. The errors name the
// variable, say what is allowed, and contain no value. A variable that nothing
// would read is not checked; [WithSentryTraces] reads those of OTLP. The SDK
// takes care of all others.
//
// # Log records
//
// Every log record passes, in this order: the throttle (see package throttle),
// the processor that makes an event of it (the attribute otel.event.name becomes
// the record's event name, and stays as an attribute for destinations that
// cannot store one), and a fan-out to the destinations: the exporter of
// OTEL_LOGS_EXPORTER behind a batch processor, Sentry when SENTRY_DSN is set,
// and those given [WithLogProcessor].
//
// With OTEL_LOGS_EXPORTER=none and no other destination there is no processor
// at all. Loggers then report that they are not enabled, by which otellock
// knows to warn on the console.
//
// # Sentry
//
// SENTRY_DSN adds Sentry beside the exporter of OTEL_LOGS_EXPORTER, whatever
// that is. OTEL_LOGS_EXPORTER=sentry is Sentry alone. [WithSentry] configures it,
// and sends through the application's own client where it is given one, with or
// without SENTRY_DSN:
//
//	exporter.WithSentry(sentrylog.WithClient(sentry.CurrentHub().Client()))
//
// [WithSentryTraces] sends spans to Sentry as well.
package exporter
