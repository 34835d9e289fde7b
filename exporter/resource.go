package exporter

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// processService is service.name (unknown_service:EXECUTABLE) and
// service.instance.id, a random UUID that stands for the process: a second Setup
// reports under the same one.
var processService = sync.OnceValues(func() (*resource.Resource, error) {
	return resource.New(context.Background(), resource.WithService())
})

// newResource says who emits. Later sources win. Command arguments and the process
// owner are left out: the former may carry secrets, the latter cannot be resolved
// in many containers.
func newResource(ctx context.Context, attrs []attribute.KeyValue) (*resource.Resource, error) {
	for _, kv := range attrs {
		if !kv.Valid() {
			return nil, errors.New("exporter: WithResourceAttributes: an attribute has no key or no value")
		}
	}
	service, err := processService()
	if err != nil {
		return nil, fmt.Errorf("exporter: service.instance.id: %w", err)
	}
	detected, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithHost(),
		resource.WithProcessPID(),
		resource.WithProcessExecutableName(),
		resource.WithProcessExecutablePath(),
		resource.WithProcessRuntimeName(),
		resource.WithProcessRuntimeVersion(),
		resource.WithProcessRuntimeDescription(),
		resource.WithFromEnv(),
		resource.WithAttributes(attrs...),
	)
	if errors.Is(err, resource.ErrPartialResource) {
		otel.Handle(err) // a host without a name is no reason to run without telemetry
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("exporter: resource: %w", err)
	}
	return resource.Merge(service, detected)
}
