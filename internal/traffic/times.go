package traffic

import (
	"math/bits"
	"time"
)

// times counts durations by their size, within 1/16: memory does not grow.
type times struct {
	n      int
	max    time.Duration
	counts [40 * steps]uint32 // microseconds up to 2^40
}

const (
	stepBits = 4
	steps    = 1 << stepBits // buckets between two powers of two
)

// bucket is where a duration is counted.
func bucket(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < steps {
		return int(us)
	}
	shift := bits.Len64(us) - stepBits - 1
	return min(shift*steps+int(us>>shift), 40*steps-1)
}

// upper is the longest duration of a bucket.
func upper(i int) time.Duration {
	if i < steps {
		return time.Duration(i) * time.Microsecond
	}
	shift := i/steps - 1
	return time.Duration((uint64(i%steps+steps)+1)<<shift-1) * time.Microsecond
}

func (t *times) add(d time.Duration) {
	t.n++
	t.max = max(t.max, d)
	t.counts[bucket(d)]++
}

// part is the duration that a part of all, 0 to 1, did not exceed.
func (t *times) part(q float64) time.Duration {
	left := int(q*float64(t.n) + 0.5)
	for i, n := range t.counts {
		if left -= int(n); left <= 0 && n > 0 {
			return min(upper(i), t.max)
		}
	}
	return t.max
}
