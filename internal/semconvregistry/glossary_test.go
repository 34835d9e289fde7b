package semconvregistry

import (
	"os"
	"strings"
	"testing"
)

func TestTheGlossaryHasEveryOutcomeAndEveryErrorType(t *testing.T) {
	text, err := os.ReadFile("../../otellock/GLOSSARY.md")
	if err != nil {
		t.Fatal(err)
	}
	r := project(t)
	for _, name := range []string{"lock.outcome", "error.type"} {
		for _, m := range r.Attribute(name).Members {
			if !strings.Contains(string(text), "`"+m.Value+"`") {
				t.Errorf("otellock/GLOSSARY.md does not say what %s %s means", name, m.Value)
			}
		}
	}
}
