package otellock_test

import (
	"testing"

	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/otellock"
)

// What these tests share with those of other modules, under short names.
type (
	attempt         = locktest.Attempt
	telemetry       = locktest.Telemetry
	scriptedBackend = locktest.ScriptedBackend
	fault           = locktest.Fault
	classed         = locktest.Classed
	stage           = locktest.Stage
)

const errRefused = locktest.ErrRefused

var (
	newTelemetry  = locktest.NewTelemetry
	newScripted   = locktest.NewScripted
	newLocker     = locktest.NewLocker
	newTarget     = locktest.NewTarget
	inVirtualTime = locktest.InVirtualTime
	eventually    = locktest.Eventually
	text          = locktest.Text

	works, hangs, losesReply = locktest.Works, locktest.Hangs, locktest.LosesReply
	answers, after           = locktest.Answers, locktest.After

	acquiredOnce, plain, errOwn = locktest.AcquiredOnce, locktest.Plain, locktest.ErrOwn
	with, only                  = locktest.With, locktest.Only
)

func declare(t *testing.T, l *otellock.Locker, name string, opts ...otellock.LockOption) *otellock.Target {
	t.Helper()
	return newTarget(t, l, name, "lock:"+name+":*", opts...)
}
