package integration

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

const vmacConf = `vrrp_instance own {
	interface eth0
	virtual_router_id 51
	priority 255
	version 3
	advert_int 0.1
	garp_master_delay 0
	use_vmac
	use_vmac_addr
	virtual_ipaddress {
		10.0.0.100/24
		10.2.0.100/24 dev eth1
	}
}
vrrp_instance six {
	interface eth0
	virtual_router_id 52
	priority 255
	advert_int 0.1
	garp_master_delay 0
	use_vmac
	virtual_ipaddress {
		fe80::100
	}
}
`

// vmacs are the macvlans of a host.
func vmacs(w *world, h *netlab.Host) (names []string) {
	for _, l := range must(h.Netlink().LinkList())(w.t) {
		if l.Type() == "macvlan" {
			names = append(names, l.Attrs().Name)
		}
	}
	slices.Sort(names)
	return names
}

// holds tells whether a link of a host has an address.
func holds(h *netlab.Host, link, addr string) bool {
	addrs, err := h.Addrs(link)
	return err == nil && slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Addr().String() == addr })
}

func (d *director) delLink(name string) {
	d.w.t.Helper()
	l := must(d.Netlink().LinkByName(name))(d.w.t)
	d.w.do(d.Netlink().LinkDel(l))
}

// TestSysctlsAreAsBefore: after a stop, and after everything was killed, started
// again and stopped.
func TestSysctlsAreAsBefore(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "2.2.7 leaves some behind")
	w := newWorld(t, ours, ours)
	twoLinks(w, w.a)
	w.do(w.a.Sysctl("net/ipv4/conf/all/rp_filter", "2"))
	before := sysctls(w, w.a.Host)
	w.a.configure(vmacConf)
	standing := func() bool {
		return holds(w.a.Host, "vrrp.51", "10.0.0.100") && holds(w.a.Host, "vrrp1.51", "10.2.0.100") && holds(w.a.Host, "vrrp.52", "fe80::100")
	}
	for _, killed := range []bool{false, true} {
		w.a.start()
		w.eventually("all stands", standing)
		if now := sysctls(w, w.a.Host); !has(now, "all/rp_filter = 0") || !has(now, "/eth1/rp_filter = 2") || !has(now, "/vrrp.51/rp_filter = 0") {
			t.Errorf("rp_filter was not moved: %v", with(now, "/rp_filter"))
		}
		if killed {
			w.do(w.a.KillAll())
			w.eventually("no process is left", func() bool { return len(w.a.PIDs()) == 0 })
			w.a.start()
			w.a.logs("Startup complete")
			w.eventually("all stands again", standing)
		}
		w.a.stop()
		if left := vmacs(w, w.a.Host); len(left) > 0 {
			t.Errorf("killed %v: left behind: %v", killed, left)
		}
		for _, line := range extra(before, sysctls(w, w.a.Host)) {
			t.Errorf("killed %v: in the end %s", killed, line)
		}
	}
}

// TestVMACComesBack: one that is deleted, and one whose base is, with what
// stood on it; and neighbours are told.
func TestVMACComesBack(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "2.2.7 does not wait for interfaces")
	w := newWorld(t, ours, ours)
	twoLinks(w, w.a)
	w.a.configure(vmacConf)
	w.a.start()
	extra := netip.MustParseAddr("10.2.0.100")
	announced := func(since time.Time, addr netip.Addr) bool {
		return slices.ContainsFunc(w.sniff.ARPs(since), func(a netlab.ARP) bool { return a.From == w.a.Host && a.Sender == addr && a.Gratuitous() })
	}
	w.eventually("the address stands", func() bool { return announced(time.Time{}, extra) && w.a.state() == "MASTER" })

	since := time.Now()
	w.a.delLink("vrrp1.51")
	w.eventually("the VMAC is back", func() bool { return holds(w.a.Host, "vrrp1.51", "10.2.0.100") && announced(since, extra) })
	if w.a.state() != "MASTER" {
		t.Error("it was no reason to give way")
	}
	since = time.Now()
	w.a.delLink("vrrp.51")
	w.eventually("the instance's own is back", func() bool {
		return holds(w.a.Host, "vrrp.51", "10.0.0.100") && announced(since, netip.MustParseAddr("10.0.0.100")) && w.a.state() == "MASTER"
	})
	since = time.Now()
	w.a.delLink("eth1")
	w.eventually("it is missed", func() bool { return w.a.state() == "FAULT" })
	lan := must(w.lab.Switch("third"))(t)
	w.do(w.a.Attach("eth1", lan, netip.MustParsePrefix("10.2.0.1/24")))
	w.eventually("all is back with the interface", func() bool {
		return w.a.state() == "MASTER" && holds(w.a.Host, "vrrp1.51", "10.2.0.100") && announced(since, extra)
	})
	if s := w.a.status(); len(s.Instances[0].Devices) != 2 || s.Instances[0].Devices[1].Name != "vrrp1.51" {
		t.Errorf("status tells %+v", s.Instances[0].Devices)
	}
	w.eventually("the status has the self-test", func() bool {
		s := w.a.status()
		return s != nil && len(s.Instances[0].Devices) == 2 && s.Instances[0].Devices[1].Test == "heard"
	})
}

// TestAdvertsFollowTheLinkLocalAddress: that of the base serves on the VMAC.
func TestAdvertsFollowTheLinkLocalAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, *subject, ours)
	w.a.configure(vmacConf)
	w.a.start()
	from := func() (src netip.Addr) {
		for _, a := range w.sniff.Adverts(time.Now().Add(-time.Second)) {
			if a.VRID == 52 && a.From == w.a.Host {
				src = a.Src
			}
		}
		return src
	}
	w.eventually("adverts", func() bool { return from().IsValid() })
	old := from()
	if !holds(w.a.Host, "eth0", old.String()) {
		t.Errorf("adverts come from %v, which is not of eth0", old)
	}
	w.do(w.a.DelAddr("eth0", netip.PrefixFrom(old, 64)))
	w.do(w.a.AddAddr("eth0", netip.MustParsePrefix("fe80::1234/64")))
	w.eventually("adverts from the new one", func() bool { return from().String() == "fe80::1234" })
	w.eventually("the VMAC has the new one alone", func() bool {
		return holds(w.a.Host, "vrrp.52", "fe80::1234") && !holds(w.a.Host, "vrrp.52", old.String())
	})
}

// announces are the addresses that a director announced since, each once.
func (w *world) announces(d *director, since time.Time) []string {
	var all []string
	for _, a := range w.sniff.ARPs(since) {
		if s := a.Sender.String(); a.From == d.Host && a.Gratuitous() && !slices.Contains(all, s) && strings.HasSuffix(s, "00") {
			all = append(all, s)
		}
	}
	slices.Sort(all)
	return all
}

// TestExtraAnnouncementsEqualKeepalived: the same addresses are repeated.
func TestExtraAnnouncementsEqualKeepalived(t *testing.T) {
	const conf = `vrrp_instance own {
	interface eth0
	virtual_router_id 51
	priority 255
	version 3
	advert_int 0.5
	garp_master_delay 0
	garp_master_repeat 1
	%s
	virtual_ipaddress {
		10.0.0.100/24
		10.2.0.100/24 dev eth1
		10.2.0.200/24 dev eth1
	}
	virtual_ipaddress_excluded {
		fd02::100/64 dev eth1
		fd02::200/64 dev eth1
	}
}
`
	for _, tt := range []struct{ lines, want string }{
		{"garp_extra_if 1\nuse_vmac\nuse_vmac_addr", "[10.2.0.100 fd02::100]"},
		{"garp_extra_if 1\nuse_vmac", "[]"},
		{"garp_extra_if all 1\nuse_vmac", "[10.2.0.100]"},
		{"garp_extra_if all 1", "[10.2.0.100]"},
		{"use_vmac\nuse_vmac_addr", "[]"},
	} {
		t.Run(strings.ReplaceAll(tt.lines, "\n", ", "), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, theirs, ours)
			twoLinks(w, w.a)
			for _, program := range []daemon{theirs, ours} {
				w.a.daemon = program
				w.a.configure(fmt.Sprintf(conf, tt.lines))
				since := time.Now()
				w.a.start()
				w.eventually("everything is announced", func() bool { return len(w.announces(w.a, since)) == 5 })
				quiet := time.Now()
				w.eventually("the first burst ends", func() bool { return len(w.a.speaks(quiet)) >= 2 })
				quiet = time.Now()
				w.eventually("two periods", func() bool { return len(w.a.speaks(quiet)) >= 6 })
				if got := fmt.Sprint(w.announces(w.a, quiet)); got != tt.want {
					t.Errorf("%s repeats %s, want %s", program, got, tt.want)
				}
				w.a.stop()
			}
		})
	}
}

// TestReloadAnnounces: all addresses when one was added; a burst where bursts
// are repeated; nothing else.
func TestReloadAnnounces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, *subject, ours)
	conf := func(lines string) string {
		return "vrrp_instance own {\ninterface eth0\nvirtual_router_id 51\npriority 255\ngarp_master_repeat 2\ngarp_master_delay 0\n" + lines + "}\n"
	}
	const one, two = "virtual_ipaddress {\n10.0.0.100/24\n}\n", "virtual_ipaddress {\n10.0.0.100/24\n10.0.0.101/24\n}\n"
	w.a.configure(conf(one))
	w.a.start()
	said := func(since time.Time) map[string]int {
		n := map[string]int{}
		for _, a := range w.sniff.ARPs(since) {
			if a.From == w.a.Host && a.Gratuitous() && a.Sender.Is4() {
				n[a.Sender.String()]++
			}
		}
		return n
	}
	w.eventually("the first burst", func() bool { return said(time.Time{})["10.0.0.100"] == 2 })
	reload := func(text string, want map[string]int) {
		t.Helper()
		w.a.configure(text)
		since := time.Now()
		w.a.reload()
		w.eventually("another advert", func() bool { return len(w.a.speaks(since)) >= 2 })
		for addr, n := range want {
			w.eventually(fmt.Sprintf("%d announcements of %s", n, addr), func() bool { return said(since)[addr] == n })
		}
		if got := said(since); len(got) != len(want) {
			t.Errorf("announced %v, want %v", got, want)
		}
	}
	reload(conf(one), nil)
	reload(conf(two), map[string]int{"10.0.0.100": 2, "10.0.0.101": 2})
	reload(conf(one+"garp_master_refresh 60\n"), map[string]int{"10.0.0.100": 2})
	reload(conf(one+"garp_master_refresh 60\npriority 254\n"), map[string]int{"10.0.0.100": 2})
}

// TestStaticEntriesAndTheirGroup: the instances of a track_group are at fault
// with the interface, and what the kernel drops with it comes back.
func TestStaticEntriesAndTheirGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, *subject, ours)
	twoLinks(w, w.a)
	w.a.configure(`static_ipaddress {
	10.4.0.1/24 dev eth1 track_group G
	fd04::1/64 dev eth1
	10.4.0.9/24 dev eth1 no_track
}
static_routes {
	10.14.0.0/16 via 10.4.0.77 dev eth1
	fd14::/64 via fd04::9 dev eth1
}
static_rules {
	from 10.14.0.0/16 table 200 preference 50
}
track_group G {
	group {
		own
	}
}
vrrp_instance own {
	interface eth0
	virtual_router_id 51
	priority 255
	virtual_ipaddress {
		10.0.0.100/24
	}
}
`)
	w.a.start()
	stands := func() bool {
		now := stood(w, w.a.Host)
		return has(now, "10.4.0.1/24") && has(now, "fd04::1/64") && has(now, "10.14.0.0/16 via") && has(now, "fd14::/64") && has(now, "from 10.14.0.0/16")
	}
	master := func() bool { return holds(w.a.Host, "eth0", "10.0.0.100") }
	w.eventually("all stands", func() bool { return stands() && master() })
	w.do(w.a.SetLink("eth1", false))
	w.eventually("the instance gives way", func() bool { return !master() })
	w.do(w.a.SetLink("eth1", true))
	w.eventually("all is back", func() bool { return stands() && master() })
	w.do(w.a.DelAddr("eth1", netip.MustParsePrefix("10.4.0.1/24")))
	w.eventually("an address that was removed is back", func() bool { return holds(w.a.Host, "eth1", "10.4.0.1") })
	w.a.stop()
	if now := stood(w, w.a.Host); has(now, "10.4.0.") || has(now, "10.14.") || has(now, "fd14::") || has(now, "fd04::") {
		t.Errorf("something static is left: %v", append(with(now, "10.4.0."), append(with(now, "10.14."), append(with(now, "fd14::"), with(now, "fd04::")...)...)...))
	}
}

// TestNamesOfOtherDirectories: iproute_etc_dir and iproute_usr_dir with their .d.
func TestNamesOfOtherDirectories(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "since 2.3.2")
	w := newWorld(t, ours, ours)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"etc/rt_tables": "777 blue\n", "etc/rt_protos.d/mine.conf": "77 mine\n", "usr/group": "42 lan\n", "usr/rt_tables.d/more.conf": "778 green\n",
	} {
		file := filepath.Join(dir, name)
		w.do(os.MkdirAll(filepath.Dir(file), 0o755))
		w.do(os.WriteFile(file, []byte(text), 0o644))
	}
	w.a.configure(fmt.Sprintf(`global_defs {
	iproute_etc_dir %s/etc
	iproute_usr_dir %s/usr
}
vrrp_instance own {
	interface eth0
	virtual_router_id 51
	priority 255
	use_vmac group lan
	virtual_ipaddress {
		10.0.0.100/24
	}
	virtual_routes {
		10.11.0.0/16 dev eth0 table blue protocol mine no_track
	}
	virtual_rules {
		from 10.0.0.100 table green preference 60
	}
}
`, dir, dir))
	w.a.start()
	w.eventually("all is where the names say", func() bool {
		now := stood(w, w.a.Host)
		return has(now, "10.11.0.0/16 dev eth0 table 777 proto 77") && has(now, "from 10.0.0.100 lookup 778") && has(now, "vrrp.51@eth0") && has(now, "group 42")
	})
}

// TestKilledProcessKeepsVMACs: its successor takes them over as they are.
func TestKilledProcessKeepsVMACs(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's new process begins as BACKUP")
	w := newWorld(t, ours, ours)
	twoLinks(w, w.a)
	w.a.configure(vmacConf)
	w.a.start()
	names := []string{"vrrp.51", "vrrp.52", "vrrp1.51"}
	standing := func() bool {
		return w.a.state() == "MASTER" && holds(w.a.Host, names[0], "10.0.0.100") && holds(w.a.Host, names[1], "fe80::100") && holds(w.a.Host, names[2], "10.2.0.100")
	}
	w.eventually("all stands", standing)
	before := map[string]int{}
	for _, name := range names {
		before[name] = must(w.a.Netlink().LinkByName(name))(t).Attrs().Index
	}
	events := must(w.a.AddrEvents())(t)
	w.a.killFrom(w.a.pidFiles()[1])
	w.a.logs("(own) goes on after its process was replaced")
	since := time.Now()
	w.eventually("adverts of both", func() bool {
		vrids := map[uint8]bool{}
		for _, a := range w.a.speaks(since) {
			vrids[a.VRID] = true
		}
		return len(vrids) == 2 && standing()
	})
	for _, name := range names {
		if now := must(w.a.Netlink().LinkByName(name))(t).Attrs().Index; now != before[name] {
			t.Errorf("%s was made anew: %d is %d", name, before[name], now)
		}
	}
	for len(events) > 0 {
		if e := <-events; !e.Added {
			t.Errorf("%v went", e.Addr)
		}
	}
}
