package integration

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/internal/guest"
)

// kind is a way to make an interface above, beside or without another one.
type kind struct {
	name string
	make func(h *netlink.Handle, name string, below netlink.Link) error
}

// kinds are those that instances run on. Which of them there are, the kernel
// says.
var kinds = []kind{
	{"veth", func(h *netlink.Handle, name string, _ netlink.Link) error {
		err := h.LinkAdd(&netlink.Veth{LinkAttrs: named(name), PeerName: name + "-p"})
		return errors.Join(err, raise(h, name+"-p"))
	}},
	{"bridge", func(h *netlink.Handle, name string, below netlink.Link) error {
		if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: named(name)}); err != nil {
			return err
		}
		bridge, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return h.LinkSetMaster(below, bridge)
	}},
	{"macvlan", func(h *netlink.Handle, name string, below netlink.Link) error {
		return h.LinkAdd(&netlink.Macvlan{LinkAttrs: above(name, below), Mode: netlink.MACVLAN_MODE_BRIDGE})
	}},
	{"ipvlan", func(h *netlink.Handle, name string, below netlink.Link) error {
		return h.LinkAdd(&netlink.IPVlan{LinkAttrs: above(name, below), Mode: netlink.IPVLAN_MODE_L2})
	}},
	{"vlan", func(h *netlink.Handle, name string, below netlink.Link) error {
		return h.LinkAdd(&netlink.Vlan{LinkAttrs: above(name, below), VlanId: 7})
	}},
	{"bond", func(h *netlink.Handle, name string, below netlink.Link) error {
		bond := netlink.NewLinkBond(named(name))
		bond.Mode = netlink.BOND_MODE_ACTIVE_BACKUP
		if err := h.LinkAdd(bond); err != nil {
			return err
		}
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return errors.Join(h.LinkSetDown(below), h.LinkSetMaster(below, link), h.LinkSetUp(below))
	}},
	{"dummy", func(h *netlink.Handle, name string, _ netlink.Link) error {
		err := h.LinkAdd(&netlink.Dummy{LinkAttrs: named(name)})
		if link, e := h.LinkByName(name); e == nil { // it carries none by itself
			return h.LinkSetMulticastOn(link)
		}
		return err
	}},
}

func named(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

func above(name string, below netlink.Link) netlink.LinkAttrs {
	a := named(name)
	a.ParentIndex = below.Attrs().Index
	return a
}

func raise(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetUp(l)
}

// stage is a director alone, with interfaces that come and go.
type stage struct {
	*world
	*director
}

func newStage(t *testing.T) *stage {
	t.Helper()
	w := newWorld(t, ours, ours)
	return &stage{w, w.a}
}

// base makes a veth pair that is up, for others to stand on.
func (s *stage) base(name string) netlink.Link {
	h := s.Netlink()
	s.do(h.LinkAdd(&netlink.Veth{LinkAttrs: named(name), PeerName: name + "-q"}))
	s.do(errors.Join(raise(h, name), raise(h, name+"-q")))
	return must(h.LinkByName(name))(s.w.t)
}

// create makes the n-th instance's interface; false where the kernel has none
// of the kind.
func (s *stage) create(k kind, n int) bool {
	s.w.t.Helper()
	h, name := s.Netlink(), "if-"+k.name
	below, err := h.LinkByName("b-" + k.name)
	if err != nil {
		below = s.base("b-" + k.name)
	}
	if err := k.make(h, name, below); errors.Is(err, unix.EOPNOTSUPP) {
		s.w.t.Logf("SKIP %s: the kernel has none", k.name)
		return false
	} else {
		s.do(err)
	}
	s.do(s.AddAddr(name, netip.PrefixFrom(hostAddr(20+n, false, 1), 24)))
	s.do(raise(h, name))
	return true
}

// vip is the address of the n-th instance.
func vipOf(n int) netip.Addr { return hostAddr(20+n, false, 100) }

// is waits until an instance is in a state, and its address stands as it should.
func (s *stage) is(n int, name, state, when string) {
	s.w.t.Helper()
	s.eventually(fmt.Sprintf("%s is %s %s", name, state, when), func() bool {
		st := s.status()
		if st == nil {
			return false
		}
		for _, in := range st.Instances {
			if in.Name == name {
				return in.State == state && s.Holds(vipOf(n)) == (state == "MASTER")
			}
		}
		return false
	})
}

// instanceOn renders an instance on an interface, quick to become master.
func instanceOn(n int, name, link, more string) string {
	return fmt.Sprintf(`vrrp_instance %s {
    interface %s
    version 3
    advert_int 0.1
    virtual_router_id %d
    priority 150
    %s
    virtual_ipaddress {
        %s/24
    }
}
`, name, link, 20+n, more, vipOf(n))
}

// TestInterfaceKinds lets interfaces of every kind come, go, come back, change
// their names and their MTU, under one daemon.
func TestInterfaceKinds(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "asks for the state of one director")
	s := newStage(t)
	text := "global_defs {\n    dynamic_interfaces\n    vrrp_rx_bufs_policy MTU\n}\n"
	for n, k := range kinds {
		text += instanceOn(n, k.name, "if-"+k.name, "")
	}
	s.configure(text)
	s.start()
	var there []int
	for n, k := range kinds {
		s.is(n, k.name, "FAULT", "without its interface")
		if s.create(k, n) {
			there = append(there, n)
		}
	}
	each := func(state, when string, do func(link netlink.Link, name string) error) {
		t.Helper()
		for _, n := range there {
			name := "if-" + kinds[n].name
			if link, err := s.Netlink().LinkByName(name); err == nil {
				s.do(do(link, name))
			}
		}
		for _, n := range there {
			s.is(n, kinds[n].name, state, when)
		}
	}
	h := s.Netlink()
	none := func(netlink.Link, string) error { return nil }
	each("MASTER", "with its interface", none)
	each("MASTER", "with another MTU", func(l netlink.Link, _ string) error { return h.LinkSetMTU(l, 1400) })
	each("FAULT", "with its interface down", func(l netlink.Link, _ string) error { return h.LinkSetDown(l) })
	each("MASTER", "with its interface up", func(l netlink.Link, _ string) error { return h.LinkSetUp(l) })
	each("FAULT", "with its interface gone", func(l netlink.Link, _ string) error { return h.LinkDel(l) })
	for _, n := range there {
		s.create(kinds[n], n)
	}
	each("MASTER", "with its interface back", none)
	each("FAULT", "with its interface under another name", func(l netlink.Link, name string) error {
		return errors.Join(h.LinkSetDown(l), h.LinkSetName(l, name+"-x"), h.LinkSetUp(l))
	})
	for _, n := range there {
		name := "if-" + kinds[n].name
		l := must(h.LinkByName(name + "-x"))(t)
		s.do(errors.Join(h.LinkSetDown(l), h.LinkSetName(l, name), h.LinkSetUp(l)))
	}
	each("MASTER", "with its interface under its name", none)
	s.stop()
	for _, n := range there {
		if s.Holds(vipOf(n)) {
			t.Errorf("%s stands after the stop", vipOf(n))
		}
	}
}

// TestInterfaceOnTheSameWire: a macvlan that comes puts two instances of one
// number on one wire, and without allow_if_changes nothing else may stand in
// the place of an interface.
func TestInterfaceOnTheSameWire(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "asks for the state of one director")
	s := newStage(t)
	below := s.base("low")
	s.do(s.AddAddr("low", netip.PrefixFrom(hostAddr(20, false, 1), 24)))
	texts := func(global string) string {
		return "global_defs {\n    " + global + "\n}\n" + instanceOn(0, "first", "low", "") +
			strings.Replace(instanceOn(1, "second", "high", ""), "virtual_router_id 21", "virtual_router_id 20", 1)
	}
	s.configure(texts("dynamic_interfaces allow_if_changes"))
	s.start()
	s.is(0, "first", "MASTER", "alone")
	h := s.Netlink()
	mount := func(l netlink.Link) {
		s.do(h.LinkAdd(l))
		s.do(s.AddAddr("high", netip.PrefixFrom(hostAddr(21, false, 1), 24)))
		s.do(raise(h, "high"))
	}
	gone := func() { s.do(h.LinkDel(must(h.LinkByName("high"))(t))) }
	mount(&netlink.Macvlan{LinkAttrs: above("high", below), Mode: netlink.MACVLAN_MODE_BRIDGE})
	s.eventually("the second tells why it is in FAULT", func() bool {
		st := s.status()
		return st != nil && strings.Contains(st.Instances[1].Reason, "virtual_router_id 20 is that of first on the wire of low")
	})
	s.is(0, "first", "MASTER", "beside the second")
	gone()
	mount(&netlink.Veth{LinkAttrs: named("high"), PeerName: "high-p"})
	s.do(raise(h, "high-p"))
	s.is(1, "second", "MASTER", "on a wire of its own")
	s.configure(texts("dynamic_interfaces"))
	s.reload()
	s.logs("Reload complete")
	gone()
	mount(&netlink.Macvlan{LinkAttrs: above("high", s.base("low2")), Mode: netlink.MACVLAN_MODE_BRIDGE})
	s.eventually("the second tells why it is in FAULT", func() bool {
		st := s.status()
		return st != nil && strings.Contains(st.Instances[1].Reason, "allow_if_changes")
	})
	s.stop()
}

// TestInterfaceSource follows addresses: another one, none, a tracked one, and
// static ones, which are as good as any.
func TestInterfaceSource(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "asks for the state of one director")
	s := newStage(t)
	for n, name := range []string{"own", "tracked", "static"} {
		s.base(name)
		s.do(s.AddAddr(name, netip.PrefixFrom(hostAddr(20+n, false, 1), 24)))
	}
	s.do(s.DelAddr("static", netip.PrefixFrom(hostAddr(22, false, 1), 24)))
	tracked := hostAddr(21, false, 7)
	s.configure("static_ipaddress {\n    10.0.22.5/24 dev static\n}\n" + instanceOn(0, "own", "own", "") +
		instanceOn(1, "tracked", "tracked", "mcast_src_ip "+tracked.String()+"\n    track_src_ip") + instanceOn(2, "static", "static", ""))
	s.start()
	s.is(0, "own", "MASTER", "with an address")
	s.is(2, "static", "MASTER", "with a static address")
	s.is(1, "tracked", "FAULT", "without the address it is to speak from")
	s.do(s.AddAddr("tracked", netip.PrefixFrom(tracked, 24)))
	s.is(1, "tracked", "MASTER", "with that address")
	s.do(s.DelAddr("tracked", netip.PrefixFrom(tracked, 24)))
	s.is(1, "tracked", "FAULT", "without it again")

	one, two := netip.PrefixFrom(hostAddr(20, false, 1), 24), netip.PrefixFrom(hostAddr(20, false, 2), 25)
	s.do(s.AddAddr("own", two))
	s.do(s.DelAddr("own", one))
	s.logs("10.0.20.1 is gone, adverts are sent from 10.0.20.2")
	s.is(0, "own", "MASTER", "with another address")
	s.do(s.DelAddr("own", two))
	s.is(0, "own", "FAULT", "without an address")
	s.do(s.AddAddr("own", one))
	s.is(0, "own", "MASTER", "with an address again")
	s.stop()
}

// TestInterfaceHost checks what the daemon changes for all of the host: it is
// put back at the end, also when that was a crash.
func TestInterfaceHost(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "asks for the state of one director")
	s := newStage(t)
	reports := func() string {
		var b []byte
		s.do(s.Do(func() (err error) {
			b, err = os.ReadFile("/proc/sys/net/ipv4/igmp_link_local_mcast_reports")
			return err
		}))
		return strings.TrimSpace(string(b))
	}
	s.base("own")
	s.do(s.AddAddr("own", netip.PrefixFrom(hostAddr(20, false, 1), 24)))
	global := "disable_local_igmp\n    log_unknown_vrids\n    vrrp_netlink_monitor_rcv_bufs 300000\n    vrrp_netlink_cmd_rcv_bufs 200000\n    vrrp_netlink_cmd_rcv_bufs_force"
	text := "global_defs {\n    " + global + "\n    linkbeat_use_polling\n}\ninterface_up_down_delays {\n    own 0.15\n}\n" + instanceOn(0, "own", "own", "")
	s.configure(text)
	s.start()
	s.is(0, "own", "MASTER", "at the start")
	if got := reports(); got != "0" {
		t.Errorf("the setting is %s while the daemon runs", got)
	}
	s.logs("ETHTOOL says that own is up")
	s.do(s.SetLink("own-q", false))
	s.logs("ETHTOOL says that own is down")
	s.is(0, "own", "FAULT", "without a link")
	s.do(s.SetLink("own-q", true))
	s.is(0, "own", "MASTER", "with a link")

	pid := s.pidFiles()[1]
	s.killFrom(pid)
	s.logs("goes on after its process was replaced")
	if got := reports(); got != "0" {
		t.Errorf("the setting is %s in the second life", got)
	}
	s.do(s.KillAll())
	s.eventually("all are dead", func() bool { return len(s.PIDs()) == 0 })
	s.configure(strings.Replace(text, "disable_local_igmp", "", 1))
	s.start()
	s.eventually("what a crash left is put back", func() bool { return reports() == "1" })
	s.stop()
	s.configure(text)
	s.start()
	s.eventually("it is set again", func() bool { return reports() == "0" })
	s.stop()
	if got := reports(); got != "1" {
		t.Errorf("the setting is %s in the end", got)
	}
}

// TestInterfaceStrangers hears of a virtual router nobody here is, and of none
// without log_unknown_vrids.
func TestInterfaceStrangers(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived tells of every advert")
	s := newStage(t)
	text := func(global string, n int) string {
		return "global_defs {\n    " + global + "\n}\n" + instanceOn(n, "own", lanLink, "")
	}
	s.b.configure(text("", 9))
	s.b.start()
	s.configure(text("log_unknown_vrids", 0))
	s.start()
	const stranger = "Unknown VRID(29) received on interface(eth0) from 10.0.0.2, ignoring"
	s.logs(stranger)
	s.is(0, "own", "MASTER", "beside a stranger")
	s.configure(text("", 0))
	s.reload()
	s.logs("Reload complete")
	s.moreAdverts(s.b, 10)
	if n := strings.Count(s.proc.Log(), stranger); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestInterfaceVRF lets a unicast instance without an interface speak in a VRF,
// which it needs.
func TestInterfaceVRF(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "asks for the state of one director")
	s := newStage(t)
	h, port := s.Netlink(), s.base("port")
	red := &netlink.Vrf{LinkAttrs: named("red"), Table: 77}
	create := func() {
		s.do(raise(h, "red"))
		s.do(h.LinkSetMaster(port, must(h.LinkByName("red"))(t)))
	}
	if err := h.LinkAdd(red); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("the kernel has no VRF: runs in TestGuestInterfaces")
	} else {
		s.do(err)
	}
	create()
	own := hostAddr(20, false, 1)
	s.do(s.AddAddr("port", netip.PrefixFrom(own, 24)))
	s.configure(fmt.Sprintf(`vrrp_instance VI_1 {
    vrf red
    virtual_router_id 20
    version 3
    advert_int 0.1
    unicast_src_ip %s
    track_src_ip
    unicast_peer {
        %s
    }
    virtual_ipaddress {
        %s/24 dev port no_track
    }
}
`, own, hostAddr(20, false, 2), vipOf(0)))
	s.start()
	s.is(0, "VI_1", "MASTER", "in its VRF")
	spoke := s.proc.Log()
	s.do(h.LinkDel(must(h.LinkByName("red"))(t)))
	s.is(0, "VI_1", "FAULT", "without the VRF")
	s.do(h.LinkAdd(red))
	create()
	s.is(0, "VI_1", "MASTER", "in its VRF again")
	s.stop()
	_, again, back := strings.Cut(s.proc.Log(), "recovered from fault") // meanwhile there is no such device
	if complaint := "cannot send"; !back || strings.Contains(spoke, complaint) || strings.Contains(again, complaint) {
		t.Error("it could not speak")
	}
}

// TestGuestInterfaces boots a kernel that has every kind, and VRFs.
func TestGuestInterfaces(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	if guest.Inside() {
		t.Skip("is inside")
	}
	guest.Tests(t, "^TestInterface(Kinds|VRF)")
}
