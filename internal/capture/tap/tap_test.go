package tap

import (
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"keepgo/internal/capture"
	"keepgo/internal/netlab"
	"keepgo/internal/netlab/testns"
)

// TestTap: what the filter lets in is heard, both ways, with the tag of its
// VLAN; the rest is not; time and Close end the reading.
func TestTap(t *testing.T) {
	lab := testns.Lab(t)
	sw, err := lab.Switch("lan")
	if err != nil {
		t.Fatal(err)
	}
	host := func(name, addr string) *netlab.Host {
		h, err := lab.Host(name)
		if err == nil {
			err = h.Attach("eth0", sw, netip.MustParsePrefix(addr))
		}
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	a, b := host("a", "10.0.0.1/24"), host("b", "10.0.0.2/24")
	var tap *Tap
	if err := a.Do(func() (err error) { tap, err = Open("eth0"); return err }); err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	if !netlab.Until(10*time.Second, func() bool { // the switch takes its time
		macs, err := a.WhoHas("eth0", netip.MustParseAddr("10.0.0.2"), 10*time.Millisecond)
		return err == nil && len(macs) > 0
	}) {
		t.Fatal("the hosts do not reach each other")
	}
	in, err := b.Inject("eth0")
	if err != nil {
		t.Fatal(err)
	}
	ether := "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x02"
	arp := "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x02\x0a\x00\x00\x63\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x63"
	ip4 := func(proto string) string { // and the header's checksum: bridges look at it
		return "\x08\x00\x45\x00\x00\x1c\x00\x00\x00\x00\xff" + proto + "\x0a\x00\x00\x02\xe0\x00\x00\x12" + "\x31\x33\x64\x00\x00\x64\x00\x00"
	}
	ip6 := func(next, icmp string) string {
		return "\x86\xdd\x60\x00\x00\x00\x00\x18" + next + "\xff" + "\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" +
			"\xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x12" + icmp + "\x00\x00\x00\x20\x00\x00\x00" + "\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x99"
	}
	for _, frame := range []string{ip4("\x11\xd1\xbc"), ip6("\x3a", "\x80"), ip6("\x06", "\x88"), "\x88\xcc" + arp[2:], // none of ours
		arp, "\x81\x00\x00\x07" + arp, ip4("\x70\xd1\x5d"), ip4("\x33\xd1\x9a"), ip6("\x70", "\x31"), ip6("\x3a", "\x88"), ip6("\x3a", "\x87")} {
		if err := in.Send([]byte(ether + frame)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tap.Until(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	type seen struct {
		kind capture.Kind
		vlan uint16
		out  bool
	}
	var f capture.Frame
	for _, want := range []seen{{capture.Announcement, 0, false}, {capture.Announcement, 7, false}, {capture.Advert, 0, false}, {"", 0, false},
		{capture.Advert, 0, false}, {capture.Announcement, 0, false}, {capture.Question, 0, false}} {
		if err := readFrom(tap, &f, 2); err != nil {
			t.Fatalf("%v: %v", want, err)
		}
		if p, _ := capture.Decode(&f); (seen{p.Kind, p.VLAN, p.Out}) != want || time.Since(f.At) > time.Minute {
			t.Errorf("got %+v, want %+v: %x", p, want, f.Data)
		}
	}
	if _, err := a.WhoHas("eth0", netip.MustParseAddr("10.0.0.2"), 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for f.Out = false; !f.Out; {
		if err := tap.Read(&f); err != nil {
			t.Fatalf("the own question is not heard: %v", err)
		}
	}
	if err := tap.Until(time.Now()); err != nil {
		t.Fatal(err)
	}
	for err = nil; err == nil; err = tap.Read(&f) {
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after its time: %v", err)
	}
	if lost := tap.Lost(); lost != 0 {
		t.Errorf("%d lost", lost)
	}
}

// readFrom is the next frame of the station whose MAC ends so.
func readFrom(t *Tap, f *capture.Frame, last byte) error {
	for {
		if err := t.Read(f); err != nil || f.Data[6] == 2 && f.Data[11] == last && f.Data[10] == 0 {
			return err
		}
	}
}

func TestNoSuchLink(t *testing.T) {
	if _, err := Open("no-such-link0"); err == nil {
		t.Error("it is open")
	}
}
