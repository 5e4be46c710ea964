package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const netlinkFamily = unix.NETLINK_ROUTE

// Host is a machine of the lab: a namespace with interfaces and processes.
type Host struct {
	Name  string
	lab   *Lab
	space *space
}

// Host adds a machine. IPv6 duplicate address detection is off in it, so
// addresses are usable at once.
func (l *Lab) Host(name string) (*Host, error) {
	s, err := newSpace()
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	h := &Host{Name: name, lab: l, space: s}
	l.mu.Lock()
	l.hosts = append(l.hosts, h)
	l.mu.Unlock()
	for _, key := range []string{"all", "default"} {
		// A kernel without IPv6 has no such file.
		if err := h.Sysctl("net/ipv6/conf/"+key+"/accept_dad", "0"); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	return h, nil
}

// Do runs f on a thread inside the host's namespace. Sockets that f makes and
// processes that it starts stay there; goroutines that it starts do not.
func (h *Host) Do(f func() error) error { return h.space.do(f) }

// Netlink is a route netlink handle inside the host.
func (h *Host) Netlink() *netlink.Handle { return h.space.handle }

// Sysctl writes a setting below /proc/sys/net of the host.
func (h *Host) Sysctl(key, value string) error {
	return h.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0)
	})
}

// Attach plugs a new interface of the host into a switch, gives it addresses
// and brings it up.
func (h *Host) Attach(link string, sw *Switch, addrs ...netip.Prefix) error {
	if err := h.plug(link, sw); err != nil {
		return fmt.Errorf("host %s, interface %s: %w", h.Name, link, err)
	}
	for _, a := range addrs {
		if err := h.AddAddr(link, a); err != nil {
			return err
		}
	}
	if err := h.SetLink(link, true); err != nil {
		return err
	}
	Until(time.Second, func() bool { return h.running(link) }) // the kernel takes its time to see the carrier
	return nil
}

// running says whether an interface of the host is up and has a carrier.
func (h *Host) running(name string) bool {
	link, err := h.space.handle.LinkByName(name)
	return err == nil && link.Attrs().RawFlags&unix.IFF_RUNNING != 0
}

// plug makes the veth pair: one end in the switch, the other in the host.
func (h *Host) plug(name string, sw *Switch) error {
	l, fabric := h.lab, h.lab.fabric.handle
	l.mu.Lock()
	defer l.mu.Unlock()
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: name, PeerNamespace: netlink.NsFd(h.space.ns)}
	veth.Name = fmt.Sprintf("p%d", len(l.ports))
	veth.MasterIndex = sw.link.Index
	if err := fabric.LinkAdd(veth); err != nil {
		return err
	}
	end, err := fabric.LinkByName(veth.Name)
	if err != nil {
		return err
	}
	l.ports[end.Attrs().Index] = &port{end, h, name}
	return fabric.LinkSetUp(end)
}

// AddAddr puts an address on an interface of the host.
func (h *Host) AddAddr(link string, a netip.Prefix) error {
	return h.changeAddr("add", h.space.handle.AddrAdd, link, a)
}

// DelAddr takes an address off an interface of the host, as a stranger would.
func (h *Host) DelAddr(link string, a netip.Prefix) error {
	return h.changeAddr("remove", h.space.handle.AddrDel, link, a)
}

func (h *Host) changeAddr(verb string, change func(netlink.Link, *netlink.Addr) error, name string, a netip.Prefix) error {
	link, err := h.space.handle.LinkByName(name)
	if err == nil {
		ip := net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}
		err = change(link, &netlink.Addr{IPNet: &ip})
	}
	if err != nil {
		return fmt.Errorf("host %s: %s %s on %s: %w", h.Name, verb, a, name, err)
	}
	return nil
}

// Addrs lists the addresses on an interface of the host.
func (h *Host) Addrs(name string) ([]netip.Prefix, error) {
	link, err := h.space.handle.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("host %s, interface %s: %w", h.Name, name, err)
	}
	list, err := h.space.handle.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("host %s, addresses of %s: %w", h.Name, name, err)
	}
	var out []netip.Prefix
	for _, a := range list {
		ip, _ := netip.AddrFromSlice(a.IP)
		ones, _ := a.Mask.Size()
		out = append(out, netip.PrefixFrom(ip.Unmap(), ones))
	}
	return out, nil
}

// Holds says whether the address stands on any of the host's interfaces.
func (h *Host) Holds(ip netip.Addr) bool {
	list, _ := h.space.handle.AddrList(nil, netlink.FAMILY_ALL)
	for _, a := range list {
		if have, _ := netip.AddrFromSlice(a.IP); have.Unmap() == ip {
			return true
		}
	}
	return false
}

// AddrEvent is an address that came to or went from an interface of a host.
type AddrEvent struct {
	At    time.Time
	Addr  netip.Addr
	Added bool
}

// AddrEvents tells of every change of the host's addresses from now on, until
// the lab is closed.
func (h *Host) AddrEvents() (<-chan AddrEvent, error) {
	in, done := make(chan netlink.AddrUpdate), make(chan struct{})
	if err := netlink.AddrSubscribeWithOptions(in, done, netlink.AddrSubscribeOptions{Namespace: &h.space.ns}); err != nil {
		return nil, fmt.Errorf("host %s: address events: %w", h.Name, err)
	}
	out := make(chan AddrEvent, 64)
	go func() {
		defer close(out)
		for u := range in {
			ip, _ := netip.AddrFromSlice(u.LinkAddress.IP)
			select {
			case out <- AddrEvent{time.Now(), ip.Unmap(), u.NewAddr}:
			case <-done:
			}
		}
	}()
	h.lab.onClose(func() { close(done) })
	return out, nil
}

// MAC is the hardware address of an interface of the host, nil if it has none.
func (h *Host) MAC(name string) net.HardwareAddr {
	link, err := h.space.handle.LinkByName(name)
	if err != nil {
		return nil
	}
	return link.Attrs().HardwareAddr
}

// SetLink brings an interface of the host up or down, as its operator would.
func (h *Host) SetLink(name string, up bool) error {
	link, err := h.space.handle.LinkByName(name)
	if err == nil {
		err = setUp(h.space.handle, link, up)
	}
	if err != nil {
		return fmt.Errorf("host %s, interface %s: %w", h.Name, name, err)
	}
	return nil
}

// Cable pulls the interface's cable out of the switch, or puts it back: the
// interface loses its carrier and keeps its addresses.
func (h *Host) Cable(name string, plugged bool) error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	for _, p := range h.lab.ports {
		if p.host == h && p.name == name {
			return setUp(h.lab.fabric.handle, p.link, plugged)
		}
	}
	return fmt.Errorf("host %s has no interface %s", h.Name, name)
}

func setUp(h *netlink.Handle, link netlink.Link, up bool) error {
	if up {
		return h.LinkSetUp(link)
	}
	return h.LinkSetDown(link)
}

// DefaultRoute sends what the host has no other route for to a gateway.
func (h *Host) DefaultRoute(via netip.Addr) error {
	return h.Route(netip.PrefixFrom(via, 0).Masked(), via)
}

// Route sends what is for a network, or a single address, to a gateway.
func (h *Host) Route(to netip.Prefix, via netip.Addr) error {
	dst := net.IPNet{IP: to.Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), to.Addr().BitLen())}
	err := h.space.handle.RouteReplace(&netlink.Route{Dst: &dst, Gw: via.AsSlice()})
	if err != nil {
		return fmt.Errorf("host %s: route to %s via %s: %w", h.Name, to, via, err)
	}
	return nil
}

// Listen opens a listening socket inside the host.
func (h *Host) Listen(network, address string) (ln net.Listener, err error) {
	err = h.Do(func() error {
		ln, err = net.Listen(network, address)
		return err
	})
	return ln, err
}

// ListenPacket opens a socket for datagrams inside the host. Its address need
// not stand yet: that of IPv6 takes a second to.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	early := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		set := func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1) }
		return errors.Join(raw.Control(set), err)
	}}
	err = h.Do(func() error {
		c, err = early.ListenPacket(context.Background(), network, address)
		return err
	})
	return c, err
}

// Dial connects from inside the host. The address must be numeric. Its
// signature suits http.Transport.DialContext.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = h.Do(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// file makes a fresh file in the lab's directory whose name starts like the
// host's and the given one.
func (h *Host) file(name string) (*os.File, error) {
	name = strings.ReplaceAll(h.Name+"-"+name, string(os.PathSeparator), "_")
	return os.CreateTemp(h.lab.Dir, name+"-*.log")
}
