// Package sum makes fingerprints of plain data, by which a process knows later
// what has not changed, without keeping it. They hold within one process. It is
// pure.
package sum

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
)

// Sum is a fingerprint that is being made. Make one with New. Two different
// things have the same once in 2^64 times.
type Sum struct{ hash maphash.Hash }

var seed = maphash.MakeSeed()

// New begins a fingerprint.
func New() *Sum {
	s := &Sum{}
	s.hash.SetSeed(seed)
	return s
}

// Of is the fingerprint.
func (s *Sum) Of() uint64 { return s.hash.Sum64() }

// One counts a value in. A pointer in it counts as itself, not as what it points to.
func One[T comparable](s *Sum, v T) { maphash.WriteComparable(&s.hash, v) }

// All counts a list in.
func All[T comparable](s *Sum, list []T) {
	One(s, len(list))
	for i := range list {
		One(s, list[i])
	}
}

// Bytes counts in what is written in bytes.
func (s *Sum) Bytes(text []byte) {
	One(s, len(text))
	s.hash.Write(text) // it never fails
}

// Deep counts in what has many parts, with all that it points to. It is slow.
func (s *Sum) Deep(v any) {
	text, err := json.Marshal(v)
	if err != nil { // no field of a plan can fail to encode
		text = fmt.Appendf(nil, "%+v", v)
	}
	s.Bytes(text)
}

// Stay finds each of now among before, each of those at most once: the index, or
// -1.
func Stay(before, now []uint64) []int {
	left := make(map[uint64]int, len(before))
	for i, sum := range before {
		left[sum] = i
	}
	stay := make([]int, len(now))
	for i, sum := range now {
		k, ok := left[sum]
		if stay[i] = -1; ok {
			stay[i] = k
			delete(left, sum)
		}
	}
	return stay
}
