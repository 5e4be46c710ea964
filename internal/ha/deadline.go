package ha

import (
	"time"

	"keepgo/vrrp"
)

// choir is how many instances speak in one instant: together they cost less, but
// hundreds that became MASTER together would fill the buffers of switches and
// partners, and whatever held them up would make all of them late.
const choir = 32

// phase is where in its interval the i-th of n instances speaks.
func phase(i, n int, interval time.Duration) time.Duration {
	if n <= choir {
		return 0
	}
	choirs := (n + choir - 1) / choir
	return time.Duration(i/choir+1) * interval / time.Duration(choirs)
}

// deadlines is a binary heap of members by their router's next deadline. Each
// member has its number, so a changed deadline costs O(log n), and one that has
// only moved away, as with each advert that a backup hears, nothing: it stays
// where it was filed until it comes first. What is compared stands close together:
// a cache remembers it from one choir to the next, the members themselves not.
type deadlines struct {
	heap  []filing
	slots []int32 // the place of each member in the heap, by its number
}

// filing is where a member stands.
type filing struct {
	at     vrrp.Time // no later than its deadline
	number int32
	m      *member
}

// less lets those of one instant, as all that began together are for ever, come
// in the same order each time: else each would be late by another place.
func (h *deadlines) less(i, j int) bool {
	a, b := &h.heap[i], &h.heap[j]
	return a.at < b.at || a.at == b.at && a.number < b.number
}

func (h *deadlines) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.slots[h.heap[i].number], h.slots[h.heap[j].number] = int32(i), int32(j)
}

// first is who has the earliest deadline, nil where nobody has one.
func (h *deadlines) first() *member {
	if len(h.heap) == 0 {
		return nil
	}
	for f := &h.heap[0]; f.at < f.m.next; {
		f.at = f.m.next
		h.fix(0)
	}
	return h.heap[0].m
}

// next is the earliest deadline.
func (h *deadlines) next() vrrp.Time {
	if m := h.first(); m != nil {
		return m.next
	}
	return vrrp.Never
}

// nowhere is the number of who is not among the deadlines any more.
const nowhere = -1

// clear takes all out.
func (h *deadlines) clear() {
	for i := range h.heap {
		h.heap[i].m.number = nowhere
	}
	*h = deadlines{}
}

// file puts a member where its deadline belongs.
func (h *deadlines) file(m *member) {
	if m.number == nowhere {
		return
	}
	i := int(h.slots[m.number])
	if f := &h.heap[i]; m.next < f.at {
		f.at = m.next
		h.fix(i)
	}
}

// add puts a member in.
func (h *deadlines) add(m *member) {
	m.number = int32(len(h.heap))
	h.slots = append(h.slots, m.number)
	h.heap = append(h.heap, filing{at: m.next, number: m.number, m: m})
	h.fix(len(h.heap) - 1)
}

// fix restores the order after who stands at i was filed elsewhere.
func (h *deadlines) fix(i int) {
	for i > 0 && h.less(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		c := 2*i + 1
		if c >= len(h.heap) {
			return
		}
		if c+1 < len(h.heap) && h.less(c+1, c) {
			c++
		}
		if !h.less(c, i) {
			return
		}
		h.swap(i, c)
		i = c
	}
}
