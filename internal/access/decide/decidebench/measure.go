package decidebench

import (
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Result is one measurement. Latencies are in nanoseconds, without the cost of
// reading the clock. Throughput is measured without reading the clock for each
// call. Allocations are those of the whole process, divided by the calls.
type Result struct {
	Name        string  `json:"name"`
	Cores       int     `json:"cores"`
	P50         float64 `json:"p50_ns"`
	P99         float64 `json:"p99_ns"`
	P999        float64 `json:"p999_ns"`
	OpsPerS     float64 `json:"ops_per_s"`
	AllocsPerOp float64 `json:"allocs_per_op"`
	BytesPerOp  float64 `json:"bytes_per_op"`
}

// operation is what is measured: a worker runs it for the i-th time.
type operation func(worker, i int)

// measure runs f on some cores, first to measure the throughput and then the
// latency. Each takes d, and at least ten calls.
func measure(name string, cores int, d time.Duration, f operation) Result {
	r := Result{Name: name, Cores: cores}
	f(0, 0)
	// The collector runs during the measurement, as it does in a server, but
	// without the garbage of what came before.
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	ops := workers(cores, func(worker int) int {
		n, batch := 0, 1
		for n < 10 || time.Since(begin) < d {
			t := time.Now()
			for range batch {
				f(worker, n)
				n++
			}
			if time.Since(t) < 20*time.Microsecond {
				batch *= 2
			}
		}
		return n
	})
	elapsed := time.Since(begin)
	runtime.ReadMemStats(&after)
	r.OpsPerS = float64(ops) / elapsed.Seconds()
	r.AllocsPerOp = per(after.Mallocs-before.Mallocs, ops)
	r.BytesPerOp = per(after.TotalAlloc-before.TotalAlloc, ops)

	cost := clockCost()
	times := make([]histogram, cores)
	begin = time.Now()
	workers(cores, func(worker int) int {
		h := &times[worker]
		for n := 0; ; n++ {
			t := time.Now()
			f(worker, n)
			end := time.Now()
			h.add(end.Sub(t) - cost)
			if n >= 10 && end.Sub(begin) > d {
				return n
			}
		}
	})
	for _, h := range times[1:] {
		times[0].merge(&h)
	}
	r.P50, r.P99, r.P999 = times[0].quantile(0.5), times[0].quantile(0.99), times[0].quantile(0.999)
	return r
}

// per returns total per operation, rounded so that the few allocations of the
// measurement itself disappear among many calls.
func per(total uint64, ops int) float64 {
	return math.Round(float64(total)/float64(ops)*100) / 100
}

// workers runs f on one goroutine for each core, and returns the sum of what they
// return.
func workers(cores int, f func(worker int) int) int {
	counts := make([]int, cores)
	var wg sync.WaitGroup
	for worker := range cores {
		wg.Go(func() { counts[worker] = f(worker) })
	}
	wg.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}

// clockCost returns how long it takes to read the clock twice.
func clockCost() time.Duration {
	times := make([]time.Duration, 1001)
	for i := range times {
		t := time.Now()
		times[i] = time.Since(t)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// A histogram counts durations with an error of at most two percent.
type histogram struct {
	counts [64 * 64]uint64
	n      uint64
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(uint64(max(d, 0)))]++
	h.n++
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
}

// bucketOf returns the bucket of a duration. Below 64 ns each nanosecond has one,
// and from there on every doubling has 32.
func bucketOf(ns uint64) int {
	if ns < 64 {
		return int(ns)
	}
	shift := bits.Len64(ns) - 6
	return shift*32 + int(ns>>shift)
}

// middleOf returns the middle of the durations in a bucket.
func middleOf(bucket int) float64 {
	if bucket < 64 {
		return float64(bucket)
	}
	shift := bucket/32 - 1
	return (float64(bucket%32+32) + 0.5) * math.Pow(2, float64(shift))
}

func (h *histogram) quantile(q float64) float64 {
	rank := uint64(q * float64(h.n-1))
	for i, n := range h.counts {
		if rank < n {
			return middleOf(i)
		}
		rank -= n
	}
	return 0
}
