package envelopetest

import (
	"errors"
	"strings"
	"testing"
)

func TestSeveralItemsAreRead(t *testing.T) {
	body := `{"event_id":"e1","dsn":"http://k@h/1","sdk":{"name":"x","integrations":["a"]},"trace":{"trace_id":"t1"}}
{"type":"event","length":55}
{"level":"warning","tags":{"a":"b"},"extra":{"n":1.50}}
{"type":"client_report"}
{"discarded_events":[]}

{"type":"attachment","length":5,"filename":"f"}
a` + "\n" + `b
c
{"type":"event"}
{"level":"error"}`
	e, err := Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, item := range e.Items {
		types = append(types, item.Type)
	}
	if got := strings.Join(types, " "); got != "event client_report attachment event" || string(e.Items[2].Payload) != "a\nb\nc" {
		t.Errorf("items %s, attachment %q", got, e.Items[2].Payload)
	}
	events, err := e.Events()
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[0].Level != "warning" || events[0].Tags["a"] != "b" || events[0].Header.Trace["trace_id"] != "t1" || events[1].Level != "error" {
		t.Errorf("events %+v", events)
	}
}

func TestMalformedEnvelopesAreRefused(t *testing.T) {
	for body, want := range map[string]error{
		"":                ErrHeader,
		"[]\n":            ErrHeader,
		"{}\nno json\n{}": ErrItemHeader,
		"{}\n{}\n{}":      ErrItemHeader,
		"{}\n{\"type\":\"event\",\"length\":9}\n{}":     ErrLength,
		"{}\n{\"type\":\"event\",\"length\":-1}\n{}":    ErrLength,
		"{}\n{\"type\":\"event\",\"length\":0.5}\n{}":   ErrLength,
		"{}\n{\"type\":\"event\",\"length\":\"2\"}\n{}": ErrLength,
		"{}\n{\"type\":\"event\",\"length\":1}\n{}":     ErrLength,
	} {
		if _, err := Parse([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", body, err, want)
		}
	}
	e, err := Parse([]byte("{}\n{\"type\":\"event\"}\n[1]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Events(); err == nil {
		t.Error("an event that is no object was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("{}\n{\"type\":\"event\",\"length\":2}\n{}\n"))
	f.Add([]byte("{\"event_id\":\"a\"}\n{\"type\":\"client_report\"}\n{}"))
	f.Add([]byte("{}\n{\"type\":\"event\",\"length\":1e18}\n{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := Parse(body)
		if err != nil {
			return
		}
		total := 0
		for _, item := range e.Items {
			if item.Type == "" {
				t.Fatal("an item without a type")
			}
			total += len(item.Payload)
		}
		if total > len(body) {
			t.Fatalf("payloads of %d bytes from a body of %d", total, len(body))
		}
		_, _ = e.Events()
	})
}
