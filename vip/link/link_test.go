package link

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rtnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// four is an IPv4 instance's VMAC as the daemon asks for it.
func four(vrid uint8) Link { return Link{Parent: "v0", VRID: vrid, NoIPv6: true} }

func want(links ...Link) Want { return Want{Links: links} }

func TestMakesAndUndoes(t *testing.T) {
	w := newWorld(t)
	w.must(w.hand.LinkSetGroup(w.link("v0"), 7))
	before := w.sysctls()
	d := w.open()
	d.Set(1, want(four(51)))
	made := w.expectKind(Made)
	l := w.link("vrrp.51").(*rtnetlink.Macvlan)
	base := w.link("v0").Attrs()
	if made.Owner != 1 || made.Link != four(51) || made.Name != "vrrp.51" || made.Index != l.Index || made.Base != "v0" || made.BaseIndex != base.Index {
		t.Errorf("told %s", describe([]Event{made}))
	}
	if l.Mode != rtnetlink.MACVLAN_MODE_PRIVATE || l.HardwareAddr.String() != "00:00:5e:00:01:33" || l.ParentIndex != base.Index || l.Group != 7 || l.Flags&net.FlagUp == 0 {
		t.Errorf("made %+v", l)
	}
	want := maps.Clone(before)
	for path, value := range map[string]string{
		"ipv4/conf/v0/arp_ignore": "1", "ipv4/conf/v0/arp_filter": "1",
		"ipv4/conf/vrrp.51/arp_ignore": "1", "ipv4/conf/vrrp.51/accept_local": "1", "ipv4/conf/vrrp.51/rp_filter": "0",
		"ipv4/conf/vrrp.51/promote_secondaries": "1", "ipv6/conf/vrrp.51/disable_ipv6": "1", "ipv6/conf/vrrp.51/addr_gen_mode": "1",
		"ipv4/conf/vrrp.51/arp_filter": "0", "ipv4/conf/vrrp.51/arp_announce": "0", "ipv6/conf/vrrp.51/accept_dad": "1",
	} {
		want["net/"+path] = value
	}
	if diff := cmp.Diff(want, w.sysctls()); diff != "" {
		t.Error(diff)
	}
	if e := w.expectKind(Tested); e.Err != nil || e.Owner != 1 {
		t.Error(e.Err)
	}
	d.Set(1, Want{})
	w.must(d.Close())
	if w.exists("vrrp.51") {
		t.Error("the VMAC was left")
	}
	if diff := cmp.Diff(before, w.sysctls()); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(w.state); err == nil {
		t.Error("the state file was left")
	}
}

func TestSharedBaseIsRestoredWithTheLast(t *testing.T) {
	w := newWorld(t)
	w.sysctl("net/ipv4/conf/v0/arp_ignore", "2")
	d := w.open()
	d.Set(1, want(four(51)))
	d.Set(2, want(four(52)))
	w.expect("the second", func(e Event) bool { return e.Kind == Made && e.Name == "vrrp.52" })
	d.Set(1, Want{})
	w.until("deletion", func() bool { return !w.exists("vrrp.51") })
	d.Set(3, want(four(53))) // its Made comes after the first one's settings would have gone
	w.expect("the third", func(e Event) bool { return e.Kind == Made && e.Name == "vrrp.53" })
	if got := w.sysctls()["net/ipv4/conf/v0/arp_ignore"]; got != "1" {
		t.Errorf("arp_ignore is %s while two VMACs stand", got)
	}
	d.Set(2, Want{})
	d.Set(3, Want{})
	w.must(d.Close())
	if got := w.sysctls()["net/ipv4/conf/v0/arp_ignore"]; got != "2" {
		t.Errorf("arp_ignore is %s, was 2", got)
	}
}

// TestAnotherOwnerIsTold: an instance of another name, or moved there, goes on with
// the interface of the one before, whoever of the two is asked first.
func TestAnotherOwnerIsTold(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	d.Set(1, want(four(51)))
	first := w.expectKind(Made)
	d.Set(2, want(four(51)))
	d.Set(1, Want{})
	if e := w.expectKind(Made); e.Owner != 2 || e.Index != first.Index {
		t.Errorf("told %s", describe([]Event{e}))
	}
	d.Set(3, want(four(51)))
	w.expect("the third is told", func(e Event) bool { return e.Kind == Made && e.Owner == 3 && e.Index == first.Index })
	d.Set(2, Want{})
	w.must(w.hand.LinkDel(w.link("vrrp.51")))
	w.expect("the loss is told", func(e Event) bool { return e.Kind == Gone && e.Owner == 3 })
}

func TestReversePathFilterMoves(t *testing.T) {
	w := newWorld(t)
	w.sysctl(allReversePath, "1")
	w.sysctl("net/ipv4/conf/w0/rp_filter", "2")
	before := w.sysctls()
	d := w.open()
	d.Set(1, want(four(51)))
	w.expectKind(Made)
	now := w.sysctls()
	for link, value := range map[string]string{"all": "0", "default": "1", "v0": "1", "w0": "2", "w1": "1", "lo": "1", "vrrp.51": "0"} {
		if got := now["net/ipv4/conf/"+link+"/rp_filter"]; got != value {
			t.Errorf("%s.rp_filter is %s, want %s", link, got, value)
		}
	}
	d.Set(1, Want{})
	w.expect("all.rp_filter put back", func(e Event) bool {
		return e.Kind == SysctlChanged && e.Path == allReversePath && e.Old == "0" && e.New == "1"
	})
	w.must(d.Close())
	if diff := cmp.Diff(before, w.sysctls()); diff != "" {
		t.Error(diff)
	}
}

// The kernel copies a written default to every interface nobody wrote to.
func TestReversePathDefaultSparesVMACs(t *testing.T) {
	w := newWorldWith(t, "")
	w.sysctl(allReversePath, "2")
	before := w.sysctls()
	d := w.open()
	d.Set(1, want(four(51)))
	w.expectKind(Made)
	if now := w.sysctls(); now["net/ipv4/conf/vrrp.51/rp_filter"] != "0" || now["net/ipv4/conf/v0/rp_filter"] != "2" || now[allReversePath] != "0" {
		t.Errorf("VMAC %s, base %s, all %s", now["net/ipv4/conf/vrrp.51/rp_filter"], now["net/ipv4/conf/v0/rp_filter"], now[allReversePath])
	}
	d.Set(1, Want{})
	w.must(d.Close())
	if diff := cmp.Diff(before, w.sysctls()); diff != "" {
		t.Error(diff)
	}
}

func TestSixHasNoReversePath(t *testing.T) {
	w := newWorld(t)
	w.sysctl(allReversePath, "1")
	d := w.open()
	d.Set(1, want(Link{Parent: "v0", VRID: 6, IPv6: true}))
	w.expectKind(Made)
	if got := w.sysctls()[allReversePath]; got != "1" {
		t.Errorf("all.rp_filter is %s", got)
	}
}

func TestChangedMeanwhileIsLeft(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	d.Set(1, want(four(51)))
	w.expectKind(Made)
	w.sysctl("net/ipv4/conf/v0/arp_ignore", "8")
	d.Set(1, Want{})
	if e := w.expectKind(Warned); e.Path != "net/ipv4/conf/v0/arp_ignore" {
		t.Error(e.Err)
	}
	w.must(d.Close())
	now := w.sysctls()
	if now["net/ipv4/conf/v0/arp_ignore"] != "8" || now["net/ipv4/conf/v0/arp_filter"] != "0" {
		t.Errorf("arp_ignore %s, arp_filter %s", now["net/ipv4/conf/v0/arp_ignore"], now["net/ipv4/conf/v0/arp_filter"])
	}
}

func TestCrashIsCleanedUp(t *testing.T) {
	w := newWorld(t)
	w.sysctl(allReversePath, "1")
	before := w.sysctls()
	d := w.open()
	d.Set(1, want(four(51), four(52)))
	w.expect("both", func(e Event) bool { return e.Kind == Made && e.Name == "vrrp.52" })
	kept := w.link("vrrp.52").Attrs().Index
	w.must(d.Close()) // as after a crash: everything stays

	d = w.open()
	d.Set(2, want(four(52)))
	if e := w.expectKind(Made); e.Index != kept {
		t.Errorf("made %d, %d stood", e.Index, kept)
	}
	if !w.exists("vrrp.51") {
		t.Error("a leftover went before Clean")
	}
	if got := w.sysctls()["net/ipv4/conf/vrrp.51/accept_local"]; got != "1" {
		t.Errorf("a leftover's accept_local is %s before Clean", got)
	}
	d.Clean()
	w.until("vrrp.51 deleted", func() bool { return !w.exists("vrrp.51") })
	if got := w.sysctls()["net/ipv4/conf/v0/arp_filter"]; got != "1" {
		t.Errorf("arp_filter is %s while a VMAC stands", got)
	}
	w.must(d.Close())

	d = w.open()
	d.Clean()
	w.until("vrrp.52 deleted", func() bool { return !w.exists("vrrp.52") })
	w.must(d.Close())
	if diff := cmp.Diff(before, w.sysctls()); diff != "" {
		t.Error(diff)
	}
}

// TestCrashUnderAnotherName: what an earlier life made gets the name it has now.
func TestCrashUnderAnotherName(t *testing.T) {
	for _, now := range []Link{{Parent: "v0", VRID: 51, Prefix: "other"}, {Parent: "v0", VRID: 51, Name: "mine"}} {
		w := newWorld(t)
		d := w.open()
		d.Set(1, want(four(51)))
		w.expectKind(Made)
		w.must(d.Close())
		d = w.open()
		d.Set(1, want(now))
		if e := w.expectKind(Made); e.Name != "other.51" && e.Name != "mine" || w.exists("vrrp.51") {
			t.Errorf("made %s; vrrp.51 stands: %t", e.Name, w.exists("vrrp.51"))
		}
		w.must(d.Close())
	}
}

func TestCrashLeavesOthersAlone(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	d.Set(1, want(four(51)))
	w.expectKind(Made)
	w.must(d.Close())
	w.must(w.hand.LinkDel(w.link("vrrp.51")))
	w.macvlan("vrrp.51", "v0", "02:00:00:00:00:01", rtnetlink.MACVLAN_MODE_BRIDGE)
	d = w.open()
	d.Clean()
	w.must(d.Close())
	if !w.exists("vrrp.51") {
		t.Error("another program's interface was deleted")
	}
}

func TestDamagedStateFile(t *testing.T) {
	w := newWorld(t)
	w.must(os.WriteFile(w.state, []byte("{"), 0o600))
	if _, err := Open(Options{StateFile: w.state}); err == nil {
		t.Error("opened")
	} else if !strings.Contains(err.Error(), w.state) {
		t.Error(err)
	}
}

func TestComesBackWhenDeleted(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	d.Set(1, want(four(51)))
	first := w.expectKind(Made)
	w.must(w.hand.LinkDel(w.link("vrrp.51")))
	if e := w.expectKind(Gone); e.Name != "vrrp.51" || e.Index != first.Index || e.Owner != 1 {
		t.Errorf("told %s", describe([]Event{e}))
	}
	if e := w.expectKind(Made); e.Index == first.Index || w.sysctls()["net/ipv4/conf/vrrp.51/accept_local"] != "1" {
		t.Errorf("made %s", describe([]Event{e}))
	}
}

func TestComesBackWithItsParent(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	d.Set(1, want(four(51)))
	w.expectKind(Made)
	w.must(w.hand.LinkDel(w.link("v0")))
	w.expectKind(Gone)
	t.Log(w.expectKind(Failed).Err)
	w.pair("v0", "v1")
	w.expectKind(Made)
	now := w.sysctls()
	if now["net/ipv4/conf/v0/arp_filter"] != "1" || now["net/ipv4/conf/vrrp.51/arp_ignore"] != "1" {
		t.Errorf("the settings did not come back: %v", now)
	}
	d.Set(1, Want{})
	w.must(d.Close())
	if got := w.sysctls()["net/ipv4/conf/v0/arp_filter"]; got != "0" {
		t.Errorf("arp_filter is %s", got)
	}
}

func TestAdoptsWhatMatches(t *testing.T) {
	w := newWorld(t)
	w.macvlan("other", "v0", "00:00:5e:00:01:33", rtnetlink.MACVLAN_MODE_PRIVATE)
	d := w.open()
	d.Set(1, want(four(51)))
	if e := w.expectKind(Made); e.Name != "other" || e.Index != w.link("other").Attrs().Index {
		t.Errorf("told %s", describe([]Event{e}))
	}
	d.Set(1, Want{})
	w.must(d.Close())
	if !w.exists("other") {
		t.Error("another program's interface was deleted")
	}
	if got := w.sysctls()["net/ipv4/conf/other/accept_local"]; got != "0" {
		t.Errorf("accept_local is left %s", got)
	}
}

func TestSetsRightWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.macvlan("vip", "v0", "02:00:00:00:00:01", rtnetlink.MACVLAN_MODE_BRIDGE)
	index := w.link("vip").Attrs().Index
	named := four(51)
	named.Name = "vip"
	d := w.open()
	d.Set(1, want(named))
	if e := w.expectKind(Made); e.Index != index {
		t.Errorf("made %d, want %d", e.Index, index)
	}
	right := func() bool {
		l := w.link("vip").(*rtnetlink.Macvlan)
		return l.Mode == rtnetlink.MACVLAN_MODE_PRIVATE && l.HardwareAddr.String() == "00:00:5e:00:01:33"
	}
	if !right() {
		t.Errorf("%+v", w.link("vip"))
	}
	w.must(w.hand.LinkSetHardwareAddr(w.link("vip"), net.HardwareAddr{2, 0, 0, 0, 0, 9}))
	w.until("the MAC put back", right)
}

func TestNameOfAnotherBase(t *testing.T) {
	w := newWorld(t)
	w.macvlan("vip", "w0", "02:00:00:00:00:01", rtnetlink.MACVLAN_MODE_PRIVATE)
	named := four(51)
	named.Name = "vip"
	d := w.open()
	d.Set(1, want(named))
	w.expectKind(Made)
	if l := w.link("vip").Attrs(); l.ParentIndex != w.link("v0").Attrs().Index {
		t.Errorf("%+v", l)
	}
}

func TestNameOfSomethingElse(t *testing.T) {
	w := newWorld(t)
	index := w.link("w0").Attrs().Index
	named := four(51)
	named.Name = "w0"
	d := w.open()
	d.Set(1, want(named))
	t.Log(w.expectKind(Warned).Err)
	if e := w.expectKind(Made); e.Name != "vrrp.51" {
		t.Errorf("made %s", e.Name)
	}
	if w.link("w0").Attrs().Index != index {
		t.Error("w0 was touched")
	}
}

func TestTakenNames(t *testing.T) {
	w := newWorld(t)
	w.pair("vrrp.51", "vrrp1.51")
	d := w.open()
	d.Set(1, want(four(51), Link{Parent: "v0", VRID: 51, IPv6: true}))
	if e := w.expectKind(Made); e.Name != "vrrp2.51" {
		t.Errorf("made %s", e.Name)
	}
	if e := w.expectKind(Made); e.Name != "vrrp6.51" {
		t.Errorf("made %s", e.Name)
	}
}

func TestRenamedByAnotherHand(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	d.Set(1, want(four(51)))
	first := w.expectKind(Made)
	w.must(w.hand.LinkSetDown(w.link("vrrp.51")))
	w.must(w.hand.LinkSetName(w.link("vrrp.51"), "other"))
	e := w.expect("the new name", func(e Event) bool { return e.Kind == Made && e.Name == "other" })
	if e.Index != first.Index {
		t.Errorf("told %s", describe([]Event{e}))
	}
	d.Set(1, Want{})
	w.must(d.Close())
	if w.exists("other") {
		t.Error("it was left")
	}
}

func TestOnAMacvlan(t *testing.T) {
	w := newWorld(t)
	w.macvlan("mac0", "v0", "02:00:00:00:00:01", rtnetlink.MACVLAN_MODE_BRIDGE)
	on := four(51)
	on.Parent = "mac0"
	d := w.open()
	d.Set(1, want(on))
	if e := w.expectKind(Made); e.Base != "v0" || w.link(e.Name).Attrs().ParentIndex != w.link("v0").Attrs().Index {
		t.Errorf("told %s", describe([]Event{e}))
	}
}

func TestLinkLocalIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.sysctl("net/ipv6/conf/v0/accept_dad", "0")
	six := Link{Parent: "v0", VRID: 52, IPv6: true, LinkLocal: true}
	d := w.open()
	d.Set(1, want(six))
	made := w.expectKind(Made)
	if made.Source != modified(hardware(w.link("v0"))) || !slices.Equal(w.sources("vrrp.52"), []string{made.Source.String() + "/64"}) {
		t.Errorf("source %v, has %v", made.Source, w.sources("vrrp.52"))
	}
	addrs, err := w.hand.AddrList(w.link("vrrp.52"), rtnetlink.FAMILY_V6)
	w.must(err)
	if addrs[0].PreferedLft != 0 || addrs[0].Flags&unix.IFA_F_NODAD == 0 {
		t.Errorf("%+v", addrs[0])
	}
	own, _ := rtnetlink.ParseAddr("fe80::77/64")
	own.Flags = unix.IFA_F_NODAD
	w.must(w.hand.AddrAdd(w.link("v0"), own))
	old, _ := rtnetlink.ParseAddr(made.Source.String() + "/64")
	w.until("the base's first address", func() bool { return len(w.sources("v0")) == 2 })
	w.must(w.hand.AddrDel(w.link("v0"), old))
	if e := w.expectKind(Made); e.Source != netip.MustParseAddr("fe80::77") || e.Index != made.Index {
		t.Errorf("told %s", describe([]Event{e}))
	}
	if got := w.sources("vrrp.52"); !slices.Equal(got, []string{"fe80::77/64"}) {
		t.Errorf("has %v", got)
	}
	w.must(w.hand.AddrDel(w.link("vrrp.52"), own))
	w.until("the address put back", func() bool { return len(w.sources("vrrp.52")) == 1 })
	w.never(Failed)
}

func TestParentIsMissing(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	lone := four(51)
	lone.Parent = "late0"
	d.Set(1, want(lone))
	if e := w.expectKind(Failed); !strings.Contains(e.Err.Error(), "late0") || e.Owner != 1 {
		t.Error(e.Err)
	}
	w.pair("late0", "late1")
	w.expectKind(Made)
	w.never(Failed)
}

func TestNoEthernet(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	bad := four(51)
	bad.Parent = "lo"
	d.Set(1, want(bad, four(52)))
	t.Log(w.expectKind(Failed).Err)
	if e := w.expectKind(Made); e.Name != "vrrp.52" {
		t.Errorf("made %s", e.Name)
	}
}

func TestSameMACTwice(t *testing.T) {
	w := newWorld(t)
	twin := four(51)
	twin.Name = "twin"
	d := w.open()
	d.Set(1, want(four(51)))
	d.Set(2, want(twin))
	if e := w.expectKind(Failed); e.Owner != 2 {
		t.Error(e.Err)
	} else {
		t.Log(e.Err)
	}
}

func TestPlainSysctls(t *testing.T) {
	w := newWorld(t)
	before := w.sysctls()
	d := w.open()
	promote := Sysctl{"net/ipv4/conf/v0/promote_secondaries", "1"}
	d.Set(1, Want{Sysctls: []Sysctl{promote}})
	d.Set(2, Want{Sysctls: []Sysctl{promote}})
	if e := w.expectKind(SysctlChanged); e.Path != promote.Path || e.Old != "0" || e.New != "1" || e.Name != "" {
		t.Errorf("told %s", describe([]Event{e}))
	}
	d.Set(1, Want{Sysctls: []Sysctl{{"kernel/panic", "1"}}})
	if e := w.expectKind(Failed); !strings.Contains(e.Err.Error(), "kernel/panic") {
		t.Error(e.Err)
	}
	if got := w.sysctls()[promote.Path]; got != "1" {
		t.Errorf("it is %s while one wants it", got)
	}
	d.Set(2, Want{})
	d.Set(1, Want{})
	w.must(d.Close())
	if diff := cmp.Diff(before, w.sysctls()); diff != "" {
		t.Error(diff)
	}
}

func TestSelfTestHearsNothing(t *testing.T) {
	w := newWorld(t)
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Skip("needs nft: Debian package nftables")
	}
	rules := "table netdev t { chain c { type filter hook egress device v0 priority 0; policy drop; }; }"
	if out, err := exec.Command(nft, rules).CombinedOutput(); err != nil {
		t.Skipf("needs the egress hook: %s", out)
	}
	d := w.open()
	d.Set(1, want(four(51)))
	e := w.expectKind(Tested)
	if e.Err == nil {
		t.Fatal("a frame that was dropped was heard")
	}
	t.Log(e.Err)
}

func TestHearingIsBounded(t *testing.T) {
	w := newWorld(t)
	mac := RouterMAC(51, false)
	ear, err := packetSocket(unix.ETH_P_ALL, w.link("v1").Attrs().Index, mac)
	w.must(err)
	defer ear.Close()
	w.must(sendFrom(w.link("v0").Attrs().Index, testFrame(mac, false))) // another frame
	if err := hear(ear, testFrame(mac, false)); err == nil {
		t.Error("heard what was not sent")
	}
}

func BenchmarkHundredVMACs(b *testing.B) {
	w := newWorld(b)
	d := w.open()
	for b.Loop() {
		for i := range 100 {
			d.Set(i, want(four(uint8(i+1))))
		}
		w.expect("the last", func(e Event) bool { return e.Kind == Made && e.Owner == 99 })
		b.StopTimer()
		for i := range 100 {
			d.Set(i, Want{})
		}
		w.until("deletion", func() bool { return !w.exists("vrrp.100") })
		b.StartTimer()
	}
}

func TestIPVLAN(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	d.Set(1, want(Link{Kind: IPVLAN, Parent: "v0", VRID: 51, Mode: VEPA, Address: netip.MustParsePrefix("10.1.0.5/24")}))
	e := w.expect("made or failed", func(e Event) bool { return e.Kind == Made || e.Kind == Failed })
	if errors.Is(e.Err, unix.EOPNOTSUPP) {
		if !strings.Contains(e.Err.Error(), "modprobe ipvlan") {
			t.Error(e.Err)
		}
		t.Skip("the kernel has no ipvlan: ", e.Err)
	}
	l, ok := w.link("vrrp.51").(*rtnetlink.IPVlan)
	if !ok || l.Mode != rtnetlink.IPVLAN_MODE_L2 || l.Flag != rtnetlink.IPVLAN_FLAG_VEPA {
		t.Errorf("%+v", l)
	}
	addrs, err := w.hand.AddrList(l, rtnetlink.FAMILY_V4)
	w.must(err)
	if len(addrs) != 1 || addrs[0].IPNet.String() != "10.1.0.5/24" {
		t.Errorf("has %v", addrs)
	}
	d.Set(1, Want{})
	w.must(d.Close())
	if w.exists("vrrp.51") {
		t.Error("it was left")
	}
}

// TestNotify: programs that wait for a message about the base get one more.
func TestNotify(t *testing.T) {
	w := newWorld(t)
	w.until("carriers", func() bool {
		return w.link("v0").Attrs().OperState == rtnetlink.OperUp && w.link("w0").Attrs().OperState == rtnetlink.OperUp
	})
	news, done := make(chan rtnetlink.LinkUpdate, 1000), make(chan struct{})
	defer close(done)
	w.must(rtnetlink.LinkSubscribe(news, done))
	d := w.open()
	d.Set(1, want(Link{Parent: "v0", VRID: 51}))
	d.Set(2, want(Link{Parent: "w0", VRID: 51, Notify: true}))
	for range 2 {
		w.expectKind(Tested)
	}
	count := map[string]int{}
	w.must(w.hand.LinkSetAlias(w.link("lo"), "the last")) // after which nothing is to come
	for u := range news {
		if count[u.Attrs().Name]++; u.Attrs().Alias == "the last" {
			break
		}
	}
	if count["w0"] != count["v0"]+1 {
		t.Errorf("%d messages about w0, %d about v0", count["w0"], count["v0"])
	}
}
