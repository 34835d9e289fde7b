package envelopetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// An Envelope is one request body of Sentry's envelope protocol.
type Envelope struct {
	Header Header
	Items  []Item
}

// A Header is the first line of an envelope.
type Header struct {
	EventID string            `json:"event_id"`
	SentAt  string            `json:"sent_at"`
	DSN     string            `json:"dsn"`
	SDK     map[string]any    `json:"sdk"`
	Trace   map[string]string `json:"trace"` // the dynamic sampling context
}

// An Item is one part of an envelope: "event", "client_report", "attachment"
// and so on.
type Item struct {
	Type    string
	Header  map[string]any
	Payload []byte
}

// Errors of [Parse].
var (
	ErrHeader     = errors.New("envelopetest: the envelope's first line is not a JSON object")
	ErrItemHeader = errors.New("envelopetest: an item's header is not a JSON object with a type")
	ErrLength     = errors.New("envelopetest: an item's length disagrees with its payload")
)

// Parse reads an envelope. An item whose header has no length ends at the next
// newline, as the protocol says.
func Parse(body []byte) (Envelope, error) {
	var e Envelope
	line, rest, _ := bytes.Cut(body, []byte("\n"))
	if !isObject(line) || json.Unmarshal(line, &e.Header) != nil {
		return Envelope{}, ErrHeader
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if len(line) == 0 {
			continue
		}
		var item Item
		if !isObject(line) || json.Unmarshal(line, &item.Header) != nil {
			return Envelope{}, ErrItemHeader
		}
		if item.Type, _ = item.Header["type"].(string); item.Type == "" {
			return Envelope{}, ErrItemHeader
		}
		length, given := item.Header["length"]
		if !given {
			item.Payload, rest, _ = bytes.Cut(rest, []byte("\n"))
			e.Items = append(e.Items, item)
			continue
		}
		n, ok := length.(float64)
		if !ok || n < 0 || n != float64(int(n)) || int(n) > len(rest) {
			return Envelope{}, ErrLength
		}
		item.Payload, rest = rest[:int(n)], rest[int(n):]
		if len(rest) > 0 {
			if rest[0] != '\n' {
				return Envelope{}, ErrLength
			}
			rest = rest[1:]
		}
		e.Items = append(e.Items, item)
	}
	return e, nil
}

func isObject(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 1 && line[0] == '{'
}

// An Event is an item of type "event", decoded.
type Event struct {
	Header Header         // of the envelope that brought it
	Raw    map[string]any // the whole payload, numbers as json.Number

	EventID     string                    `json:"event_id"`
	Timestamp   string                    `json:"timestamp"`
	Level       string                    `json:"level"`
	Message     string                    `json:"message"`
	Logger      string                    `json:"logger"`
	Platform    string                    `json:"platform"`
	Transaction string                    `json:"transaction"`
	ServerName  string                    `json:"server_name"`
	Release     string                    `json:"release"`
	Environment string                    `json:"environment"`
	Fingerprint []string                  `json:"fingerprint"`
	Tags        map[string]string         `json:"tags"`
	Contexts    map[string]map[string]any `json:"contexts"`
	Exception   []Exception               `json:"exception"`
}

// An Exception is one entry of an event's exception list.
type Exception struct {
	Type       string `json:"type"`
	Value      string `json:"value"`
	Stacktrace struct {
		Frames []Frame `json:"frames"`
	} `json:"stacktrace"`
	Mechanism struct {
		Type    string `json:"type"`
		Handled *bool  `json:"handled"`
	} `json:"mechanism"`
}

// A Frame is one frame of an exception's stack trace.
type Frame struct {
	Function string `json:"function"`
	Module   string `json:"module"`
	Filename string `json:"filename"`
	AbsPath  string `json:"abs_path"`
	Lineno   int    `json:"lineno"`
	InApp    bool   `json:"in_app"`
}

// Events returns the events of an envelope, in order. One that is not [Valid] is
// an error.
func (e Envelope) Events() ([]Event, error) {
	var events []Event
	for _, item := range e.Items {
		if item.Type != "event" {
			continue
		}
		event := Event{Header: e.Header}
		if err := json.Unmarshal(item.Payload, &event); err != nil {
			return nil, fmt.Errorf("envelopetest: event payload: %w", err)
		}
		d := json.NewDecoder(bytes.NewReader(item.Payload))
		d.UseNumber()
		if err := d.Decode(&event.Raw); err != nil {
			return nil, fmt.Errorf("envelopetest: event payload: %w", err)
		}
		if err := Valid(event.Raw); err != nil {
			return nil, fmt.Errorf("envelopetest: %w", err)
		}
		events = append(events, event)
	}
	return events, nil
}
