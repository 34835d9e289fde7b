package sentrylog

import (
	"crypto/rand"
	"encoding/hex"
	"runtime/debug"
	"sync"

	"github.com/getsentry/sentry-go"
)

// Bounds of the modules of an event.
const (
	maxModules    = 100
	maxModuleText = 200
)

// modules returns the program's modules, by version: the main one, and its
// dependencies in the order of their paths as far as there is room. The map is
// shared and must not be changed.
var modules = sync.OnceValue(func() map[string]string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	all := map[string]string{info.Main.Path: info.Main.Version}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if len(all) < maxModules && len(m.Path)+len(m.Version) <= maxModuleText {
			all[m.Path] = m.Version
		}
	}
	return all
})

// mainModule returns the main module's path, nothing where it is not known.
func mainModule() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path == "" || info.Main.Path == "command-line-arguments" {
		return nil
	}
	return []string{info.Main.Path}
}

func newEventID() sentry.EventID {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0F | 0x40
	id[8] = id[8]&0x3F | 0x80
	return sentry.EventID(hex.EncodeToString(id[:]))
}
