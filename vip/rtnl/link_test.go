package rtnl

import (
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// TestOwnWants: static addresses are what a host may speak from.
func TestOwnWants(t *testing.T) {
	w := newWorld(t, Options{})
	own := vip.Want{Addresses: vip.Set{address("v0", "10.1.0.1/24")}, Own: true}
	w.door.SetAll(1, own)
	w.expect("it stands", func(e Event) bool {
		return e.Kind == LinkChanged && fmt.Sprint(inet(w.door.Addresses("v0"))) == "[10.1.0.1/24]"
	})
	w.door.SetAll(1, vip.Want{})
	w.expect("it is gone", func(e Event) bool { return e.Kind == LinkChanged && len(inet(w.door.Addresses("v0"))) == 0 })
	w.add("v0", "10.1.0.1/24") // by another hand, first
	w.expect("it stands", func(e Event) bool { return e.Kind == LinkChanged && len(inet(w.door.Addresses("v0"))) == 1 })
	w.door.SetAll(1, own)
	w.expectKind(Applied)
	if got := inet(w.door.Addresses("v0")); len(got) != 1 {
		t.Errorf("adopted, it is among %v no more", got)
	}
}

// TestBelow: who shares a wire is known, also after a change.
func TestBelow(t *testing.T) {
	w := newWorld(t, Options{})
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = "m0", w.link("v0").Attrs().Index
	w.must(w.hand.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE}))
	w.expect("m0 above v0", func(e Event) bool {
		return e.Kind == LinkChanged && e.Link.Name == "m0" && w.door.Name(e.Link.Below) == "v0" && e.Link.Multicast
	})
	if l, _ := w.door.LinkByName("v0"); l.Below != 0 {
		t.Errorf("a veth stands above %d", l.Below)
	}
}

// TestSetBuffers changes both receive buffers of an open door.
func TestSetBuffers(t *testing.T) {
	w := newWorld(t, Options{})
	size := func(fd int) (n int) {
		n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		w.must(err)
		return n / 2 // socket(7): the kernel doubles it
	}
	both := func() (out [2]int) {
		w.must(w.door.listener.control(func(fd int) error { out[0] = size(fd); return nil }))
		out[1] = size(w.door.commands.fd)
		return out
	}
	w.must(w.door.SetBuffers(Buffer{Bytes: 40_000}, Buffer{Bytes: 50_000_000, Force: true}))
	if got := both(); got != [2]int{40_000, 50_000_000} {
		t.Errorf("they are %v", got)
	}
	w.must(w.door.SetBuffers(Buffer{Bytes: 50_000_000}, Buffer{})) // more than the system allows
	if got := both(); got[0] >= 50_000_000 || got[1] != commandBuffer {
		t.Errorf("they are %v", got)
	}
}
