package main

import "math/bits"

// histogram counts microseconds as HdrHistogram does: exact below 2048, then 1024 steps per power of two, so that no
// value is off by more than 0.1 %.
type histogram struct {
	counts [40 * steps]uint32
	total  int
	max    int64
}

const (
	steps    = 1024
	stepBits = 10
)

type percentiles struct {
	P50  int64 `json:"p50"`
	P90  int64 `json:"p90"`
	P99  int64 `json:"p99"`
	P999 int64 `json:"p999"`
	Max  int64 `json:"max"`
}

func (h *histogram) record(us int64) {
	us = max(us, 0)
	h.counts[bucket(us)]++
	h.total++
	h.max = max(h.max, us)
}

func bucket(us int64) int {
	shift := max(bits.Len64(uint64(us))-stepBits-1, 0)
	return shift*steps + int(us>>shift)
}

// highest is the largest value that falls into the bucket.
func highest(bucket int) int64 {
	if bucket < 2*steps {
		return int64(bucket)
	}
	shift := bucket/steps - 1
	return (int64(bucket-shift*steps)+1)<<shift - 1
}

func (h *histogram) percentile(share float64) int64 {
	wanted := int(share*float64(h.total) + 0.5)
	for i, seen := 0, 0; i < len(h.counts); i++ {
		seen += int(h.counts[i])
		if seen >= max(wanted, 1) {
			return min(highest(i), h.max)
		}
	}
	return h.max
}

func (h *histogram) percentiles() percentiles {
	return percentiles{h.percentile(0.5), h.percentile(0.9), h.percentile(0.99), h.percentile(0.999), h.max}
}
