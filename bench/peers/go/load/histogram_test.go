package main

import "testing"

func TestNoValueIsOffByMoreThanOneInAThousand(t *testing.T) {
	for us := int64(0); us < 100_000_000; us += 1 + us/97 {
		reported := highest(bucket(us))
		if reported < us || float64(reported-us) > 0.001*float64(us) {
			t.Fatalf("%d is reported as %d", us, reported)
		}
	}
}

func TestPercentilesOfKnownValues(t *testing.T) {
	var h histogram
	for us := int64(1); us <= 1000; us++ {
		h.record(us)
	}
	if got, want := h.percentiles(), (percentiles{500, 900, 990, 999, 1000}); got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}
