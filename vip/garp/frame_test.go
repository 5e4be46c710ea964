package garp

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

var mac = [6]byte{0x02, 0x00, 0x5e, 0x10, 0x00, 0x01}

func target(addr string) Target {
	return Target{IfIndex: 3, HardwareAddr: mac, Addr: netip.MustParseAddr(addr)}
}

// infiniband is a target on an IPoIB link of partition 0x8001.
func infiniband(addr string) Target {
	t := target(addr)
	t.HardwareAddr = [6]byte{}
	for i := range t.IPoIB.Addr {
		t.IPoIB.Addr[i] = byte(0xa0 + i)
	}
	t.IPoIB.Broadcast = [20]byte{0, 0xff, 0xff, 0xff, 0xff, 0x12, 0x40, 0x1b, 0x80, 0x01, 16: 0xff, 0xff, 0xff, 0xff}
	return t
}

func router(t Target) Target {
	t.Router = true
	return t
}

// golden are the frames keepalived 2.2.7 sends for the same addresses.
var golden = []struct {
	name   string
	target Target
	frame  string
}{
	{"ARP", target("192.0.2.1"), "ffffffffffff 02005e100001 0806" +
		"0001 0800 06 04 0001 02005e100001 c0000201 ffffffffffff c0000201"},
	{"ARP of a mapped address", target("::ffff:192.0.2.1"), "ffffffffffff 02005e100001 0806" +
		"0001 0800 06 04 0001 02005e100001 c0000201 ffffffffffff c0000201"},
	{"NA", target("2001:db8::1"), "333300000001 02005e100001 86dd" +
		"60000000 0020 3a ff 20010db8000000000000000000000001 ff020000000000000000000000000001" +
		"88 00 9b1a 20000000 20010db8000000000000000000000001 02 01 02005e100001"},
	{"NA of a router", router(target("fe80::1")), "333300000001 02005e100001 86dd" +
		"60000000 0020 3a ff fe800000000000000000000000000001 ff020000000000000000000000000001" +
		"88 00 798a a0000000 fe800000000000000000000000000001 02 01 02005e100001"},
}

// newFrame is the announcement of a target, if there is one.
func newFrame(t Target) (f frame, ok bool) {
	if ok = t.speaks(); ok {
		f.write(&t)
	}
	return f, ok
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFrames(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			f, ok := newFrame(tt.target)
			if !ok {
				t.Fatal("no frame")
			}
			if want := unhex(t, tt.frame); string(f.bytes) != string(want) {
				t.Errorf("got  %x\nwant %x", f.bytes, want)
			}
		})
	}
}

// TestInfiniBand: RFC 4391 sections 4, 9.1.1 and 9.3. The checksum is that of
// the Ethernet NA but for the option.
func TestInfiniBand(t *testing.T) {
	const station, broadcast = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3", "00ffffff ff12401b 8001 000000000000 ffffffff"
	arp, ok := newFrame(infiniband("192.0.2.1"))
	want := "0020 0800 14 04 0001" + station + "c0000201" + broadcast + "c0000201"
	if !ok || !arp.bare || arp.protocol != 0x0806 || hex.EncodeToString(arp.bytes) != strings.ReplaceAll(want, " ", "") || hex.EncodeToString(arp.to) != strings.ReplaceAll(broadcast, " ", "") {
		t.Errorf("ARP %+v", arp)
	}
	na, ok := newFrame(infiniband("2001:db8::1"))
	if to := hex.EncodeToString(na.to); !ok || !na.bare || na.protocol != 0x86dd || to != "00ffffffff12601b8001"+"00000000000000000001" {
		t.Errorf("NA goes to %s", to)
	}
	head := "60000000 0030 3a ff 20010db8000000000000000000000001 ff020000000000000000000000000001 88 00"
	tail := "20000000 20010db8000000000000000000000001 02 03 0000" + station
	got := hex.EncodeToString(na.bytes)
	head, tail = strings.ReplaceAll(head, " ", ""), strings.ReplaceAll(tail, " ", "")
	if !strings.HasPrefix(got, head) || !strings.HasSuffix(got, tail) || len(got) != len(head)+4+len(tail) {
		t.Errorf("NA %s", got)
	}
	src, dst := [16]byte(na.bytes[8:24]), [16]byte(na.bytes[24:40])
	if sum := checksum(src, dst, na.bytes[40:]); sum != 0 {
		t.Errorf("checksum is off by %#x", sum)
	}
}

// TestARPIsRead: another implementation reads what is meant.
func TestARPIsRead(t *testing.T) {
	f, _ := newFrame(target("192.0.2.1"))
	var e ethernet.Frame
	var p arp.Packet
	if err := e.UnmarshalBinary(f.bytes); err != nil {
		t.Fatal(err)
	}
	if err := p.UnmarshalBinary(e.Payload); err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("192.0.2.1")
	if p.Operation != arp.OperationRequest || p.SenderIP != addr || p.TargetIP != addr ||
		p.SenderHardwareAddr.String() != net.HardwareAddr(mac[:]).String() || p.TargetHardwareAddr.String() != ethernet.Broadcast.String() ||
		e.Source.String() != p.SenderHardwareAddr.String() || e.Destination.String() != ethernet.Broadcast.String() {
		t.Errorf("%+v in %+v", p, e)
	}
}

// TestFrameAfterFrame: nothing of a frame is left in the next.
func TestFrameAfterFrame(t *testing.T) {
	var f frame
	for range 2 {
		for _, one := range []Target{target("2001:db8::1"), infiniband("2001:db8::1"), target("192.0.2.1"), infiniband("192.0.2.1")} {
			f.write(&one)
			if alone, _ := newFrame(one); string(f.bytes) != string(alone.bytes) || string(f.to) != string(alone.to) || f.bare != alone.bare || f.protocol != alone.protocol {
				t.Errorf("%+v, and alone %+v", f, alone)
			}
		}
	}
}

func TestLengths(t *testing.T) {
	a, _ := newFrame(target("192.0.2.1"))
	n, _ := newFrame(target("2001:db8::1"))
	if len(a.bytes) != arpLen || len(n.bytes) != naLen {
		t.Errorf("lengths %d and %d, want %d and %d", len(a.bytes), len(n.bytes), arpLen, naLen)
	}
}

func TestNoFrame(t *testing.T) {
	for name, bad := range map[string]Target{
		"no hardware address": {IfIndex: 3, Addr: netip.MustParseAddr("192.0.2.1")},
		"no address":          {IfIndex: 3, HardwareAddr: mac},
	} {
		if _, ok := newFrame(bad); ok {
			t.Errorf("%s: a frame was built", name)
		}
	}
}
