package sentryissue

import "cmp"

// Defaults are what the program or its environment says about itself. What is
// set wins over the resource.
type Defaults struct {
	Release, Environment, ServerName string
}

// An Origin is what all records of one resource have in common. It is immutable
// and safe for concurrent use.
type Origin struct {
	service     string
	release     string
	environment string
	server      string
	resource    map[string]any
}

// NewOrigin reads a resource.
func NewOrigin(resource []Attribute, d Defaults) *Origin {
	var version, instance, host, environment, environmentOld string
	o := &Origin{resource: make(map[string]any, len(resource))}
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
		o.resource[a.Key] = kept(a.Key, a.Value, 0)
	}
	o.service = line(o.service, maxTag)
	o.release = name(cmp.Or(d.Release, version), maxRelease)
	o.environment = name(cmp.Or(d.Environment, environment, environmentOld), maxEnvironment)
	o.server = line(cmp.Or(d.ServerName, instance, host), maxTag)
	return o
}
