package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// memory prints what a lease that is held and a waiter cost in bytes and goroutines.
// The goroutine of a waiter is its caller's, and not counted.
func memory(ctx context.Context, s *server) error {
	const leases, waiters = 2000, 200
	title("Memory and goroutines",
		"lock", "bytes a lease ÷ redislock", "bytes a lease", "goroutines a lease", "bytes a waiter", "goroutines a waiter")
	type cost struct{ bytes, goroutines float64 }
	held, waiting := map[string]cost{}, map[string]cost{}
	for _, m := range makers {
		take, stop, err := m.make(s.addr)
		if err != nil {
			return err
		}
		release, err := take(ctx, "peers:held")
		if err != nil {
			return err
		}
		// Waiters: all of one key, whose holder stays.
		ctx, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		before, routines := heap(), runtime.NumGoroutine()
		for range waiters {
			group.Go(func() {
				if release, err := take(ctx, "peers:held"); err == nil {
					_ = release()
				}
			})
		}
		time.Sleep(time.Second)
		waiting[m.name] = cost{(heap() - before) / waiters, float64(runtime.NumGoroutine()-routines-waiters) / waiters}
		cancel()
		group.Wait()
		if err := release(); err != nil {
			return err
		}
		stop()
	}
	for _, m := range makers {
		take, stop, err := m.make(s.addr)
		if err != nil {
			return err
		}
		releases := make([]func() error, 0, leases)
		for i := range 100 { // connects, and makes what is made once
			release, err := take(ctx, fmt.Sprint("peers:warm:", i))
			if err != nil {
				return err
			}
			if err := release(); err != nil {
				return err
			}
		}
		before, routines := heap(), runtime.NumGoroutine()
		for i := range leases {
			release, err := take(ctx, fmt.Sprint("peers:", m.name, i))
			if err != nil {
				return err
			}
			releases = append(releases, release)
		}
		held[m.name] = cost{(heap() - before) / leases, float64(runtime.NumGoroutine()-routines) / leases}
		for _, release := range releases {
			if err := release(); err != nil {
				return err
			}
		}
		stop()
	}
	for _, m := range makers {
		row(m.name, held[m.name].bytes/held["redislock"].bytes, fmt.Sprintf("%.0f", held[m.name].bytes), held[m.name].goroutines,
			fmt.Sprintf("%.0f", waiting[m.name].bytes), waiting[m.name].goroutines)
	}
	fmt.Println()
	return nil
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) + float64(m.StackInuse)
}
