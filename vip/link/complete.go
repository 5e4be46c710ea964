package link

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"

	rtnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// complete sets an interface right, brings it up the first time, and tells that
// it stands. It reports whether nothing is left to do.
func (d *Door) complete(v *view, e *entry) bool {
	l := v.index[e.index]
	if l == nil {
		return false
	}
	if err := d.finish(v, e, l); err != nil {
		d.fail(e, explain(e, err))
		return false
	}
	e.failed = ""
	ev := Event{Kind: Made, Name: e.name, Index: e.index, Base: e.base, BaseIndex: e.baseIx, Source: e.source}
	if e.made != ev {
		e.made = ev
		d.tell(e, ev)
	} else { // an instance goes on with what another had
		d.tellTo(e, e.joined, ev)
	}
	e.joined = nil
	if !e.tested && running(v.index[e.index]) && running(v.index[e.baseIx]) {
		e.tested = true
		d.test(e)
	}
	return true
}

func running(l rtnetlink.Link) bool {
	const up = unix.IFF_UP | unix.IFF_RUNNING
	return l != nil && l.Attrs().RawFlags&up == up
}

func (d *Door) finish(v *view, e *entry, l rtnetlink.Link) error {
	if err := d.correct(e, l); err != nil {
		return fmt.Errorf("cannot set %s right: %w", e.name, err)
	}
	if err := d.join(v, e, l); err != nil {
		return fmt.Errorf("cannot put %s into the group or VRF of %s: %w", e.name, e.base, err)
	}
	if err := d.address(v, e, l); err != nil {
		return fmt.Errorf("cannot put %s its own address: %w", e.name, err)
	}
	if e.up {
		return nil
	}
	if err := d.handle.LinkSetUp(l); err != nil {
		return fmt.Errorf("cannot bring %s up: %w", e.name, err)
	}
	e.up = true
	return nil
}

// correct gives an interface the MAC and the mode it should have.
func (d *Door) correct(e *entry, l rtnetlink.Link) error {
	switch l := l.(type) {
	case *rtnetlink.IPVlan:
		if l.Flag != rtnetlink.IPVlanFlag(e.want.Mode) {
			l.Flag = rtnetlink.IPVlanFlag(e.want.Mode)
			return d.handle.LinkModify(l)
		}
	case *rtnetlink.Macvlan:
		mac := e.want.mac()
		if hardware(l) != mac {
			if err := d.handle.LinkSetHardwareAddr(l, mac[:]); err != nil {
				return err
			}
			l.HardwareAddr = mac[:]
		}
		if l.Mode != rtnetlink.MACVLAN_MODE_PRIVATE {
			l.Mode = rtnetlink.MACVLAN_MODE_PRIVATE
			return d.handle.LinkModify(l)
		}
	}
	return nil
}

// join puts a new interface into the link group and the VRF of its base.
func (d *Door) join(v *view, e *entry, l rtnetlink.Link) error {
	base := v.index[e.baseIx]
	if e.up || base == nil {
		return nil
	}
	group := base.Attrs().Group
	if e.want.OwnGroup {
		group = e.want.Group
	}
	if l.Attrs().Group != group {
		if err := d.handle.LinkSetGroup(l, int(group)); err != nil {
			return err
		}
	}
	if _, vrf := v.index[base.Attrs().MasterIndex].(*rtnetlink.Vrf); vrf {
		if err := d.handle.LinkSetMasterByIndex(l, base.Attrs().MasterIndex); err != nil {
			return err
		}
	}
	if e.want.Notify {
		return d.handle.LinkSetGroup(base, int(base.Attrs().Group))
	}
	return nil
}

// address puts the interface's own addresses on it: that of its base for IPv6
// adverts, in the place of the one the base had before, and a configured one.
func (d *Door) address(v *view, e *entry, l rtnetlink.Link) error {
	if !e.addressed() {
		return nil
	}
	if err := d.readAddresses(v); err != nil {
		return err
	}
	if e.want.Address.IsValid() {
		if err := d.put(v, e, l, own(e.want.Address)); err != nil {
			return err
		}
	}
	if !e.want.LinkLocal {
		return nil
	}
	source := linkLocal(v.addrs[e.baseIx], e.parent)
	if e.source.IsValid() && e.source != source {
		old := own(netip.PrefixFrom(e.source, 64))
		if err := d.handle.AddrDel(l, &old); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return err
		}
	}
	e.source = source
	a := own(netip.PrefixFrom(source, 64))
	// Preferred lifetime 0: adverts name their source, and nothing else shall
	// choose an address that the interface below has as well.
	a.PreferedLft, a.ValidLft = 0, math.MaxUint32
	return d.put(v, e, l, a)
}

// readAddresses reads all addresses, once a look.
func (d *Door) readAddresses(v *view) error {
	if v.addrs != nil {
		return nil
	}
	all, err := again(func() ([]rtnetlink.Addr, error) { return d.handle.AddrList(nil, rtnetlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("reading the addresses: %w", err)
	}
	v.addrs = make(map[int][]rtnetlink.Addr)
	for _, a := range all {
		v.addrs[a.LinkIndex] = append(v.addrs[a.LinkIndex], a)
	}
	return nil
}

// own is an address as the kernel takes it, without duplicate detection: the
// base has the same one.
func own(p netip.Prefix) rtnetlink.Addr {
	a := rtnetlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	} else {
		a.Broadcast = net.IPv4zero
	}
	return a
}

// put adds an address that does not stand.
func (d *Door) put(v *view, e *entry, l rtnetlink.Link, a rtnetlink.Addr) error {
	for _, have := range v.addrs[e.index] {
		if have.IPNet.String() == a.IPNet.String() {
			return nil
		}
	}
	if err := d.handle.AddrAdd(l, &a); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%s: %w", a.IPNet, err)
	}
	return nil
}

// linkLocal is the base's link-local address, or one made of its MAC.
func linkLocal(addrs []rtnetlink.Addr, mac [6]byte) netip.Addr {
	const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED
	for _, a := range addrs {
		ip, _ := netip.AddrFromSlice(a.IP)
		if ones, _ := a.Mask.Size(); ip.Is6() && ip.IsLinkLocalUnicast() && ones == 64 && a.Flags&unusable == 0 {
			return ip
		}
	}
	return modified(mac)
}

// modified is the link-local address of RFC 4291 appendix A: the universal bit
// inverted, ff:fe in the middle.
func modified(mac [6]byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}
