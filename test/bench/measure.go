package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// times are how long single calls took.
type times []time.Duration

// at is the duration that a share of the calls did not exceed.
func (t times) at(share float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	slices.Sort(t)
	return t[min(len(t)-1, int(share*float64(len(t))))].Round(10 * time.Microsecond)
}

func (t times) String() string {
	return fmt.Sprintf("n %5d   p50 %9v   p99 %9v   max %9v", len(t), t.at(0.5), t.at(0.99), t.at(1))
}

// rounds calls fn one after the other, n times.
func rounds(n int, fn func(k int) error) (times, error) {
	t := make(times, 0, n)
	for k := range n {
		began := time.Now()
		if err := fn(k); err != nil {
			return t, err
		}
		t = append(t, time.Since(began))
	}
	return t, nil
}

// load lets clients call fn at once until the time is over, and gives the calls
// a second and how long each took. k is another number in each call.
func load(
	ctx context.Context, clients int, d time.Duration, fn func(ctx context.Context, k int) error,
) (float64, times, error) {
	var (
		next  atomic.Int64
		mu    sync.Mutex
		all   times
		first error
		wg    sync.WaitGroup
	)
	began := time.Now()
	for range clients {
		wg.Go(func() {
			var own times
			var err error
			for err == nil && time.Since(began) < d && ctx.Err() == nil {
				at := time.Now()
				err = fn(ctx, int(next.Add(1)))
				own = append(own, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return float64(len(all)) / time.Since(began).Seconds(), all, first
}

// median of several runs' figures.
func median(x []float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	return x[len(x)/2]
}
