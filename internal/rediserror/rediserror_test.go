package rediserror_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/otellock/otellock-go/internal/rediserror"
	"github.com/otellock/otellock-go/otellock/observe"
)

func TestTheClassOfAnErrorIsFoundWhateverWrapsIt(t *testing.T) {
	readonly := errors.New("READONLY You can't write against a read only replica.")
	for _, test := range []struct {
		err   error
		class string
	}{
		{readonly, "READONLY"},
		{errors.New("-READONLY You can't write against a read only replica."), "READONLY"}, // Redis 6, from a script
		{fmt.Errorf("node #1: %w", readonly), "READONLY"},
		{errors.Join(errors.New("node #0: taken"), fmt.Errorf("node #1: %w", readonly)), "READONLY"},
		{errors.New("redis: connection pool timeout"), "pool_exhausted"},
		{fmt.Errorf("lock: %w", errors.New("redis: client is closed")), "closed"},
		{syscall.ECONNREFUSED, "connection_refused"},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), "timeout"},
		{errors.New("READONLYkey"), "_OTHER"},
		{errors.New("SECRET key"), "_OTHER"},
		{errors.New("timeout of key"), "_OTHER"},
		{errors.New("stolen key"), "_OTHER"},
		{errors.New("_OTHER key"), "_OTHER"},
		{errors.New(""), "_OTHER"},
		{fmt.Errorf("key: no READONLY"), "_OTHER"},
	} {
		err := rediserror.Classify(test.err)
		if class := observe.ErrorType(err); class != test.class {
			t.Errorf("%v is %s, want %s", test.err, class, test.class)
		}
		if err.Error() != test.err.Error() || !errors.Is(err, test.err) {
			t.Errorf("%v has become %v", test.err, err)
		}
	}
	if err := rediserror.Classify(nil); err != nil {
		t.Errorf("no error has become %v", err)
	}
}
