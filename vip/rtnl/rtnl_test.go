package rtnl

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

func TestSetAddsAndRemoves(t *testing.T) {
	w := newWorld(t, Options{})
	set := vip.Set{address("v0", "10.1.0.1/24"), address("v0", "10.1.0.2/24"), address("v0", "2001:db8::1/64")}
	if e := w.set(1, set); !slices.Equal(e.Set, set) {
		t.Errorf("applied %v", names(e.Set))
	}
	if got := w.kernel("v0"); len(got) != 3 {
		t.Fatalf("the kernel has %v", got)
	}
	w.set(1, set[:1])
	if got := w.kernel("v0"); len(got) != 1 || !has(got, "10.1.0.1/24") {
		t.Fatalf("after the change the kernel has %v", got)
	}
	w.set(1, nil)
	if got := w.kernel("v0"); len(got) != 0 {
		t.Fatalf("in the end the kernel has %v", got)
	}
}

func TestProperties(t *testing.T) {
	w := newWorld(t, Options{})
	a := address("v0", "10.1.0.1/24")
	a.Label, a.Scope, a.Broadcast = "v0:vip", 253, netip.MustParseAddr("10.1.0.255")
	peer := address("v0", "10.2.0.1/32")
	peer.Peer = netip.MustParsePrefix("10.2.0.9/30")
	old := address("v0", "2001:db8::1/128")
	old.Preferred = 0
	dad := address("v0", "2001:db8::2/64")
	dad.DAD = true
	w.set(1, vip.Set{a, address("v0", "10.3.0.1/24"), peer, old, dad, address("v0", "2001:db8::3/64")})
	got := w.kernel("v0")

	if k := got["10.1.0.1/24"]; k.Label != "v0:vip" || k.Scope != 253 || k.Broadcast.String() != "10.1.0.255" {
		t.Errorf("label, scope and broadcast: %+v", k)
	}
	if k := got["10.3.0.1/24"]; k.Broadcast != nil || k.Label != "v0" || k.Scope != 0 {
		t.Errorf("nothing was to be invented: %+v", k)
	}
	if k := got["10.2.0.1/32"]; k.Peer == nil || k.Peer.String() != "10.2.0.9/30" {
		t.Errorf("peer: %+v", k)
	}
	if k := got["2001:db8::1/128"]; k.PreferedLft != 0 || k.Flags&0x22 != 0x22 { // IFA_F_DEPRECATED, IFA_F_NODAD
		t.Errorf("deprecated without detection of duplicates: %+v", k)
	}
	if k := got["2001:db8::2/64"]; k.IPNet == nil || k.Flags&2 != 0 {
		t.Errorf("with detection of duplicates: %+v", k)
	}
	if k := got["2001:db8::3/64"]; k.Flags&0x80 == 0 || k.Flags&2 == 0 { // IFA_F_PERMANENT
		t.Errorf("for ever: %+v", k)
	}
	w.set(1, nil)
	if got := w.kernel("v0"); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

// What the kernel does with its flags shows that they arrived.
func TestFlags(t *testing.T) {
	w := newWorld(t, Options{})
	temporary := address("v0", "2001:db8:1::1/64")
	temporary.TemporaryFrom, temporary.Preferred = true, time.Hour
	lone, lone4 := address("v0", "2001:db8:2::1/64"), address("v0", "10.2.0.1/24")
	lone.NoPrefixRoute, lone4.NoPrefixRoute = true, true
	group, group6 := address("v0", "239.1.1.1/32"), address("v0", "ff05::1/128")
	group.AutoJoin, group6.AutoJoin = true, true
	w.set(1, vip.Set{temporary, lone, lone4, group, group6, address("v0", "2001:db8:3::1/64")})
	got := w.kernel("v0")
	for prefix, flag := range map[string]int{
		"2001:db8:1::1/64": unix.IFA_F_MANAGETEMPADDR, "2001:db8:2::1/64": unix.IFA_F_NOPREFIXROUTE, "10.2.0.1/24": unix.IFA_F_NOPREFIXROUTE,
		"239.1.1.1/32": unix.IFA_F_MCAUTOJOIN, "ff05::1/128": unix.IFA_F_MCAUTOJOIN,
	} {
		if k := got[prefix]; k.Flags&flag == 0 {
			t.Errorf("%s has flags %#x without %#x", prefix, k.Flags, flag)
		}
	}
	if k := got["2001:db8:1::1/64"]; k.PreferedLft < 3500 || k.PreferedLft > 3600 {
		t.Errorf("preferred for %d s, want an hour", k.PreferedLft)
	}
	routes, err := w.hand.RouteList(w.link("v0"), 0)
	w.must(err)
	var prefixes []string
	for _, r := range routes {
		prefixes = append(prefixes, r.Dst.String())
	}
	if slices.Contains(prefixes, "2001:db8:2::/64") || slices.Contains(prefixes, "10.2.0.0/24") || !slices.Contains(prefixes, "2001:db8:3::/64") {
		t.Errorf("routes of prefixes: %v", prefixes)
	}
}

func TestUntrackedIsLeftAlone(t *testing.T) {
	w := newWorld(t, Options{})
	first, left := address("v0", "10.1.0.1/24"), address("v0", "10.1.0.2/24")
	left.NoTrack = true
	six := address("v0", "2001:db8::1/64")
	six.NoTrack = true
	w.set(1, vip.Set{first, left, six})
	w.remove("v0", "10.1.0.2/24")
	w.remove("v0", "2001:db8::1/64")
	w.remove("v0", "10.1.0.1/24") // its return tells that the others were passed over
	w.until("the tracked one", func() bool { return has(w.kernel("v0"), "10.1.0.1/24") })
	if got := w.kernel("v0"); len(got) != 1 {
		t.Errorf("put back: %v", got)
	}
	left.NoTrack = false
	w.set(1, vip.Set{first, left, six})
	w.must(w.hand.LinkSetDown(w.link("v0")))
	w.must(w.hand.LinkSetUp(w.link("v0"))) // everything absent is added then
	w.until("all", func() bool { return len(w.kernel("v0")) >= 3 })
	w.remove("v0", "10.1.0.2/24")
	w.until("what is tracked now", func() bool { return has(w.kernel("v0"), "10.1.0.2/24") })
}

func TestAttributeChangeReplaces(t *testing.T) {
	w := newWorld(t, Options{})
	a := address("v0", "10.1.0.1/24")
	w.set(1, vip.Set{a})
	a.Label = "v0:1"
	w.set(1, vip.Set{a, address("v0", "2001:db8::1/64")})
	if k := w.kernel("v0")["10.1.0.1/24"]; k.Label != "v0:1" {
		t.Errorf("label %q", k.Label)
	}
	w.set(1, vip.Set{a, address("v0", "2001:db8::1/128")})
	if got := w.kernel("v0"); !has(got, "2001:db8::1/128") {
		t.Errorf("another prefix length: %v", got)
	}
}

func TestForeignRemovalComesBack(t *testing.T) {
	w := newWorld(t, Options{})
	w.set(7, vip.Set{address("v0", "10.1.0.1/24"), address("v0", "2001:db8::1/64")})
	for _, prefix := range []string{"10.1.0.1/24", "2001:db8::1/64"} {
		start := time.Now()
		w.remove("v0", prefix)
		e := w.expectKind(Restored)
		t.Logf("%s came back after %v", prefix, time.Since(start))
		if e.Owner != 7 || e.Address.Prefix.String() != prefix {
			t.Errorf("told of %v of owner %d", e.Address.Prefix, e.Owner)
		}
		if e.Address.Prefix.Addr().Is4() && e.Port == 0 {
			t.Error("the kernel names who removes an IPv4 address; the event does not")
		}
		if !has(w.kernel("v0"), prefix) {
			t.Errorf("%s does not stand", prefix)
		}
	}
}

func TestRepairsSlowDown(t *testing.T) {
	w := newWorld(t, Options{})
	w.set(1, vip.Set{address("v0", "10.1.0.1/24")})
	start := time.Now()
	for range 3 { // at once, after 100 ms, after 200 ms
		w.remove("v0", "10.1.0.1/24")
		w.expectKind(Restored)
	}
	if d := time.Since(start); d < 300*time.Millisecond {
		t.Errorf("three repairs within %v", d)
	}
}

func TestAdoption(t *testing.T) {
	w := newWorld(t, Options{})
	w.add("v0", "10.1.0.1/32")
	set := vip.Set{address("v0", "10.1.0.1/32")}
	if e := w.set(1, set); !slices.Equal(e.Set, set) {
		t.Errorf("applied %v", names(e.Set))
	}
	w.remove("v0", "10.1.0.1/32")
	w.expectKind(Restored)
	w.set(1, nil)
	if got := w.kernel("v0"); len(got) != 0 {
		t.Errorf("an adopted address stays: %v", got)
	}
}

func TestTwoOwners(t *testing.T) {
	w := newWorld(t, Options{})
	set := vip.Set{address("v0", "10.1.0.1/32")}
	w.set(1, set)
	w.set(2, set)
	w.set(1, nil)
	if got := w.kernel("v0"); len(got) != 1 {
		t.Errorf("the second owner lost it: %v", got)
	}
	w.set(2, nil)
	if got := w.kernel("v0"); len(got) != 0 {
		t.Errorf("nobody wants %v", got)
	}
}

func TestClean(t *testing.T) {
	w := newWorld(t, Options{})
	for _, p := range []string{"10.1.0.1/32", "10.1.0.2/32", "10.1.0.3/32"} {
		w.add("v0", p)
	}
	w.door.Set(1, vip.Set{address("v0", "10.1.0.1/32")})
	w.door.Clean(vip.Set{address("v0", "10.1.0.1/32"), address("v0", "10.1.0.2/32"),
		address("v0", "10.9.9.9/32"), address("nosuch", "10.9.9.9/32")})
	w.door.Set(2, nil)
	w.expect("the end", func(e Event) bool {
		if e.Kind == Failed {
			t.Errorf("told of %v", e.Err)
		}
		return e.Kind == Applied && e.Owner == 2
	})
	got := w.kernel("v0")
	if len(got) != 2 || !has(got, "10.1.0.1/32") || !has(got, "10.1.0.3/32") {
		t.Errorf("the kernel has %v", got)
	}
}

// TestAfter: what is called after a change finds it carried out, however long it
// takes.
func TestAfter(t *testing.T) {
	w := newWorld(t, Options{})
	after := func() int {
		t.Helper()
		called := make(chan struct{})
		w.door.After(func() { close(called) })
		select {
		case <-called:
		case <-time.After(patience):
			t.Fatal("nothing was called")
		}
		return len(w.kernel("v0"))
	}
	w.door.Set(1, many("v0", 300))
	w.door.Set(2, vip.Set{address("v0", "10.9.0.1/32")})
	if n := after(); n != 301 {
		t.Errorf("the kernel has %d", n)
	}
	w.add("v0", "10.9.0.2/32")
	w.door.Set(1, nil)
	w.door.Clean(vip.Set{address("v0", "10.9.0.2/32")})
	if n := after(); n != 1 || !has(w.kernel("v0"), "10.9.0.1/32") {
		t.Errorf("the kernel has %d", n)
	}
}

// TestManyAddressesInBatches: what stands is told batch by batch, but for the
// last, which comes with the whole set.
func TestManyAddressesInBatches(t *testing.T) {
	w := newWorld(t, Options{})
	set := many("v0", 300)
	w.door.Set(1, set)
	var told vip.Set
	for range 2 {
		told = append(told, w.expectKind(Standing).Set...)
	}
	if !slices.Equal(told, set[:2*maxBatch]) {
		t.Errorf("told %d ahead", len(told))
	}
	if e := w.expectKind(Applied); len(e.Set) != 300 {
		t.Errorf("applied %d", len(e.Set))
	}
	if got := w.kernel("v0"); len(got) != 300 {
		t.Errorf("the kernel has %d", len(got))
	}
	w.set(1, nil)
	if got := w.kernel("v0"); len(got) != 0 {
		t.Errorf("the kernel keeps %d", len(got))
	}
}

func many(link string, n int) vip.Set {
	var set vip.Set
	for i := range n {
		ip := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		set = append(set, vip.Address{Link: link, Prefix: netip.PrefixFrom(ip, 32), Preferred: -1})
	}
	return set
}

func TestErrorsAreToldOneByOne(t *testing.T) {
	w := newWorld(t, Options{})
	bad := address("v0", "10.1.0.2/24")
	bad.Label = "a label far too long"
	good := vip.Set{address("v0", "10.1.0.1/24"), address("v0", "10.1.0.3/24")}
	w.door.Set(1, vip.Set{good[0], bad, good[1], address("nosuch", "10.1.0.4/24")})
	if e := w.expectKind(Failed); e.Address.Link != "nosuch" || e.Owner != 1 {
		t.Errorf("got %+v", e)
	}
	if e := w.expectKind(Failed); e.Address.Prefix != bad.Prefix {
		t.Errorf("got %+v", e)
	} else {
		t.Log(e.Err)
	}
	if e := w.expectKind(Applied); !slices.Equal(e.Set, good) {
		t.Errorf("applied %v", names(e.Set))
	}
}

func TestLinkDownAndUp(t *testing.T) {
	w := newWorld(t, Options{})
	l, ok := w.door.LinkByName("v0")
	if !ok {
		t.Fatal("v0 is not known")
	}
	if want := w.link("v0").Attrs(); l.Index != want.Index || !slices.Equal(l.HardwareAddr[:], want.HardwareAddr) || !l.ARP || l.MTU != want.MTU {
		t.Errorf("got %+v, want %+v", l, want)
	}
	w.running("v0", "v1")
	w.set(1, vip.Set{address("v0", "10.1.0.1/24"), address("v0", "2001:db8::1/64")})

	w.must(w.hand.LinkSetDown(w.link("v0")))
	down := make(map[string]Link)
	w.expect("v0 and v1 down", func(e Event) bool {
		if e.Kind == LinkChanged && !e.Link.Up {
			down[e.Link.Name] = e.Link
		}
		return len(down) == 2
	})
	if down["v0"].Admin || !down["v1"].Admin {
		t.Errorf("v0 was switched off, v1 lost its carrier; told %+v", down)
	}

	w.must(w.hand.LinkSetUp(w.link("v0")))
	restored, up := false, false
	w.expect("the IPv6 address and v0 up", func(e Event) bool {
		restored = restored || e.Kind == Restored && e.Address.Prefix.Addr().Is6()
		up = up || e.Kind == LinkChanged && e.Link.Name == "v0" && e.Link.Up
		return restored && up
	})
	if got := w.kernel("v0"); len(got) != 2 {
		t.Errorf("the kernel has %v", got)
	}
}

func TestLinkVanishesAndComesBack(t *testing.T) {
	w := newWorld(t, Options{})
	w.set(1, vip.Set{address("v0", "10.1.0.1/24")})
	w.must(w.hand.LinkDel(w.link("v0")))
	w.expect("v0 gone", func(e Event) bool { return e.Kind == LinkGone && e.Link.Name == "v0" })
	if _, ok := w.door.LinkByName("v0"); ok {
		t.Error("v0 is still known")
	}
	w.pair("v0", "v1")
	w.expectKind(Restored)
	if got := w.kernel("v0"); len(got) != 1 {
		t.Errorf("the kernel has %v", got)
	}
}

func TestLinkRenamed(t *testing.T) {
	w := newWorld(t, Options{})
	w.set(1, vip.Set{address("v0", "10.1.0.1/24")})
	w.must(w.hand.LinkSetDown(w.link("v0")))
	w.must(w.hand.LinkSetName(w.link("v0"), "other"))
	w.expect("v0 gone", func(e Event) bool { return e.Kind == LinkGone && e.Link.Name == "v0" })
	w.expect("other", func(e Event) bool { return e.Kind == LinkChanged && e.Link.Name == "other" })
	w.set(2, nil)
	if got := w.kernel("other"); len(got) != 0 {
		t.Errorf("the renamed link keeps %v", got)
	}
	w.must(w.hand.LinkSetName(w.link("other"), "v0"))
	w.expectKind(Restored)
	if got := w.kernel("v0"); len(got) != 1 {
		t.Errorf("the kernel has %v", got)
	}
}

func TestOwnAddresses(t *testing.T) {
	w := newWorld(t, Options{})
	w.set(1, vip.Set{address("v0", "10.1.0.1/24")})
	w.add("v0", "192.0.2.1/24")
	w.add("v0", "192.0.2.2/24")
	want := "[192.0.2.1/24 192.0.2.2/24]"
	w.expect(want, func(e Event) bool {
		return e.Kind == LinkChanged && fmt.Sprint(inet(w.door.Addresses("v0"))) == want
	})
	w.remove("v0", "192.0.2.2/24")
	w.expect("one left", func(e Event) bool { return e.Kind == LinkChanged && len(inet(w.door.Addresses("v0"))) == 1 })
	w.set(1, vip.Set{address("v0", "192.0.2.1/24")})
	if got := inet(w.door.Addresses("v0")); len(got) != 0 {
		t.Errorf("what is wanted is no longer the link's own: %v", got)
	}
}

func inet(ps []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(ps, func(p netip.Prefix) bool { return p.Addr().Is6() })
}

func TestSubnetPrimaryTakesNobodyAlong(t *testing.T) {
	w := newWorld(t, Options{})
	set := vip.Set{address("v0", "10.1.0.1/24"), address("v0", "10.1.0.2/24")}
	w.set(1, set)
	w.set(1, set[1:])
	deadline := time.Now().Add(patience)
	for !has(w.kernel("v0"), "10.1.0.2/24") {
		if time.Now().After(deadline) {
			t.Fatal("the secondary address went with the primary one")
		}
		runtime.Gosched()
	}
}

func TestOverflowIsHealed(t *testing.T) {
	w := newWorld(t, Options{ReceiveBuffer: 1}) // the kernel makes it its minimum
	set := many("v0", 300)
	w.set(1, set)
	for _, a := range set {
		w.remove("v0", a.Prefix.String())
	}
	deadline := time.Now().Add(patience)
	for len(w.kernel("v0")) != 300 {
		if time.Now().After(deadline) {
			t.Fatalf("only %d came back", len(w.kernel("v0")))
		}
		runtime.Gosched()
	}
	w.expectKind(Resynced)
}

func TestCloseLeavesWhatIsWanted(t *testing.T) {
	w := newWorld(t, Options{})
	d, err := Open(Options{})
	w.must(err)
	d.Set(1, vip.Set{address("v1", "10.1.0.1/24")})
	d.Set(2, vip.Set{address("v1", "10.1.0.2/24")})
	d.Set(2, nil)
	w.must(d.Close())
	if got := w.kernel("v1"); len(got) != 1 || !has(got, "10.1.0.1/24") {
		t.Errorf("the kernel has %v", got)
	}
}

func BenchmarkThousandAddresses(b *testing.B) {
	w := newWorld(b, Options{})
	set := many("v0", 1000)
	for b.Loop() {
		w.set(1, set)
		b.StopTimer()
		w.set(1, nil)
		b.StartTimer()
	}
}

func BenchmarkOneAddress(b *testing.B) {
	w := newWorld(b, Options{})
	set := many("v0", 1)
	for b.Loop() {
		w.set(1, set)
		w.set(1, nil)
	}
}

func TestForwardingIsFollowed(t *testing.T) {
	w := newWorld(t, Options{})
	if l, _ := w.door.LinkByName("v0"); l.Forwarding {
		t.Fatal("v0 forwards from the start")
	}
	w.sysctl("net/ipv6/conf/v0/forwarding", "1")
	w.expect("v0 forwarding", func(e Event) bool { return e.Kind == LinkChanged && e.Link.Name == "v0" && e.Link.Forwarding })
	w.must(w.hand.LinkSetMTU(w.link("v0"), 1400)) // described anew
	w.expect("v0 forwarding with its new MTU", func(e Event) bool {
		return e.Kind == LinkChanged && e.Link.MTU == 1400 && e.Link.Forwarding
	})
}

func TestRefusalIsToldOnceAndHealed(t *testing.T) {
	w := newWorld(t, Options{})
	w.sysctl("net/ipv6/conf/v0/disable_ipv6", "1")
	w.door.Set(1, vip.Set{address("v0", "2001:db8::1/64")})
	t.Log(w.expectKind(Failed).Err)
	if e := w.expectKind(Applied); len(e.Set) != 0 {
		t.Errorf("applied %v", names(e.Set))
	}
	w.sysctl("net/ipv6/conf/v0/disable_ipv6", "0")
	w.expect("restored, not failed again", func(e Event) bool {
		if e.Kind == Failed {
			t.Errorf("told again: %v", e.Err)
		}
		return e.Kind == Restored
	})
	if got := w.kernel("v0"); len(got) != 1 {
		t.Errorf("the kernel has %v", got)
	}
}

// TestOpenWhileAddressesChange: a door opens while another hand changes thousands of
// addresses, as a process does whose place it takes, and knows soon how it is.
func TestOpenWhileAddressesChange(t *testing.T) {
	w := newWorld(t, Options{})
	w.door.Set(1, many("v0", 6000))
	w.expectKind(Applied)
	other, err := newCommander()
	w.must(err)
	defer other.close()
	other.index = w.door.links.index
	ends, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for a := address("v0", "10.7.0.1/32"); ; {
			select {
			case <-ends:
				return
			default:
				e := &entry{address: &a}
				index := w.door.links.index("v0")
				other.do([]request{{kind: vip.Add, entry: e, index: index}, {kind: vip.Remove, entry: e, index: index}})
			}
		}
	}()
	for range 5 {
		d, err := Open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
	}
	close(ends)
	<-ended
}

func TestKernelRecordsWhoAdded(t *testing.T) {
	w := newWorld(t, Options{})
	w.set(1, vip.Set{address("v0", "10.1.0.1/32")})
	c, err := newCommander()
	w.must(err)
	defer c.close()
	found := false
	w.must(c.dump(unix.RTM_GETADDR, make([]byte, addrmsgLen), func() {}, func(m message) {
		s, _ := decodeAddr(m.body)
		if s.prefix == netip.MustParsePrefix("10.1.0.1/32") {
			found = true
			if proto := attributes(t, m.body[addrmsgLen:])[ifaProto]; proto != "12" && proto != "" {
				t.Errorf("address protocol %q", proto)
			}
		}
	}))
	if !found {
		t.Error("the address was not listed")
	}
}
