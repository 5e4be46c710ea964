package rtnl

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// attributes collects the attributes behind a fixed header.
func attributes(t *testing.T, b []byte) map[uint16]string {
	t.Helper()
	m := make(map[uint16]string)
	for a, rest, ok := nextAttribute(b); ok; a, rest, ok = nextAttribute(rest) {
		if _, twice := m[a.kind]; twice {
			t.Errorf("attribute %d stands twice", a.kind)
		}
		m[a.kind] = hex.EncodeToString(a.value)
	}
	return m
}

func TestEncodeAdd(t *testing.T) {
	a := address("eth0", "10.1.0.1/24")
	a.Label, a.Scope, a.Broadcast, a.Preferred = "eth0:1", 253, netip.MustParseAddr("10.1.0.255"), time.Minute
	b := appendOp(nil, vip.Op{Kind: vip.Add, Address: a}, 7, unix.NLM_F_ACK, 42)
	m, rest, ok := nextMessage(b)
	if !ok || len(rest) != 0 || m.kind != unix.RTM_NEWADDR || m.seq != 42 {
		t.Fatalf("got %+v and %d more bytes", m, len(rest))
	}
	if want := uint16(unix.NLM_F_REQUEST | unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL); m.flags != want {
		t.Errorf("flags %#x, want %#x", m.flags, want)
	}
	if want := []byte{unix.AF_INET, 24, 0, 253}; !bytes.Equal(m.body[:4], want) || host.Uint32(m.body[4:]) != 7 {
		t.Errorf("header %x", m.body[:8])
	}
	got := attributes(t, m.body[addrmsgLen:])
	seconds := host.AppendUint32(nil, 60)
	for kind, want := range map[uint16]string{
		unix.IFA_LOCAL: "0a010001", unix.IFA_ADDRESS: "0a010001", unix.IFA_BROADCAST: "0a0100ff",
		unix.IFA_LABEL: hex.EncodeToString([]byte("eth0:1\x00")), ifaProto: "12",
		unix.IFA_CACHEINFO: hex.EncodeToString(seconds) + "ffffffff0000000000000000",
	} {
		if got[kind] != want {
			t.Errorf("attribute %d: got %q, want %q", kind, got[kind], want)
		}
	}
	if len(got) != 6 {
		t.Errorf("attributes %v", got)
	}
}

func TestEncodeFlags(t *testing.T) {
	v4, v6 := address("eth0", "10.1.0.1/24"), address("eth0", "fe80::1/64")
	home, dad := v6, v6
	home.HomeAddress, dad.DAD = true, true
	all4, all6 := v4, v6
	all4.TemporaryFrom, all4.NoPrefixRoute, all4.AutoJoin = true, true, true
	all6.TemporaryFrom, all6.NoPrefixRoute, all6.AutoJoin = true, true, true
	for _, tt := range []struct {
		address vip.Address
		flags   uint32
	}{{v4, 0}, {v6, unix.IFA_F_NODAD}, {home, unix.IFA_F_NODAD | unix.IFA_F_HOMEADDRESS}, {dad, 0},
		{all4, unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN},
		{all6, unix.IFA_F_NODAD | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN},
	} {
		if got := addrFlags(tt.address); got != tt.flags {
			t.Errorf("%+v: flags %#x, want %#x", tt.address, got, tt.flags)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	peer := address("eth0", "10.1.0.1/32")
	peer.Peer = netip.MustParsePrefix("10.1.0.9/30")
	peer6 := address("eth0", "2001:db8::1/128")
	peer6.Peer = netip.MustParsePrefix("2001:db8::9/64")
	for _, a := range []vip.Address{address("eth0", "10.1.0.1/24"), address("eth0", "2001:db8::1/64"), peer, peer6} {
		for _, kind := range []vip.OpKind{vip.Add, vip.Remove} {
			m, _, _ := nextMessage(appendOp(nil, vip.Op{Kind: kind, Address: a}, 7, 0, 1))
			s, ok := decodeAddr(m.body)
			if !ok || s.index != 7 || s.prefix != a.Prefix || s.peer != a.Peer {
				t.Errorf("%v peer %v became %+v", a.Prefix, a.Peer, s)
			}
		}
	}
}

func TestDecodeError(t *testing.T) {
	ack := make([]byte, 4+headerLen)
	if err := decodeError(message{body: ack}); err != nil {
		t.Errorf("an acknowledgement is %v", err)
	}
	body := bytes.Clone(ack)
	errno := -int32(unix.EINVAL)
	host.PutUint32(body, uint32(errno))
	body = appendAttribute(body, unix.NLMSGERR_ATTR_MSG, []byte("bad label\x00"))
	err := decodeError(message{flags: unix.NLM_F_CAPPED | unix.NLM_F_ACK_TLVS, body: body})
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "bad label") {
		t.Errorf("got %v", err)
	}
	if err := decodeError(message{body: body[:2]}); err == nil {
		t.Error("half an answer is taken for a good one")
	}
}

func TestHints(t *testing.T) {
	v6 := &entry{address: &vip.Set{address("eth0", "2001:db8::1/64")}[0]}
	for errno, want := range map[unix.Errno]string{
		unix.EPERM:  "CAP_NET_ADMIN",
		unix.EACCES: "net.ipv6.conf.eth0.disable_ipv6",
		unix.EINVAL: "label",
		unix.ENODEV: "when the interface is there",
		unix.ENOMEM: "out of memory",
	} {
		text := explain(vip.Add, v6, errno).Error()
		if !strings.HasPrefix(text, "cannot add 2001:db8::1/64 to eth0: ") || !strings.Contains(text, want) {
			t.Errorf("%v: %s", errno, text)
		}
	}
	if text := explain(vip.Remove, v6, unix.EBUSY).Error(); text != "cannot remove 2001:db8::1/64 from eth0: device or resource busy" {
		t.Error(text)
	}
}

// FuzzNotifications feeds what could stand in a datagram to every decoder.
func FuzzNotifications(f *testing.F) {
	a := address("eth0", "10.1.0.1/24")
	f.Add(appendOp(nil, vip.Op{Kind: vip.Add, Address: a}, 7, 0, 1))
	f.Add(appendOp(nil, vip.Op{Kind: vip.Remove, Address: address("eth0", "fe80::1/64")}, 7, 0, 1))
	link := appendHeader(nil, unix.RTM_NEWLINK, 0, 1)
	link = append(link, make([]byte, linkmsgLen)...)
	link = appendAttribute(link, unix.IFLA_IFNAME, []byte("eth0\x00"))
	f.Add(finish(appendAttribute(link, unix.IFLA_AF_SPEC, []byte{8, 0, 10, 0, 4, 0, 2, 0}), 0))
	conf := append(appendHeader(nil, unix.RTM_NEWNETCONF, 0, 1), unix.AF_INET6, 0, 0, 0)
	f.Add(finish(appendUint32Attribute(conf, netconfForwarding, 1), 0))
	for _, o := range optionLines {
		r := route(f, o.line)
		f.Add(appendRoute(nil, vip.Add, &r, func(string) int { return 3 }, 0, 1))
	}
	for _, o := range ruleLines {
		r := rule(f, o.line)
		f.Add(appendRule(nil, vip.Remove, &r, 0, 1))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range appendChanges(nil, b) {
			kinds := 0
			for _, set := range []bool{c.link.Index != 0, c.config.index != 0, c.addr.prefix.IsValid(), c.policy.body != nil} {
				if set {
					kinds++
				}
			}
			if kinds != 1 {
				t.Errorf("a change of %d kinds: %+v", kinds, c)
			}
		}
		for m, rest, ok := nextMessage(b); ok; m, rest, ok = nextMessage(rest) {
			_ = decodeError(m)
			if r, ok := decodeRoute(m.body, func(int) string { return "v0" }); ok {
				_ = r.String()
			}
			_, _ = decodeRule(m.body)
		}
	})
}

// What the running kernel lacks reads back as well.
var rareLines = []string{"10.9.0.0/24 encap mpls 100/200 via 10.0.0.2", "fd01::/64 encap ila 1:2:3:4 via fd00::2",
	"10.9.0.0/24 encap ip id 5 dst 1.2.3.4 flags 8 dev v0", "fd01::/64 nexthop encap mpls 5 via fd00::2 nexthop via fd00::3 dev v1 onlink weight 9"}

func TestRoutesRoundTrip(t *testing.T) {
	lines := slices.Clone(rareLines)
	for _, o := range optionLines {
		lines = append(lines, o.line)
	}
	links := []string{"", "v0", "v1"}
	for _, line := range lines {
		r := route(t, line)
		b := appendRoute(nil, vip.Add, &r, func(name string) int { return slices.Index(links, name) }, unix.NLM_F_ACK, 7)
		m, rest, ok := nextMessage(b)
		k, ok2 := decodeRoute(m.body, func(i int) string { return links[i] })
		k.Expires = r.Expires // the kernel tells it another way
		if !ok || !ok2 || len(rest) != 0 || m.kind != unix.RTM_NEWROUTE || !r.StandsAs(k) {
			t.Errorf("%s\nbecomes %s", line, k)
		}
		if want := unix.NLM_F_REQUEST | unix.NLM_F_ACK | routeFlags[r.Placing]; m.flags != want {
			t.Errorf("%s: flags %#x, want %#x", line, m.flags, want)
		}
	}
}

func TestRulesRoundTrip(t *testing.T) {
	for _, o := range ruleLines {
		r := rule(t, o.line)
		r.Preference = max(r.Preference, 0)
		m, rest, ok := nextMessage(appendRule(nil, vip.Add, &r, 0, 7))
		k, ok2 := decodeRule(m.body)
		if !ok || !ok2 || len(rest) != 0 || k != r {
			t.Errorf("%s\nbecomes %s", o.line, k)
		}
	}
}

func TestLinkOfInfiniBand(t *testing.T) {
	b := append([]byte{0, 0}, host.AppendUint16(nil, unix.ARPHRD_INFINIBAND)...)
	b = append(b, 3, 0, 0, 0)
	b = append(b, make([]byte, linkmsgLen-8)...)
	b = appendAttribute(b, unix.IFLA_IFNAME, []byte("ib0\x00"))
	own, all := bytes.Repeat([]byte{7}, 20), bytes.Repeat([]byte{9}, 20)
	b = appendAttribute(appendAttribute(b, unix.IFLA_ADDRESS, own), unix.IFLA_BROADCAST, all)
	l, ok := decodeLink(b)
	if !ok || !l.ARP || l.HardwareAddr != [6]byte{} || !bytes.Equal(l.InfiniBand[:], own) || !bytes.Equal(l.InfiniBandAll[:], all) {
		t.Errorf("got %+v", l)
	}
}

func TestLinkOfVRF(t *testing.T) {
	b := append(make([]byte, 4), 3, 0, 0, 0)
	b = append(b, make([]byte, linkmsgLen-8)...)
	b = appendAttribute(b, unix.IFLA_IFNAME, []byte("red\x00"))
	info := func(kind string) []byte {
		return nested(bytes.Clone(b), unix.IFLA_LINKINFO, func(b []byte) []byte {
			b = appendAttribute(b, unix.IFLA_INFO_KIND, []byte(kind+"\x00"))
			return nested(b, unix.IFLA_INFO_DATA, func(b []byte) []byte { return appendUint32Attribute(b, unix.IFLA_VRF_TABLE, 300) })
		})
	}
	if l, ok := decodeLink(info("vrf")); !ok || l.Table != 300 || l.Name != "red" {
		t.Errorf("got %+v", l)
	}
	if l, _ := decodeLink(info("veth")); l.Table != 0 {
		t.Errorf("a veth has table %d", l.Table)
	}
}
