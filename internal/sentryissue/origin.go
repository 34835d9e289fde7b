package sentryissue

import (
	"cmp"
	"maps"
	"strings"
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
	config      Config
	project     Project
	service     string
	release     string
	environment string
	server      string
	resource    map[string]any
	room        budget // for a record's own
}

// NewOrigin reads a resource whose records go to the project.
func NewOrigin(resource []Attribute, p Project, c Config) *Origin {
	var version, instance, host, environment, environmentOld string
	o := &Origin{config: c, project: p, resource: make(map[string]any, len(resource)), room: maxEvent - fixed}
	for k, v := range c.Modules {
		o.room -= budget(jsonSize(k) + jsonSize(v) + 2)
	}
	room, done := o.room.limit(maxResource)
	for _, a := range resource {
		switch a.Key {
		case keyServiceName:
			o.service = text(a.Value)
		case keyServiceVersion:
			version = text(a.Value)
		case keyServiceInstanceID:
			instance = text(a.Value)
		case keyHostName:
			host = text(a.Value)
		case keyEnvironment:
			environment = text(a.Value)
		case keyEnvironmentOld:
			environmentOld = text(a.Value)
		case keyCommandArgs, keyCommandLine:
			continue // flags of a command hold credentials too often
		}
		room.put(o.resource, a.Key, a.Value)
	}
	done()
	o.service = line(o.service, maxTag)
	o.release = name(cmp.Or(c.Release, version), maxRelease)
	o.environment = name(cmp.Or(c.Environment, environment, environmentOld), maxEnvironment)
	o.server = line(cmp.Or(c.ServerName, instance, host), maxTag)
	return o
}

func (o *Origin) context() map[string]any { return maps.Clone(o.resource) }

// inApp reports whether a package is the application's own.
func (o *Origin) inApp(pkg string) bool {
	if pkg == "main" {
		return true
	}
	if ours(pkg) {
		return false
	}
	for _, prefix := range o.config.InApp {
		if pkg == prefix || strings.HasPrefix(pkg, prefix+"/") {
			return true
		}
	}
	if len(o.config.InApp) > 0 {
		return false
	}
	domain, _, _ := strings.Cut(pkg, "/")
	return strings.Contains(domain, ".") // the standard library has none
}

func ours(pkg string) bool {
	const module = "github.com/otellock/otellock-go/"
	return strings.HasPrefix(pkg, module) && !strings.HasPrefix(pkg, module+"examples/")
}
