package ha

import "keepgo/vrrp"

// deadlines is a binary heap of members by their router's next deadline. Each
// member knows its place, so a changed deadline costs O(log n).
type deadlines []*member

func (h deadlines) less(i, j int) bool { return h[i].next < h[j].next }

func (h deadlines) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i, j
}

// first is the earliest deadline.
func (h deadlines) first() vrrp.Time {
	if len(h) == 0 {
		return vrrp.Never
	}
	return h[0].next
}

// add puts a member in.
func (h *deadlines) add(m *member) {
	m.slot = len(*h)
	*h = append(*h, m)
	h.fix(m)
}

// fix restores the order after m's deadline changed.
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
