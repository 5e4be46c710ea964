package ipvsctl

import "net/netip"

// Hop is the way to a server on a network of ours. It is a comparable value; the
// zero value means that the server cannot be reached.
type Hop struct {
	Link  int     // index of the interface
	From  [6]byte // its hardware address
	To    [6]byte // that of the server, or of the router to it
	Local bool    // the server is this host; nothing else is set
}

// Reaches reports whether packets get to the server.
func (h Hop) Reaches() bool { return h != Hop{} }

// Link is a network interface that packets can come in through.
type Link struct {
	Name  string
	Index int
}

// Ways are the networks that servers by direct routing stand in.
type Ways struct {
	Links []Link // Ethernet interfaces, by name
	Hops  map[netip.Addr]Hop
}
