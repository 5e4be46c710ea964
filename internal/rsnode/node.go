package rsnode

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// label is that of the VIPs of IPv4 on lo, as ifconfig shows it.
const label = "lo:keepgo"

// Node is this machine as a real server. It is not for concurrent use.
type Node struct {
	File    string               // of the state; StateFile if ""
	Ingress string               // interface that packets for the VIPs arrive by; "" finds it
	Report  func(string, ...any) // hears what is done
	handle  *netlink.Handle
}

// Open prepares to work in the network namespace of the calling thread.
func (n *Node) Open() (err error) {
	if n.File == "" {
		n.File = StateFile
	}
	if n.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	if n.Ingress == "" {
		n.Ingress, err = n.ingress()
	}
	return err
}

// Close ends the work.
func (n *Node) Close() { n.handle.Close() }

// ingress is the interface of the default route, or the only one there is.
func (n *Node) ingress() (string, error) {
	routes, err := n.handle.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return "", fmt.Errorf("reading the routes: %w", err)
	}
	for _, r := range routes {
		if isDefault(r) {
			return n.linkName(r.LinkIndex)
		}
	}
	links, err := n.handle.LinkList()
	if err != nil {
		return "", fmt.Errorf("reading the interfaces: %w", err)
	}
	links = slices.DeleteFunc(links, func(l netlink.Link) bool {
		a := l.Attrs()
		return a.Flags&net.FlagLoopback != 0 || a.Flags&net.FlagUp == 0 || len(a.HardwareAddr) != 6
	})
	if len(links) != 1 {
		return "", errors.New("there is no default route, so the interface that packets arrive by must be named: --dev")
	}
	return links[0].Attrs().Name, nil
}

func isDefault(r netlink.Route) bool { return r.Dst == nil || r.Dst.IP.IsUnspecified() }

func (n *Node) linkName(index int) (string, error) {
	l, err := n.handle.LinkByIndex(index)
	if err != nil {
		return "", fmt.Errorf("interface %d: %w", index, err)
	}
	return l.Attrs().Name, nil
}

// Own is every address of this machine but those of the VIPs.
func (n *Node) Own() ([]netip.Addr, error) {
	all, err := n.addresses()
	var own []netip.Addr
	for _, a := range all {
		own = append(own, a.prefix.Addr())
	}
	return own, err
}

// standing is an address that stands on an interface.
type standing struct {
	prefix netip.Prefix
	link   string
}

func (n *Node) addresses() ([]standing, error) {
	links, err := n.handle.LinkList()
	if err != nil {
		return nil, fmt.Errorf("reading the interfaces: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	list, err := n.handle.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("reading the addresses: %w", err)
	}
	var all []standing
	for _, a := range list {
		if addr, ok := netip.AddrFromSlice(a.IP); ok {
			ones, _ := a.Mask.Size()
			all = append(all, standing{netip.PrefixFrom(addr.Unmap(), ones), names[a.LinkIndex]})
		}
	}
	return all, nil
}

// state is what stands in the file, which is ours alone until it is released.
func (n *Node) state() (s State, release func(), err error) {
	if release, err = lock(n.File); err != nil {
		return State{}, nil, err
	}
	if s, err = load(n.File); err != nil {
		release()
	}
	return s, release, err
}

// Up lets this machine answer for the VIPs. What stands already is left, and
// an end in the midst leaves nothing that Down does not take back.
func (n *Node) Up(vips []VIP) error {
	s, release, err := n.state()
	if err != nil {
		return err
	}
	defer release()
	s.add(vips)
	if err := s.save(n.File); err != nil {
		return err
	}
	return n.stand(&s)
}

// stand makes everything as the state wants it: first silence, then addresses.
func (n *Node) stand(s *State) error {
	if err := n.tunnels(s); err != nil {
		return err
	}
	for _, set := range settings(s.VIPs, n.Ingress) {
		if err := n.raise(s, set); err != nil {
			return err
		}
	}
	all, err := n.addresses()
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range s.VIPs {
		if !slices.Contains(all, standing{v.prefix(), v.link()}) {
			errs = append(errs, n.addAddress(v))
		}
	}
	return errors.Join(errs...)
}

// raise sets a sysctl that is too low, after writing down what it was.
func (n *Node) raise(s *State, set setting) error {
	is, err := sysctl(set.path)
	if err != nil {
		return fmt.Errorf("sysctl %s: %w", dotted(set.path), err)
	}
	if is >= set.least {
		return nil
	}
	was := is
	if before, known := s.Sysctls[set.path]; known {
		was = before.Was
	}
	s.Sysctls[set.path] = Change{Was: was, Is: set.least}
	if err := s.save(n.File); err != nil {
		return err
	}
	if err := setSysctl(set.path, set.least); err != nil {
		return fmt.Errorf("sysctl %s: %w", dotted(set.path), err)
	}
	n.Report("%s is %d now, it was %d", dotted(set.path), set.least, is)
	return nil
}

func dotted(path string) string { return strings.ReplaceAll(path, "/", ".") }

// tunnels makes the tunnel interfaces that VIPs need, and sets them up.
func (n *Node) tunnels(s *State) error {
	for _, v := range s.VIPs {
		name := v.link()
		if name == loopback {
			continue
		}
		l, err := n.handle.LinkByName(name)
		if err != nil {
			module := map[string]string{tunnel4: "ipip", tunnel6: "ip6_tunnel"}[name]
			if out, err := exec.Command("/sbin/modprobe", module).CombinedOutput(); err != nil {
				return fmt.Errorf("interface %s: modprobe %s: %w: %s", name, module, err, strings.TrimSpace(string(out)))
			}
			if l, err = n.handle.LinkByName(name); err != nil {
				return fmt.Errorf("interface %s: %w", name, err)
			}
		}
		if l.Attrs().Flags&net.FlagUp != 0 {
			continue
		}
		if !slices.Contains(s.Links, name) {
			s.Links = append(s.Links, name)
		}
		if err := errors.Join(s.save(n.File), n.handle.LinkSetUp(l)); err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		n.Report("interface %s is up now", name)
	}
	return nil
}

func (n *Node) addAddress(v VIP) error {
	l, err := n.handle.LinkByName(v.link())
	if err != nil {
		return fmt.Errorf("interface %s: %w", v.link(), err)
	}
	if err := n.handle.AddrAdd(l, v.netlink()); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding %s: %w", v, err)
	}
	n.Report("%s stands now", v)
	return nil
}

// netlink is the VIP as the kernel takes it. A broadcast address is not wanted,
// nor a search for who else has an address that others do have.
func (v VIP) netlink() *netlink.Addr {
	a := &netlink.Addr{
		IPNet:     &net.IPNet{IP: v.Addr.AsSlice(), Mask: net.CIDRMask(v.Addr.BitLen(), v.Addr.BitLen())},
		Broadcast: net.IPv4zero,
		Scope:     unix.RT_SCOPE_HOST,
	}
	switch {
	case v.Addr.Is6():
		a.Flags, a.Scope, a.Broadcast = unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE, nil
	case !v.Tunnel:
		a.Label = label
	}
	return a
}

// Down takes VIPs away, all where none is named. With the last of them
// everything else becomes what it was, but what somebody has changed since.
func (n *Node) Down(addrs []netip.Addr) error {
	s, release, err := n.state()
	if err != nil {
		return err
	}
	defer release()
	var errs []error
	gone := s.named(addrs)
	for _, v := range gone {
		errs = append(errs, n.removeAddress(v))
	}
	s.VIPs = slices.DeleteFunc(s.VIPs, func(v VIP) bool { return slices.Contains(gone, v) })
	if len(s.VIPs) == 0 {
		errs = append(errs, n.restore(&s))
	}
	if err := errors.Join(errs...); err != nil {
		return err // the state still says what is left to do
	}
	return s.save(n.File)
}

func (n *Node) removeAddress(v VIP) error {
	l, err := n.handle.LinkByName(v.link())
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = n.handle.AddrDel(l, v.netlink())
	}
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("removing %s: %w", v, err)
	}
	if err == nil {
		n.Report("%s is gone", v)
	}
	return nil
}

// restore gives back what was changed besides the addresses.
func (n *Node) restore(s *State) error {
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(s.Sysctls)) {
		c := s.Sysctls[path]
		is, err := sysctl(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // with its interface
		case err != nil:
			errs = append(errs, err)
			continue
		case is == c.Is:
			if err := setSysctl(path, c.Was); err != nil {
				errs = append(errs, err)
				continue
			}
			n.Report("%s is %d again", dotted(path), c.Was)
		case is != c.Was:
			n.Report("%s is left at %d, which somebody else set", dotted(path), is)
		}
		delete(s.Sysctls, path)
	}
	for _, name := range s.Links {
		if l, err := n.handle.LinkByName(name); err == nil {
			errs = append(errs, n.handle.LinkSetDown(l))
		}
	}
	s.Links = nil
	return errors.Join(errs...)
}
