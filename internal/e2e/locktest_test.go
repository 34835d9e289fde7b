package e2e

import (
	"context"
	"testing"

	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/otellock"
)

// What these tests share with those of package otellock, under short names.
type (
	telemetry       = locktest.Telemetry
	scriptedBackend = locktest.ScriptedBackend
	fault           = locktest.Fault
)

const errRefused = locktest.ErrRefused

var (
	newTelemetry = locktest.NewTelemetry
	newScripted  = locktest.NewScripted
	newLocker    = locktest.NewLocker
	newTarget    = locktest.NewTarget

	works, losesReply, answers = locktest.Works, locktest.LosesReply, locktest.Answers
)

func declare(t *testing.T, l *otellock.Locker, name string, opts ...otellock.LockOption) *otellock.Target {
	t.Helper()
	return newTarget(t, l, name, "lock:"+name+":*", opts...)
}

func nothing(context.Context) error { return nil }
