package exporter_test

import (
	"context"
	"log"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otellock/otellock-go/exporter"
)

func ExampleSetup() {
	ctx := context.Background()
	telemetry, err := exporter.Setup(ctx,
		exporter.WithResourceAttributes(attribute.String("service.version", "1.4.2")))
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		// Leave time for the last export, and none for a receiver that hangs.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := telemetry.Shutdown(ctx); err != nil {
			log.Print(err)
		}
	}()

	// otel.Tracer, otel.Meter and every library that uses them work from here
	// on. For otellock: otellock.WithThrottle(telemetry).
}
