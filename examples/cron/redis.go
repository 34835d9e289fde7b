package main

import (
	"context"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// startRedis starts an embedded Redis, whose clock stands still unless it is moved.
func startRedis(ctx context.Context) (addr string, stop func(), err error) {
	embedded := miniredis.NewMiniRedis()
	if err := embedded.Start(); err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
				now := time.Now()
				embedded.FastForward(now.Sub(last))
				last = now
			case <-ctx.Done():
				return
			}
		}
	}()
	return embedded.Addr(), func() { cancel(); embedded.Close() }, nil
}
