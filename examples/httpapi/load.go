package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const loadedProjects = 20 // few enough to meet now and then

// load sends PUTs to the service until ctx ends, and returns when they have been
// answered.
func load(ctx context.Context, base string, rps int) {
	if rps == 0 {
		return
	}
	tick := time.NewTicker(time.Second / time.Duration(rps))
	defer tick.Stop()
	client := &http.Client{Timeout: 5 * time.Second}
	var group sync.WaitGroup
	defer group.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		group.Go(func() {
			work := time.Duration(rand.ExpFloat64() * float64(40*time.Millisecond))
			url := fmt.Sprintf("%s/projects/%d?work=%v", base, rand.IntN(loadedProjects), min(work, longestWork))
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, nil)
			if err != nil {
				return
			}
			if res, err := client.Do(req); err == nil {
				res.Body.Close()
			}
		})
	}
}
