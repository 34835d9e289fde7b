package oteletcd

import (
	"context"

	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// Types of etcd's package, by alias.
type (
	Session       = concurrency.Session
	SessionOption = concurrency.SessionOption
	STM           = concurrency.STM
	STMOption     = concurrency.STMOption
	Isolation     = concurrency.Isolation
)

// Isolation levels of etcd's STM.
const (
	SerializableSnapshot = concurrency.SerializableSnapshot
	Serializable         = concurrency.Serializable
	RepeatableReads      = concurrency.RepeatableReads
	ReadCommitted        = concurrency.ReadCommitted
)

// Errors of etcd's package, returned as they are.
var (
	ErrLocked            = concurrency.ErrLocked
	ErrSessionExpired    = concurrency.ErrSessionExpired
	ErrLockReleased      = concurrency.ErrLockReleased
	ErrElectionNotLeader = concurrency.ErrElectionNotLeader
	ErrElectionNoLeader  = concurrency.ErrElectionNoLeader
)

// NewSession calls [concurrency.NewSession].
func NewSession(client *v3.Client, opts ...SessionOption) (*Session, error) {
	return concurrency.NewSession(client, opts...)
}

// WithTTL calls [concurrency.WithTTL].
func WithTTL(ttl int) SessionOption { return concurrency.WithTTL(ttl) }

// WithLease calls [concurrency.WithLease].
func WithLease(leaseID v3.LeaseID) SessionOption { return concurrency.WithLease(leaseID) }

// WithContext calls [concurrency.WithContext].
func WithContext(ctx context.Context) SessionOption { return concurrency.WithContext(ctx) }

// NewSTM calls [concurrency.NewSTM].
func NewSTM(c *v3.Client, apply func(STM) error, so ...STMOption) (*v3.TxnResponse, error) {
	return concurrency.NewSTM(c, apply, so...)
}

// WithIsolation calls [concurrency.WithIsolation].
func WithIsolation(lvl Isolation) STMOption { return concurrency.WithIsolation(lvl) }

// WithAbortContext calls [concurrency.WithAbortContext].
func WithAbortContext(ctx context.Context) STMOption { return concurrency.WithAbortContext(ctx) }

// WithPrefetch calls [concurrency.WithPrefetch].
func WithPrefetch(keys ...string) STMOption { return concurrency.WithPrefetch(keys...) }

// NewSTMRepeatable calls [concurrency.NewSTMRepeatable].
func NewSTMRepeatable(ctx context.Context, c *v3.Client, apply func(STM) error) (*v3.TxnResponse, error) {
	return concurrency.NewSTMRepeatable(ctx, c, apply)
}

// NewSTMSerializable calls [concurrency.NewSTMSerializable].
func NewSTMSerializable(ctx context.Context, c *v3.Client, apply func(STM) error) (*v3.TxnResponse, error) {
	return concurrency.NewSTMSerializable(ctx, c, apply)
}

// NewSTMReadCommitted calls [concurrency.NewSTMReadCommitted].
func NewSTMReadCommitted(ctx context.Context, c *v3.Client, apply func(STM) error) (*v3.TxnResponse, error) {
	return concurrency.NewSTMReadCommitted(ctx, c, apply)
}
