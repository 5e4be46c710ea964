package witness

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
)

const (
	station  = "02005e100001" // who says it
	hardware = "02005e100002" // what it says
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mac(t testing.TB, s string) MAC { return MAC(unhex(t, s)) }

// Headers of an ARP packet and of an advertisement of some length.
const (
	arp = "ffffffffffff " + station + " 0806 0001 0800 06 04 "
	na  = "333300000001 " + station + " 86dd 60000000 "
	to  = " 3a ff 20010db8000000000000000000000001 ff020000000000000000000000000001 "
	of1 = " 20010db8000000000000000000000001 "
)

var frames = []struct {
	name, frame string
	addr, mac   string // "": claims nothing
}{
	{"announcement", arp + "0001" + hardware + "c0000201 ffffffffffff c0000201", "192.0.2.1", hardware},
	{"reply", arp + "0002" + hardware + "c0000201 02005e100009 c0000209", "192.0.2.1", hardware},
	{"question", arp + "0001" + hardware + "c0000201 000000000000 c0000209", "192.0.2.1", hardware},
	{"with padding", arp + "0002" + hardware + "c0000201 02005e100009 c0000209" + strings.Repeat("00", 18), "192.0.2.1", hardware},
	{"probe", arp + "0001" + hardware + "00000000 000000000000 c0000201", "", ""},
	{"of multicast", arp + "0001" + hardware + "e0000012 000000000000 c0000201", "", ""},
	{"of nobody", arp + "0001 000000000000 c0000201 000000000000 c0000201", "", ""},
	{"reverse ARP", arp + "0003" + hardware + "c0000201 000000000000 c0000201", "", ""},
	{"short ARP", arp + "0001" + hardware + "c0000201 ffffffffffff c00002", "", ""},
	{"other hardware", strings.Replace(arp, "0001 0800", "0006 0800", 1) + "0001" + hardware + "c0000201 ffffffffffff c0000201", "", ""},
	{"advertisement", na + "0020" + to + "88 00 9b1a 20000000" + of1 + "0201" + hardware, "2001:db8::1", hardware},
	{"without option", na + "0018" + to + "88 00 9b1a 20000000" + of1, "2001:db8::1", station},
	{"after another option", na + "0028" + to + "88 00 9b1a 20000000" + of1 + "0e01000000000000 0201" + hardware, "2001:db8::1", hardware},
	{"padding is no option", na + "0018" + to + "88 00 9b1a 20000000" + of1 + "0201" + hardware, "2001:db8::1", station},
	{"option of no length", na + "0020" + to + "88 00 9b1a 20000000" + of1 + "0e00000000000000", "", ""},
	{"option cut off", na + "0028" + to + "88 00 9b1a 20000000" + of1 + "0eff000000000000 0201" + hardware, "2001:db8::1", station},
	{"through a router", na + "0018" + strings.Replace(to, "ff", "fe", 1) + "88 00 9b1a 20000000" + of1, "", ""},
	{"solicitation", na + "0018" + to + "87 00 9b1a 00000000" + of1, "", ""},
	{"code", na + "0018" + to + "88 01 9b1a 20000000" + of1, "", ""},
	{"of a group", na + "0018" + to + "88 00 9b1a 20000000 ff020000000000000000000000000001", "", ""},
	{"short in words", na + "0017" + to + "88 00 9b1a 20000000" + of1, "", ""},
	{"short", na + "0018" + to + "88 00 9b1a 20000000 20010db80000000000000000000000", "", ""},
	{"nothing", "", "", ""},
	{"header", "ffffffffffff " + station + " 0806", "", ""},
	{"another protocol", "ffffffffffff " + station + " 0800 0001 0800 06 04 0001" + hardware + "c0000201 ffffffffffff c0000201", "", ""},
}

func TestParse(t *testing.T) {
	for _, tt := range frames {
		addr, from, ok := parse(unhex(t, tt.frame))
		if !ok {
			if tt.addr != "" {
				t.Errorf("%s: claims nothing", tt.name)
			}
			continue
		}
		if addr.String() != tt.addr || from != mac(t, tt.mac) {
			t.Errorf("%s: %v is %x", tt.name, addr, from)
		}
	}
}

// lets says whether a filter lets a frame in. The kind of packet, which only
// the kernel knows, is left out.
func lets(t testing.TB, b []byte, kind int, words []uint32) bool {
	t.Helper()
	raw, err := filter(kind, words)
	if err != nil {
		t.Fatal(err)
	}
	prog, ok := bpf.Disassemble(raw[len(below(0)):])
	if !ok {
		t.Fatalf("not understood: %v", prog)
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(b)
	return err == nil && n > 0
}

func TestFilters(t *testing.T) {
	many := make([]uint32, maxListed)
	for i := range many {
		many[i] = word(netip.MustParseAddr("192.0.2.1")) + uint32(i)
	}
	for _, tt := range frames {
		b := unhex(t, tt.frame)
		addr, _, ok := parse(b)
		if !ok {
			continue
		}
		kind := tapNA
		if addr.Is4() {
			kind = tapARP
		}
		last := many[len(many)-1]
		for _, words := range [][]uint32{nil, {word(addr)}, {5, word(addr)}, append(many[:len(many)-1:len(many)-1], word(addr))} {
			if !lets(t, b, kind, words) {
				t.Errorf("%s: does not come in among %d", tt.name, len(words))
			}
		}
		if lets(t, b, kind, []uint32{last, 5}) {
			t.Errorf("%s: comes in among others", tt.name)
		}
	}
	for name, want := range map[string]bool{"solicitation": false, "advertisement": true} {
		for _, tt := range frames {
			if tt.name == name && lets(t, unhex(t, tt.frame), tapNA, nil) != want {
				t.Errorf("%s: comes in is not %v", name, want)
			}
		}
	}
}

func TestAnyFrame(t *testing.T) {
	for dst, want := range map[string]bool{
		"ffffffffffff": true, "02005e100001": true, "01005e000012": true, "333300000001": true,
		"0180c2000000": false, "0180c200000e": false, "0180c200000f": false, // BPDU, LLDP
		"0180c2000010": true, "0180c2010000": true, "01000ccccccc": false, "01000ccccccd": false,
	} {
		if got := lets(t, unhex(t, dst+station+"0800"), tapAny, nil); got != want {
			t.Errorf("to %s: %v", dst, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range frames {
		f.Add(unhex(f, tt.frame))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, from, ok := parse(b)
		if !ok {
			return
		}
		if !addr.IsValid() || addr.IsMulticast() || addr.IsUnspecified() || from == (MAC{}) {
			t.Errorf("%v is %x", addr, from)
		}
		kind := tapNA
		if binary.BigEndian.Uint16(b[typeAt:]) == 0x0806 {
			kind = tapARP
		}
		if !lets(t, b, kind, []uint32{word(addr)}) {
			t.Errorf("%x is a claim, and would not come in", b)
		}
	})
}

func TestLimit(t *testing.T) {
	now := time.Unix(1000, 0)
	l := limiter{}
	one, two := claim{link: 1, mac: MAC{1}}, claim{link: 1, mac: MAC{2}}
	for _, step := range []struct {
		c     claim
		after time.Duration
		again uint64
		ok    bool
	}{
		{one, 0, 0, true}, {one, 0, 0, false}, {two, 0, 0, true}, {one, soon - 1, 0, false},
		{one, 1, 2, true}, {one, 0, 0, false}, {two, 0, 0, true},
		{one, quiet - 1, 0, false}, {one, 1, 2, true}, {one, quiet, 0, true},
		{one, 2 * quiet, 0, true}, {one, soon, 0, true}, {one, soon, 0, false},
	} {
		now = now.Add(step.after)
		if again, ok := l.allow(step.c, now); again != step.again || ok != step.ok {
			t.Errorf("%+v: %d, %v", step, again, ok)
		}
	}
	for i := range 10 * maxClaims {
		l.allow(claim{link: i}, now)
	}
	if len(l) != maxClaims {
		t.Errorf("%d claims are remembered", len(l))
	}
	if _, ok := l.allow(claim{link: -1}, now.Add(quiet)); !ok || len(l) != 1 {
		t.Errorf("%d claims are not forgotten", len(l))
	}
}
