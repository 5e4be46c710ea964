package garp

import "encoding/binary"

// IPoIB is what announcements on an IP over InfiniBand link need of it. It is a
// comparable value.
type IPoIB struct {
	Addr      [20]byte // the sender's: queue pair and GID, RFC 4391 section 9.1.1
	Broadcast [20]byte // of the link: it holds scope and partition
}

const hardwareInfiniBand = 32 // RFC 4391 section 9.1.1

// frame is the announcement of a target without link header, and where it goes.
func (l *IPoIB) frame(t Target) (b, to []byte) {
	if t.Addr.Is4() {
		return l.appendARP(nil, t), l.Broadcast[:]
	}
	// Two octets of padding make the option whole: RFC 4391 section 9.3.
	option := append([]byte{optTLLA, 3, 0, 0}, l.Addr[:]...)
	return appendNA(nil, t, option), l.multicast(allNodes)
}

// appendARP is that of Ethernet with longer hardware addresses.
func (l *IPoIB) appendARP(b []byte, t Target) []byte {
	addr := t.Addr.As4()
	b = binary.BigEndian.AppendUint16(b, hardwareInfiniBand)
	b = append(b, 0x08, 0x00, byte(len(l.Addr)), 4, 0, 1) // IPv4, a request
	b = append(append(b, l.Addr[:]...), addr[:]...)
	return append(append(b, l.Broadcast[:]...), addr[:]...)
}

// multicast is the link address of an IPv6 group: RFC 4391 section 4.
func (l *IPoIB) multicast(group [16]byte) []byte {
	b := []byte{0, 0xff, 0xff, 0xff, 0xff, 0x10 | l.Broadcast[5]&0x0f, 0x60, 0x1b, l.Broadcast[8], l.Broadcast[9]}
	return append(b, group[6:]...)
}
