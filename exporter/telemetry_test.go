package exporter

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestASignalThatIgnoresItsContextIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		release := make(chan struct{})
		err := inOrder(ctx,
			func(context.Context) error { <-release; return nil },
			func(context.Context) error { return nil },
			func(context.Context) error { return errFull },
		)
		close(release)
		if want := "logs: context deadline exceeded\nmetrics: full"; err == nil || err.Error() != want {
			t.Errorf("joined error is %q, want %q", err, want)
		}
	})
}

func TestASignalThatEndsItsGoroutineHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ok := func(context.Context) error { return nil }
		err := inOrder(ctx, func(context.Context) error { runtime.Goexit(); return nil }, ok, ok)
		if want := "logs: ended its goroutine"; err == nil || err.Error() != want {
			t.Errorf("joined error is %v, want %s", err, want)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it was waited for %v", took)
		}
	})
}

func TestMetricsWaitForLogsAsLongAsTimeAllows(t *testing.T) {
	never := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	ok := func(context.Context) error { return nil }
	tests := map[string]struct {
		logs     func(context.Context) error
		deadline time.Duration // 0: none
		want     time.Duration // when metrics start
	}{
		"logs take a while": {
			logs:     func(context.Context) error { time.Sleep(20 * time.Millisecond); return nil },
			deadline: time.Minute,
			want:     20 * time.Millisecond,
		},
		"logs fail": {
			logs:     func(context.Context) error { return errFull },
			deadline: time.Minute,
		},
		"logs panic": {
			logs:     func(context.Context) error { panic("x") },
			deadline: time.Minute,
		},
		"logs hang": {
			logs:     never,
			deadline: 4 * time.Second,
			want:     2 * time.Second,
		},
		"logs hang, and there is much time": {
			logs:     never,
			deadline: time.Hour,
			want:     patience,
		},
		"there is no deadline": {
			logs: func(context.Context) error { time.Sleep(time.Minute); return nil },
			want: patience,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				start, got := time.Now(), time.Duration(-1)
				err := inOrder(ctx, tt.logs, ok, func(context.Context) error {
					got = time.Since(start)
					return nil
				})
				if got != tt.want {
					t.Errorf("metrics started after %v, want %v (error %v)", got, tt.want, err)
				}
			})
		})
	}
}

func TestExportsEndWithTheLifetime(t *testing.T) {
	life, end := context.WithCancelCause(context.Background())
	ctx, release := bounded(context.Background(), life)
	defer release()
	if err := ctx.Err(); err != nil {
		t.Fatalf("ended at once: %v", err)
	}
	end(errShutDown)
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, errShutDown) {
		t.Errorf("the cause is %v", cause)
	}
}
