package main

import (
	"bufio"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/log/logtest"

	"github.com/otellock/otellock-go/semconv"
)

func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-main") {
		main()
		return
	}
	os.Exit(m.Run())
}

// run fails by itself where two workers were inside at once, and where a lock does not
// tell of the contention and of the outage.
func TestEachLockTellsOfTheContentionAndOfTheOutage(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, name := range []string{"otellock", "redislock", "redsync", "rueidislock", "etcd"} {
		if want := "WARN lock backend failed: " + name + " was refused"; strings.Count(out.String(), want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, &out)
		}
	}
	t.Log(out.String())
}

func TestASummaryIsPrintedWithHowManyWereSuppressed(t *testing.T) {
	var out strings.Builder
	summary := logtest.RecordFactory{
		Severity:   log.SeverityInfo,
		Body:       attribute.StringValue("repeated warnings suppressed: backend_error, redsync"),
		Attributes: []attribute.KeyValue{semconv.LockReportSuppressedCount(9)},
	}.NewRecord()
	if err := (printer{&out}).Export(t.Context(), []sdklog.Record{summary}); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "   INFO repeated warnings suppressed: backend_error, redsync  9\n"; got != want {
		t.Errorf("it is printed as %q, want %q", got, want)
	}
}

// Its redis-server and its directory would outlive it.
func TestItCleansUpWhenItIsStoppedInTheMiddle(t *testing.T) {
	for name, stop := range map[string]func(*exec.Cmd, *os.File) error{
		"by SIGTERM":                       func(cmd *exec.Cmd, _ *os.File) error { return cmd.Process.Signal(syscall.SIGTERM) },
		"by a reader that has seen enough": func(_ *exec.Cmd, out *os.File) error { return out.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-main")
			cmd.Env = append(os.Environ(), "TMPDIR="+dir)
			cmd.Stdout = in
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = in.Close()
			started := false
			for lines := bufio.NewScanner(out); !started && lines.Scan(); {
				started = lines.Text() == "CONTENTION"
			}
			if !started {
				t.Error("it has not started")
			}
			if err := stop(cmd, out); err != nil {
				t.Error(err)
			}
			t.Log(cmd.Wait()) // an error, as after Ctrl-C
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("it leaves %v, %v", left, err)
			}
		})
	}
}
