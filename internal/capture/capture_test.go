package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/vrrp"
)

var (
	epoch = time.Date(2026, 11, 21, 9, 0, 0, 0, time.Local)
	ip1   = netip.MustParseAddr("10.0.0.1")
	ip2   = netip.MustParseAddr("10.0.0.2")
	vip   = netip.MustParseAddr("10.0.0.100")
	vip6  = netip.MustParseAddr("2001:db8::100")
	mac1  = MAC{2, 0, 0, 0, 0, 1}
	mac2  = MAC{2, 0, 0, 0, 0, 2}
	mac3  = MAC{2, 0, 0, 0, 0, 3}
)

// advert is an advert to be sent.
type advert struct {
	src      netip.Addr
	mac      MAC
	priority uint8
	ttl      uint8 // 0 is 255
	change   func(*vrrp.Packet)
	data     []byte // instead
}

func (a advert) frame(at time.Duration) *Frame {
	p := vrrp.Packet{Version: 2, VRID: 51, Priority: a.priority, Interval: time.Second, Addresses: vrrp.AppendAddress(nil, vip)}
	if a.change != nil {
		a.change(&p)
	}
	dst := vrrp.GroupIPv4
	if a.src.Is6() {
		dst = vrrp.GroupIPv6
	}
	data := a.data
	if data == nil {
		data = p.AppendTo(nil, a.src, dst)
	}
	if a.ttl == 0 {
		a.ttl = vrrp.TTL
	}
	return &Frame{At: epoch.Add(at), Type: Ethernet, Data: ip(a.mac, a.src, dst, vrrp.Protocol, a.ttl, data)}
}

// ip is an Ethernet frame with an IP packet.
func ip(mac MAC, src, dst netip.Addr, proto, ttl uint8, data []byte) []byte {
	b := append([]byte{1, 0, 0x5e, 0, 0, 18}, mac[:]...)
	if src.Is6() {
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
		b = append(b, proto, ttl)
	} else {
		b = append(b, 8, 0, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4Len+len(data)))
		b = append(b, 0, 1, 0, 0, ttl, proto, 0, 0)
	}
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, data...)
}

// arp is an ARP frame.
func arp(at time.Duration, op uint16, mac MAC, sender, target netip.Addr) *Frame {
	b := append(bytes.Repeat([]byte{255}, 6), mac[:]...)
	b = append(b, 8, 6)
	b = append(b, ethernetIPv4...)
	b = binary.BigEndian.AppendUint16(b, op)
	b = append(append(b, mac[:]...), sender.AsSlice()...)
	b = append(append(b, 0, 0, 0, 0, 0, 0), target.AsSlice()...)
	return &Frame{At: epoch.Add(at), Type: Ethernet, Data: b}
}

// nd is a message of neighbour discovery with its checksum.
func nd(at time.Duration, kind, flags byte, mac MAC, src, dst, target netip.Addr) *Frame {
	b := append([]byte{kind, 0, 0, 0, flags, 0, 0, 0}, target.AsSlice()...)
	b = append(append(b, optTarget, 1), mac[:]...)
	sum := uint32(len(b)) + icmpv6
	for _, part := range [][]byte{src.AsSlice(), dst.AsSlice(), b} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return &Frame{At: epoch.Add(at), Type: Ethernet, Data: ip(mac, src, dst, icmpv6, 255, b)}
}

// story is what a watcher says of frames, without the time.
func story(w *Watcher, frames []*Frame) (lines []string) {
	for _, f := range frames {
		if p, ok := w.Read(f); ok {
			line := strings.TrimSuffix(string(p.AppendText(nil)), "\n")
			lines = append(lines, line[len("15:04:05.000000 "):])
		}
	}
	return lines
}

const sec = time.Second

func ours(change func(*Expected)) []Expected {
	e := Expected{Name: "VI_1", VRID: 51, Addresses: []netip.Addr{vip},
		Expect: vrrp.Expect{Version: 2, Interval: sec, Addresses: vrrp.AppendAddress(nil, vip)}}
	if change != nil {
		change(&e)
	}
	return []Expected{e}
}

func TestWatcher(t *testing.T) {
	a1, a2 := advert{src: ip1, mac: mac1, priority: 100}, advert{src: ip2, mac: mac2, priority: 90}
	with := func(a advert, change func(*vrrp.Packet)) advert { a.change = change; return a }
	const said1, said2 = "10.0.0.1 > 224.0.0.18 VRRPv2 vrid 51 prio 100 every 1s 10.0.0.100", "10.0.0.2 > 224.0.0.18 VRRPv2 vrid 51 prio 90 every 1s 10.0.0.100"
	const tail = "a real server that is not silent (keepgo rs verify), or a master that did not let go"
	for _, c := range []struct {
		name   string
		expect []Expected
		frames []*Frame
		want   []string
	}{
		{"a takeover is no fault", nil, []*Frame{
			a1.frame(0), a1.frame(sec), arp(sec, 1, mac1, vip, vip), a2.frame(5 * sec), arp(5*sec, 1, mac2, vip, vip),
			a1.frame(9 * sec), a2.frame(9*sec + 1), arp(9*sec, 1, mac1, vip, vip), a1.frame(10 * sec), arp(10*sec, 2, mac1, vip, ip2),
		}, []string{said1, said1, "ARP 10.0.0.100 is at 02:00:00:00:00:01: gratuitous", said2, "ARP 10.0.0.100 is at 02:00:00:00:00:02: gratuitous",
			said1, said2, "ARP 10.0.0.100 is at 02:00:00:00:00:01: gratuitous", said1, "ARP 10.0.0.100 is at 02:00:00:00:00:01, for 10.0.0.2"}},
		{"two masters", nil, []*Frame{a1.frame(0), a2.frame(1), a1.frame(sec), a2.frame(sec + 1)}, []string{said1, said2, said1,
			said2 + "  ! two masters: 10.0.0.1 (priority 100) speaks too, and is the better one; they do not hear each other"}},
		{"the higher address wins", nil, []*Frame{a2.frame(0), with(a1, func(p *vrrp.Packet) { p.Priority = 90 }).frame(1), a2.frame(sec),
			with(a1, func(p *vrrp.Packet) { p.Priority = 90 }).frame(sec + 1)}, []string{said2, strings.Replace(said1, "100", "90", 1), said2,
			strings.Replace(said1, "100", "90", 1) + "  ! two masters: 10.0.0.2 (priority 90) speaks too, and is the better one; they do not hear each other"}},
		{"a goodbye", nil, []*Frame{a1.frame(0), with(a1, func(p *vrrp.Packet) { p.Priority = 0 }).frame(sec), a2.frame(sec), a2.frame(2 * sec)},
			[]string{said1, "10.0.0.1 > 224.0.0.18 VRRPv2 vrid 51 prio 0 (goodbye) every 1s 10.0.0.100", said2, said2}},
		{"late", nil, []*Frame{a1.frame(0), a1.frame(2400 * time.Millisecond)},
			[]string{said1, said1 + "  ! late: 2.4s after the one before, and its interval is 1s"}},
		{"a router between", nil, []*Frame{advert{src: ip1, mac: mac1, priority: 100, ttl: 254}.frame(0)},
			[]string{said1 + "  ! TTL/hop limit 254, not 255: it was forwarded, or its sender is no VRRP router"}},
		{"settings that differ", nil, []*Frame{a1.frame(0), with(a2, func(p *vrrp.Packet) { p.Interval = 2 * sec }).frame(5 * sec),
			with(a1, func(p *vrrp.Packet) { p.Version = 3 }).frame(20 * sec), with(a2, func(p *vrrp.Packet) { p.AuthType = 1; p.Version = 2 }).frame(40 * sec)},
			[]string{said1, strings.Replace(said2, "1s", "2s", 1) + "  ! interval 2s, and 10.0.0.1 has 1s",
				strings.Replace(said1, "v2", "v3", 1) + "  ! VRRP version 3, and 10.0.0.2 speaks 2",
				strings.Replace(said2, "1s", "1s auth PASS", 1) + "  ! VRRP version 2, and 10.0.0.1 speaks 3"}},
		{"two clusters", nil, []*Frame{a1.frame(0), with(a2, func(p *vrrp.Packet) { p.Addresses[3]++ }).frame(1)},
			[]string{said1, strings.Replace(said2, "100", "101", 1) + "  ! other virtual addresses than 10.0.0.1"}},
		{"garbage", nil, []*Frame{advert{src: ip1, mac: mac1, data: []byte{0x21, 51, 100, 200, 0, 1, 0, 0}}.frame(0),
			advert{src: ip1, mac: mac1, data: []byte{0x51, 51, 100, 0, 0, 1, 0, 0}}.frame(0),
			advert{src: ip1, mac: mac1, priority: 255, data: []byte{0x21, 51, 255, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}.frame(0)},
			[]string{"10.0.0.1 > 224.0.0.18 VRRP that cannot be read  ! 8 bytes of VRRP, which does not fit what they say of themselves",
				"10.0.0.1 > 224.0.0.18 VRRP that cannot be read  ! VRRP version 5: there are 2 and 3",
				"10.0.0.1 > 224.0.0.18 VRRPv2 vrid 51 prio 255 (IP owner) every 1s  ! bad checksum"}},
		{"a real server answers", nil, []*Frame{a1.frame(0), arp(1, 1, mac1, vip, vip), arp(2, 2, mac3, vip, ip2), arp(3, 1, mac3, vip, ip1)},
			[]string{said1, "ARP 10.0.0.100 is at 02:00:00:00:00:01: gratuitous",
				"ARP 10.0.0.100 is at 02:00:00:00:00:03, for 10.0.0.2  ! 10.0.0.100 is a virtual address, and 02:00:00:00:00:03 is no master of VRID 51: " + tail,
				"ARP who has 10.0.0.1? for 10.0.0.100 at 02:00:00:00:00:03  ! 10.0.0.100 is a virtual address, and 02:00:00:00:00:03 is no master of VRID 51: " + tail}},
		{"without adverts", nil, []*Frame{arp(0, 1, mac1, vip, vip), arp(1, 1, mac2, vip, vip), arp(sec, 2, mac1, vip, vip), arp(2*sec, 2, mac3, vip, ip2)},
			[]string{"ARP 10.0.0.100 is at 02:00:00:00:00:01: gratuitous", "ARP 10.0.0.100 is at 02:00:00:00:00:02: gratuitous",
				"ARP 10.0.0.100 is at 02:00:00:00:00:01: gratuitous  ! two machines say that they have 10.0.0.100: 02:00:00:00:00:02 did 1s ago",
				"ARP 10.0.0.100 is at 02:00:00:00:00:03, for 10.0.0.2  ! duplicate address: 02:00:00:00:00:01 said 1s ago that it has 10.0.0.100, and now another one answers"}},
		{"others are not told of", nil, []*Frame{arp(0, 1, mac1, ip1, ip2), arp(1, 2, mac2, ip2, ip1), arp(2, 1, mac1, netip.IPv4Unspecified(), ip2)},
			[]string{"ARP is 10.0.0.2 free? probe of 02:00:00:00:00:01"}},
		{"IPv6", nil, []*Frame{nd(0, advertisement, 0x20, mac1, vip6, netip.MustParseAddr("ff02::1"), vip6),
			nd(1, advertisement, 0x60, mac2, vip6, netip.MustParseAddr("fe80::9"), vip6),
			nd(2, solicitation, 0, mac3, netip.IPv6Unspecified(), netip.MustParseAddr("ff02::1:ff00:100"), vip6)},
			[]string{"ND 2001:db8::100 is at 02:00:00:00:00:01: gratuitous",
				"ND 2001:db8::100 is at 02:00:00:00:00:02, for fe80::9  ! duplicate address: 02:00:00:00:00:01 said 0s ago that it has 2001:db8::100, and now another one answers",
				"ND is 2001:db8::100 free? probe of 02:00:00:00:00:03"}},
		{"as configured", ours(nil), []*Frame{a1.frame(0), arp(1, 2, mac1, vip, ip2)}, []string{said1, "ARP 10.0.0.100 is at 02:00:00:00:00:01, for 10.0.0.2"}},
		{"not as configured", ours(func(e *Expected) { e.Expect.Interval = 3 * sec }), []*Frame{a1.frame(0)},
			[]string{said1 + "  ! advert from 10.0.0.1 has interval 1s, ours is 3s: set the same `advert_int` on all"}},
		{"another list", ours(func(e *Expected) { e.Expect.Addresses = vrrp.AppendAddress(nil, ip1) }), []*Frame{a1.frame(0)},
			[]string{said1 + "  ! advert from 10.0.0.1 carries other virtual addresses than ours (different: it lacks 1 of ours and has 1 more): theirs 10.0.0.100, ours 10.0.0.1: make `virtual_ipaddress` the same on all"}},
		{"another password", ours(func(e *Expected) { e.Expect.AuthType = 1; copy(e.Expect.Auth[:], "secret") }),
			[]*Frame{with(a1, func(p *vrrp.Packet) { p.AuthType = 1; copy(p.Auth[:], "hidden") }).frame(0)},
			[]string{strings.Replace(said1, "1s", "1s auth PASS", 1) + "  ! advert from 10.0.0.1 has another password: set the same `auth_pass` on all (the first 8 characters count)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := story(NewWatcher(false, c.expect), c.frames)
			if want := strings.Join(c.want, "\n"); strings.Join(got, "\n") != want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
			}
		})
	}
}

// TestAH: what a codec signs is read, with its key and without.
func TestAH(t *testing.T) {
	expect := vrrp.Expect{Version: 2, Interval: sec, AuthType: vrrp.AuthAH, Auth: [8]byte{'k'}}
	packets := func() (list []*Frame) {
		var c vrrp.Codec
		c.Configure(&vrrp.Packet{Version: 2, VRID: 51, Interval: sec, AuthType: vrrp.AuthAH, Addresses: vrrp.AppendAddress(nil, vip)}, &expect)
		for i := range 2 {
			c.Compose(epoch, 100, ip1)
			whole := c.AppendTo(nil, vrrp.GroupIPv4)
			f := advert{src: ip1, mac: mac1}.frame(time.Duration(i) * sec)
			f.Data = append(f.Data[:etherLen], whole...)
			list = append(list, f)
		}
		return list
	}
	const line = "10.0.0.1 > 224.0.0.18 VRRPv2 vrid 51 prio 100 every 1s auth AH seq "
	good := []Expected{{Name: "VI_1", VRID: 51, Expect: expect}}
	if got := story(NewWatcher(false, good), packets()); len(got) != 2 || got[0] != line+"1 10.0.0.100" || got[1] != line+"2 10.0.0.100" {
		t.Errorf("with the key: %q", got)
	}
	list := packets()
	list[1] = list[0]
	if got := story(NewWatcher(false, good), list); len(got) != 2 || !strings.Contains(got[1], "old sequence number") {
		t.Errorf("a replay: %q", got)
	}
	good[0].Expect.Auth[0]++
	if got := story(NewWatcher(false, good), packets()); len(got) != 2 || !strings.Contains(got[0], "wrong integrity check value") {
		t.Errorf("with another key: %q", got)
	}
	if got := story(NewWatcher(false, ours(nil)), packets()); len(got) != 2 || !strings.Contains(got[0], "`auth_type AH`, which VI_1 has not") {
		t.Errorf("where none is expected: %q", got)
	}
}

// TestSigned: a signed advert is read by who has no key, and told apart from one
// with a wrong signature by who has.
func TestSigned(t *testing.T) {
	key := vrrp.Key{ID: 7, Secret: bytes.Repeat([]byte{1}, 32)}
	expect := vrrp.Expect{Version: 3, Interval: sec, HMAC: &vrrp.HMAC{Keys: []vrrp.Key{key}, Active: 7}}
	frame := func() []*Frame {
		var c vrrp.Codec
		c.Configure(&vrrp.Packet{Version: 3, VRID: 51, Interval: sec, Addresses: vrrp.AppendAddress(nil, vip)}, &expect)
		c.Compose(epoch, 100, ip1)
		return []*Frame{advert{src: ip1, mac: mac1, data: c.AppendTo(nil, vrrp.GroupIPv4)}.frame(0)}
	}
	const line = "10.0.0.1 > 224.0.0.18 VRRPv3 vrid 51 prio 100 every 1s auth hmac key 7 10.0.0.100"
	for _, c := range []struct {
		change byte
		expect []Expected
		want   string
	}{
		{0, nil, line}, {0, []Expected{{Name: "VI_1", VRID: 51, Expect: expect}}, line},
		{1, []Expected{{Name: "VI_1", VRID: 51, Expect: expect}}, line + "  ! advert from 10.0.0.1 has a wrong signature: key 7 is not the same there, or the packet was changed"},
	} {
		list := frame()
		list[0].Data[len(list[0].Data)-1] ^= c.change
		if got := story(NewWatcher(false, c.expect), list); len(got) != 1 || got[0] != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestLinks: the same advert behind every link header.
func TestLinks(t *testing.T) {
	f := advert{src: ip1, mac: mac1, priority: 100}.frame(0)
	body := f.Data[etherLen:]
	cooked := append([]byte{0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}, body...)
	cooked2 := append([]byte{8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0}, body...)
	tagged := append(bytes.Clone(f.Data[:12]), append([]byte{0x81, 0, 0x20, 7}, f.Data[12:]...)...)
	for name, c := range map[string]struct {
		Frame
		want string
	}{
		"raw": {Frame{Type: Raw, Data: body}, " "}, "cooked": {Frame{Type: Cooked, Data: cooked}, " out "}, "cooked2": {Frame{Type: Cooked2, Data: cooked2}, " out "},
		"tagged": {Frame{Type: Ethernet, Data: tagged}, " vlan 7 "},
	} {
		p, ok := Decode(&c.Frame)
		if line := string(p.AppendText(nil)); !ok || !strings.HasSuffix(line, "00"+c.want+"10.0.0.1 > 224.0.0.18 VRRPv2 vrid 51 prio 100 every 1s 10.0.0.100\n") {
			t.Errorf("%s: %v %s", name, ok, line)
		}
	}
}

func TestJSON(t *testing.T) {
	w := NewWatcher(false, nil)
	p, _ := w.Read(advert{src: ip1, mac: mac1, priority: 100, ttl: 1}.frame(0))
	text, err := json.Marshal(&p)
	var got map[string]any
	if err = errors.Join(err, json.Unmarshal(text, &got)); err != nil {
		t.Fatal(err)
	}
	v, _ := got["vrrp"].(map[string]any)
	if got["kind"] != "advert" || got["src"] != "10.0.0.1" || v["vrid"] != 51.0 || v["interval"] != 1.0 || len(got["faults"].([]any)) != 1 || got["mac"] != "02:00:00:00:00:01" {
		t.Errorf("%s", text)
	}
}

// TestFile: what is written is read again; what is broken is told.
func TestFile(t *testing.T) {
	var file bytes.Buffer
	w, _ := NewWriter(&file)
	f := advert{src: ip1, mac: mac1, priority: 100}.frame(1234567891)
	if err := errors.Join(w.Write(f), w.Write(f)); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	var got Frame
	for range 2 {
		if err := r.Read(&got); err != nil || !got.At.Equal(f.At) || !bytes.Equal(got.Data, f.Data) || got.Type != Ethernet {
			t.Fatalf("%v: %+v", err, got)
		}
	}
	if err := r.Read(&got); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":        {nil, "too short"},
		"text":         {[]byte("vrrp_instance VI_1 {\n  interface eth0\n}\n"), "no pcap file"},
		"pcapng":       {append([]byte{10, 13, 13, 10}, make([]byte, 24)...), "pcapng"},
		"link type":    {append(bytes.Clone(file.Bytes()[:20]), 105, 0, 0, 0), "link type is 105"},
		"cut":          {file.Bytes()[:50], "frame 1 is cut short"},
		"cut header":   {file.Bytes()[:30], "frame 1 is cut short"},
		"a huge frame": {append(bytes.Clone(file.Bytes()[:32]), 255, 255, 255, 255, 255, 255, 255, 255), "4294967295 bytes"},
	} {
		r, err := NewReader(bytes.NewReader(c.text))
		if err == nil {
			err = r.Read(&got)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMemory: a flood of strangers costs a bounded memory.
func TestMemory(t *testing.T) {
	w := NewWatcher(false, nil)
	for i := range 3 * maxAddresses {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		m := MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}
		w.Read(arp(time.Duration(i)*time.Millisecond, 1, m, a, a))
		f := advert{src: a, mac: m, priority: byte(i), change: func(p *vrrp.Packet) { p.VRID = byte(i % 3); copy(p.Addresses, a.AsSlice()) }}.frame(0)
		f.Data = append(append(bytes.Clone(f.Data[:12]), 0x81, 0, byte(i>>8)&15, byte(i)), f.Data[12:]...)
		w.Read(f)
	}
	if len(w.owners) > maxAddresses || len(w.vips) > maxAddresses || len(w.routers) > maxRouters {
		t.Errorf("%d owners, %d addresses, %d routers", len(w.owners), len(w.vips), len(w.routers))
	}
	for _, r := range w.routers {
		if len(r.speakers) > maxSpeakers {
			t.Errorf("%d speakers", len(r.speakers))
		}
	}
}

// FuzzWatcher: no file and no frame makes it fail, and a line stays a line.
func FuzzWatcher(f *testing.F) {
	var file bytes.Buffer
	w, _ := NewWriter(&file)
	for _, frame := range []*Frame{
		advert{src: ip1, mac: mac1, priority: 100}.frame(0), advert{src: vip6, mac: mac1, priority: 100, change: func(p *vrrp.Packet) { p.Version = 3; p.Addresses = vip6.AsSlice() }}.frame(0),
		arp(0, 1, mac1, vip, vip), nd(0, advertisement, 0x20, mac1, vip6, netip.MustParseAddr("ff02::1"), vip6),
	} {
		w.Write(frame)
	}
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := NewReader(bytes.NewReader(text))
		if err != nil {
			return
		}
		w := NewWatcher(true, ours(nil))
		var frame Frame
		for r.Read(&frame) == nil {
			p, ok := w.Read(&frame)
			if !ok {
				continue
			}
			if line := p.AppendText(nil); bytes.Count(line, []byte("\n")) != 1 || len(line) > 4096 {
				t.Errorf("%q", line)
			}
			if _, err := json.Marshal(&p); err != nil {
				t.Error(err)
			}
		}
	})
}
