package sentryissue

import (
	"cmp"
	"maps"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Config is what the program or its environment says about itself. What is set
// wins over the resource.
type Config struct {
	Release, Environment, ServerName string
	// InApp are prefixes of the packages whose frames are the application's own.
	// Without any, every frame is that does not belong to the standard library
	// or to otellock.
	InApp []string
	// Tags are the keys of further attributes that become tags.
	Tags []string
	// Modules are the modules of the program, by version.
	Modules map[string]string
}

// An Origin is what all records of one resource have in common. It is immutable
// and safe for concurrent use.
type Origin struct {
	config                                Config
	project                               Project
	service, release, environment, server string
	platform                              string
	resource                              map[string]any
	room                                  budget // for a record's own
}

// NewOrigin reads a resource whose records go to the project.
func NewOrigin(resource []Attribute, p Project, c Config) *Origin {
	get := func(key attribute.Key) string { return text(find(resource, key)) }
	o := &Origin{
		config: c, project: p,
		service: line(get(otelconv.ServiceNameKey), maxTag),
		release: name(cmp.Or(c.Release, get(otelconv.ServiceVersionKey)), maxRelease),
		// The second is the name before semantic conventions 1.27.
		environment: name(cmp.Or(c.Environment, get(otelconv.DeploymentEnvironmentNameKey), get("deployment.environment")), maxEnvironment),
		server:      line(cmp.Or(c.ServerName, get(otelconv.ServiceInstanceIDKey), get(otelconv.HostNameKey)), maxTag),
		platform:    platform(get(otelconv.TelemetrySDKLanguageKey)),
		resource:    make(map[string]any, len(resource)),
		room:        maxEvent - fixed,
	}
	for k, v := range c.Modules {
		o.room -= budget(jsonSize(k) + jsonSize(v) + 2)
	}
	room, done := o.room.limit(maxResource)
	defer done()
	for _, a := range resource {
		switch attribute.Key(a.Key) {
		case otelconv.ProcessCommandArgsKey, otelconv.ProcessCommandLineKey: // flags of a command hold credentials too often
		default:
			room.put(o.resource, a.Key, a.Key, a.Value, 0)
		}
	}
	return o
}

func (o *Origin) context() map[string]any { return maps.Clone(o.resource) }

// inApp reports whether a package is the application's own.
func (o *Origin) inApp(pkg string) bool {
	const module = "github.com/otellock/otellock-go/"
	switch {
	case pkg == "main":
		return true
	case strings.HasPrefix(pkg, module) && !strings.HasPrefix(pkg, module+"examples/"):
		return false
	case len(o.config.InApp) == 0:
		domain, _, _ := strings.Cut(pkg, "/")
		return strings.Contains(domain, ".") // the standard library has none
	}
	for _, prefix := range o.config.InApp {
		if pkg == prefix || strings.HasPrefix(pkg, prefix+"/") {
			return true
		}
	}
	return false
}
