package sum

import (
	"slices"
	"testing"
)

func TestSum(t *testing.T) {
	of := func(fill func(*Sum)) uint64 {
		s := New()
		fill(s)
		return s.Of()
	}
	type pair struct{ A, B []int }
	sums := []uint64{
		of(func(s *Sum) {}), of(func(s *Sum) { One(s, 1) }), of(func(s *Sum) { One(s, 2) }), of(func(s *Sum) { One(s, "1") }),
		of(func(s *Sum) { All(s, []int{1, 2}) }), of(func(s *Sum) { All(s, []int{2, 1}) }),
		of(func(s *Sum) { All(s, []int{1}); All(s, []int{2}) }), of(func(s *Sum) { All(s, []int{}); All(s, []int{1, 2}) }),
		of(func(s *Sum) { s.Bytes([]byte("ab")); s.Bytes(nil) }), of(func(s *Sum) { s.Bytes([]byte("a")); s.Bytes([]byte("b")) }),
		of(func(s *Sum) { s.Deep(pair{A: []int{1}}) }), of(func(s *Sum) { s.Deep(pair{B: []int{1}}) }),
	}
	if all := slices.Compact(slices.Sorted(slices.Values(sums))); len(all) != len(sums) {
		t.Errorf("%d different things have %d fingerprints", len(sums), len(all))
	}
	for i := range 2 {
		if again := of(func(s *Sum) { All(s, []int{1, 2}); s.Deep(&pair{A: []int{i}}) }); again != of(func(s *Sum) { All(s, []int{1, 2}); s.Deep(&pair{A: []int{i}}) }) {
			t.Error("the same has two fingerprints")
		}
	}
}

func TestStay(t *testing.T) {
	for _, tt := range []struct {
		before, now []uint64
		want        []int
	}{
		{nil, []uint64{1}, []int{-1}},
		{[]uint64{1, 2, 3}, []uint64{3, 4, 1}, []int{2, -1, 0}},
		{[]uint64{1, 1}, []uint64{1, 1}, []int{1, -1}}, // each goes on as one
	} {
		if got := Stay(tt.before, tt.now); !slices.Equal(got, tt.want) {
			t.Errorf("%v of %v stay as %v, want %v", tt.now, tt.before, got, tt.want)
		}
	}
}
