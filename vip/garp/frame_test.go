package garp

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

var mac = [6]byte{0x02, 0x00, 0x5e, 0x10, 0x00, 0x01}

func target(addr string) Target {
	return Target{IfIndex: 3, HardwareAddr: mac, Addr: netip.MustParseAddr(addr)}
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
