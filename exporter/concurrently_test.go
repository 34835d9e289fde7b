package exporter

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestATaskThatIgnoresItsContextIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		release := make(chan struct{})
		err := concurrently(ctx,
			task{"deaf", func(context.Context) error { <-release; return nil }},
			task{"fine", func(context.Context) error { return nil }},
			task{"failing", func(context.Context) error { return errFull }},
		)
		close(release)
		if want := "deaf: context deadline exceeded\nfailing: full"; err == nil || err.Error() != want {
			t.Errorf("joined error is %q, want %q", err, want)
		}
	})
}

func TestATaskThatEndsItsGoroutineHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := concurrently(ctx,
			task{"gone", func(context.Context) error { runtime.Goexit(); return nil }},
			task{"fine", func(context.Context) error { return nil }},
		)
		if want := "gone: ended its goroutine"; err == nil || err.Error() != want {
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
	l := newLifetime()
	ctx, release := l.bound(context.Background())
	defer release()
	if err := ctx.Err(); err != nil {
		t.Fatalf("ended at once: %v", err)
	}
	l.end(errShutDown)
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, errShutDown) {
		t.Errorf("the cause is %v", cause)
	}
}
