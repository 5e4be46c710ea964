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
// member knows its place, so a changed deadline costs O(log n), and one that has
// only moved away, as with each advert that a backup hears, nothing: it stays
// where it was filed until it comes first.
type deadlines []*member

// less lets those of one instant, as all that began together are for ever, come
// in the same order each time: else each would be late by another place.
func (h deadlines) less(i, j int) bool {
	if h[i].filed == h[j].filed {
		return h[i].id < h[j].id
	}
	return h[i].filed < h[j].filed
}

func (h deadlines) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i, j
}

// first is the earliest deadline.
func (h deadlines) first() vrrp.Time {
	if len(h) == 0 {
		return vrrp.Never
	}
	for h[0].filed < h[0].next {
		h[0].filed = h[0].next
		h.fix(h[0])
	}
	return h[0].next
}

// file puts a member where its deadline belongs.
func (h deadlines) file(m *member) {
	if m.next < m.filed {
		m.filed = m.next
		h.fix(m)
	}
}

// add puts a member in.
func (h *deadlines) add(m *member) {
	m.slot, m.filed = len(*h), m.next
	*h = append(*h, m)
	h.fix(m)
}

// fix restores the order after m was filed elsewhere.
func (h deadlines) fix(m *member) {
	i := m.slot
	for i > 0 && h.less(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h.less(c+1, c) {
			c++
		}
		if !h.less(c, i) {
			return
		}
		h.swap(i, c)
		i = c
	}
}
