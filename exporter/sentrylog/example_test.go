package sentrylog_test

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/exporter/throttle"
)

func ExampleNew() {
	issues, err := sentrylog.New("https://KEY@o1.ingest.sentry.io/42") // os.Getenv("SENTRY_DSN")
	if err != nil {
		fmt.Println(err)
		return
	}
	throttled, err := throttle.NewProcessor(issues)
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(throttled))

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := provider.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(issues.Sent(), "sent,", issues.Dropped(), "dropped")
	// Output: 0 sent, 0 dropped
}

func ExampleNew_malformed() {
	_, err := sentrylog.New("https://0123456789abcdef@o1.ingest.sentry.io")
	fmt.Println(err)
	// Output: sentrylog: the Sentry DSN is malformed: expected https://KEY@HOST/PROJECT
}

func ExampleWithFilter() {
	// Every record of severity ERROR besides the lock warnings.
	_ = sentrylog.WithFilter(func(r *sdklog.Record) bool {
		return r.Severity() >= log.SeverityError || sentrylog.LockWarnings(r)
	})
}
