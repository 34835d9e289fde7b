package semconvregistry

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"
)

func TestCheckNamesWhatDoesNotFit(t *testing.T) {
	r, err := load(manifestText, groupsText)
	if err != nil {
		t.Fatal(err)
	}
	uses := r.Span("peek").Attributes
	target, mode := attribute.String("lock.target", "projects"), attribute.String("lock.mode", "try")
	for name, c := range map[string]struct {
		emitted []attribute.KeyValue
		want    string
	}{
		"all is well":         {[]attribute.KeyValue{target, mode}, ""},
		"absent":              {[]attribute.KeyValue{mode}, "lock.target is required and absent"},
		"not defined":         {[]attribute.KeyValue{target, mode, attribute.String("lock.key", "k")}, "lock.key is not defined here"},
		"another type":        {[]attribute.KeyValue{attribute.Int("lock.target", 1), mode}, "lock.target is a INT64, not a string"},
		"no member":           {[]attribute.KeyValue{target, attribute.String("lock.mode", "poll")}, `lock.mode has the value "poll", which is not defined here`},
		"a member, not here":  {[]attribute.KeyValue{target, attribute.String("lock.mode", "wait")}, `lock.mode has the value "wait", which is not defined here`},
		"twice":               {[]attribute.KeyValue{target, target, mode}, "lock.target is there twice"},
		"several at one time": {nil, "lock.target is required and absent\nlock.mode is required and absent"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := uses.Check(c.emitted); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
