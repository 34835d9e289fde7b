// Package sentryissueexporter makes Sentry issues of log records in the
// OpenTelemetry Collector, by the same mapping as package sentrylog in an
// application.
package sentryissueexporter
