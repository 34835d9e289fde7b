module github.com/otellock/otellock-go/collector-config/grafana/generate

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
