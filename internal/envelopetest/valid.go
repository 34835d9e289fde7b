package envelopetest

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"
)

// longest has the characters that Relay leaves of a field.
var longest = map[string]int{
	"release": 200, "environment": 64, "logger": 64, "transaction": 200, "server_name": 200, "message": 8192,
}

var tagKey = regexp.MustCompile(`^[a-zA-Z0-9_.:-]{1,32}$`)

// Valid returns how an event breaks Sentry's published schema, or a limit beyond
// which Relay cuts. The event's numbers are [json.Number].
func Valid(event map[string]any) error {
	if err := eventSchema().check("event", canonical(event)); err != nil {
		return err
	}
	for field, limit := range longest {
		if s, _ := event[field].(string); utf8.RuneCountInString(s) > limit {
			return fmt.Errorf("event.%s has %d characters, Sentry takes %d", field, utf8.RuneCountInString(s), limit)
		}
	}
	tags, _ := event["tags"].(object)
	for k, v := range tags {
		s, _ := v.(string)
		if !tagKey.MatchString(k) || s == "" || utf8.RuneCountInString(s) > 200 || strings.ContainsAny(s, "\r\n") {
			return fmt.Errorf("event.tags has %q: %q, which Sentry drops", k, s)
		}
	}
	return nil
}

// canonical returns the event in the form that the schema describes. sentry-go
// writes shorter forms, which Relay takes as well: exceptions and breadcrumbs as
// bare lists, the message and the request's cookies as strings.
func canonical(event object) object {
	c := maps.Clone(event)
	for _, field := range []string{"exception", "breadcrumbs"} {
		if list, ok := c[field].([]any); ok {
			c[field] = object{"values": list}
		}
	}
	if message, ok := c["message"].(string); ok {
		delete(c, "message")
		c["logentry"] = object{"formatted": message}
	}
	request, _ := c["request"].(object)
	if header, ok := request["cookies"].(string); ok {
		cookies := object{}
		for pair := range strings.SplitSeq(header, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			cookies[name] = value
		}
		request = maps.Clone(request)
		request["cookies"], c["request"] = cookies, request
	}
	return c
}
