package faults

import "github.com/otellock/otellock-go/internal/locktest"

type (
	attempt   = locktest.Attempt
	telemetry = locktest.Telemetry
)

var (
	newTelemetry     = locktest.NewTelemetry
	eventually       = locktest.Eventually
	text             = locktest.Text
	plainAttributes  = locktest.PlainAttributes
	recordAttributes = locktest.RecordAttributes
)
