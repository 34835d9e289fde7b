package sentrylog_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/exporter/sentrylog"
)

// net/http reads HTTPS_PROXY once in a process, so the export is that of a
// process of its own: this test again, with the variable set.
func TestTheProxyOfTheEnvironmentIsUsed(t *testing.T) {
	const child = "SENTRYLOG_TEST_BEHIND_PROXY"
	if os.Getenv(child) != "" {
		e, err := sentrylog.New(fakeDSN)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		for _, r := range backendErrors(1) {
			_ = e.OnEmit(ctx, &r)
		}
		fmt.Println("Shutdown:", e.Shutdown(ctx))
		return
	}

	asked := make(chan string, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusForbidden)
	}))
	defer proxy.Close()
	cmd := exec.CommandContext(within(t, 30*time.Second), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1", "HTTPS_PROXY="+proxy.URL, "https_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "1 of 1 events not delivered") {
		t.Errorf("the export behind a proxy that refuses: %v\n%s", err, out)
	}
	select {
	case got := <-asked:
		if want := "CONNECT o17.ingest.sentry.example:443"; got != want {
			t.Errorf("the proxy was asked to %s, want %s", got, want)
		}
	default:
		t.Errorf("the proxy was not asked\n%s", out)
	}
}
