package garp

import "net/netip"

// IPoIB is what announcements on an IP over InfiniBand link need of it. It is a
// comparable value.
type IPoIB struct {
	Addr      [20]byte // the sender's: queue pair and GID, RFC 4391 section 9.1.1
	Broadcast [20]byte // of the link: it holds scope and partition
}

const hardwareInfiniBand = 32 // RFC 4391 section 9.1.1

// write makes f the announcement of an address without link header.
func (l *IPoIB) write(f *frame, addr netip.Addr) {
	if addr.Is4() {
		f.to = append(f.to, l.Broadcast[:]...)
		f.bytes = appendARP(f.bytes, hardwareInfiniBand, l.Addr[:], l.Broadcast[:], addr)
		return
	}
	f.to = l.appendMulticast(f.to, allNodes)
	// Two octets of padding make the option whole: RFC 4391 section 9.3.
	f.bytes = appendNA(f.bytes, f.target.Router, addr, []byte{optTLLA, 3, 0, 0}, l.Addr[:])
}

// appendMulticast appends the link address of an IPv6 group: RFC 4391 section 4.
func (l *IPoIB) appendMulticast(b []byte, group [16]byte) []byte {
	b = append(b, 0, 0xff, 0xff, 0xff, 0xff, 0x10|l.Broadcast[5]&0x0f, 0x60, 0x1b, l.Broadcast[8], l.Broadcast[9])
	return append(b, group[6:]...)
}
