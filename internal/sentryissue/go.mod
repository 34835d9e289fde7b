module github.com/otellock/otellock-go/internal/sentryissue

go 1.26.0

require (
	github.com/getsentry/sentry-go v0.50.0
	github.com/otellock/otellock-go v0.1.0
	go.opentelemetry.io/otel v1.47.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.42.0 // indirect
)

replace github.com/otellock/otellock-go => ../..
