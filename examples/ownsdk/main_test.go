package main

import (
	"strings"
	"testing"
)

func TestAThousandFailuresAreOneWarningAndASummary(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if n := strings.Count(got, "lock backend failed: orders runs unprotected"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, got)
	}
	if !strings.Contains(got, "repeated warnings suppressed: backend_error, orders") || !strings.Contains(got, "999") {
		t.Errorf("no summary of the other 999:\n%s", got)
	}
}
