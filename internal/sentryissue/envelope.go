package sentryissue

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/getsentry/sentry-go"
)

// Envelope finishes an event that no client of sentry-go captures, and returns it
// as the body of a request to [sentry.Dsn.GetAPIURL]. Whoever calls it has set
// the event's id; sdk names the sender.
func (e *Event) Envelope(dsn *sentry.Dsn, sdk sentry.SdkInfo, now time.Time) ([]byte, error) {
	e.Sdk = sdk
	e.Platform = e.platform
	if e.Timestamp.IsZero() {
		e.Timestamp = now
	}
	e.In(nil).ApplyToEvent(e.Event, nil, nil)
	e.MakeSerializationSafe() // leaves out a user who is nobody
	payload, err := json.Marshal(e.Event)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(len(payload) + 1024)
	enc := json.NewEncoder(&b) // which ends each line
	if err := enc.Encode(map[string]any{
		"event_id": e.EventID, "sent_at": now, "dsn": dsn, "trace": e.trace,
		"sdk": map[string]string{"name": sdk.Name, "version": sdk.Version},
	}); err != nil {
		return nil, err
	}
	if err := enc.Encode(map[string]any{"type": "event", "length": len(payload)}); err != nil {
		return nil, err
	}
	b.Write(payload)
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// platforms are Sentry's names where they differ from telemetry.sdk.language.
var platforms = map[string]string{"nodejs": "node", "webjs": "javascript", "dotnet": "csharp", "cpp": "native", "rust": "native", "swift": "cocoa"}

// platform returns what Sentry calls a language.
func platform(language string) string {
	switch language {
	case "go", "php", "python", "ruby", "java", "elixir", "perl":
		return language
	}
	if name, ok := platforms[language]; ok {
		return name
	}
	return "other"
}
