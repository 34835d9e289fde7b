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
// target, and the processor that makes Sentry issues of those warnings.
//
// # Variables
//
// The variables and their defaults are those of the OpenTelemetry
// specification: without any, all signals go to http://localhost:4318 by OTLP.
//
//   - OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER: otlp
//     (default), console, none, for metrics also prometheus, for logs also
//     sentry, and whatever is registered with autoexport. One each, no lists.
//   - OTEL_PROPAGATORS: tracecontext, baggage (both by default), none.
//   - OTEL_SDK_DISABLED: true leaves the propagators and nothing else.
//   - OTEL_GO_X_CARDINALITY_LIMIT: series per instrument, 10,000 by default
//     here, 2,000 in the SDK.
//   - SENTRY_DSN, SENTRY_ENVIRONMENT, SENTRY_RELEASE.
//   - All that the SDK and its OTLP exporters read: OTEL_SERVICE_NAME,
//     OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_* and
//     so on.
//
// Headers, endpoints, exporters, propagators and SENTRY_DSN that are malformed are
// an error of Setup, if anything would read them. The error names the variable and
// does not contain the value. All others are left to the SDK, which logs what it
// cannot parse, often with the value.
//
// # Log records
//
// Every log record passes the throttle (see package throttle). Behind it stand the
// exporter of OTEL_LOGS_EXPORTER, Sentry when SENTRY_DSN is set, and the processors
// of [WithLogProcessor]. They see the attribute otel.event.name as the record's
// event name, too.
//
// With OTEL_LOGS_EXPORTER=none and no other destination, loggers report that they
// are not enabled. Otellock then warns on the console.
//
// # What does not arrive
//
// A lock's warning that a destination gave up, after its retries, is printed on
// standard error with the route and the reason: at most once a minute for each
// action and target, over all destinations. An operator can read it there while
// the Collector is down together with Redis, or where no Collector runs at all.
// Warnings that a full queue drops or that Shutdown gives up are printed as well.
//
// A first export that fails is printed once for each host and reason, with a hint.
// Later failures go to [otel.SetErrorHandler] only. [WithConsole] prints somewhere
// else.
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
