package garp

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const patience = 10 * time.Second

// cable is a veth pair: v0 in the thread's new network namespace, v1 in
// another.
type cable struct {
	t          testing.TB
	near, far  *netlink.Handle
	v0, v1     netlink.Link
	farCapture int // packet socket on v1
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newCable(t testing.TB) *cable {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	runtime.LockOSThread()
	old, err := netns.Get()
	must(t, err)
	far, err := netns.New()
	must(t, err)
	near, err := netns.New()
	must(t, err)
	t.Cleanup(func() {
		if netns.Set(old) == nil {
			runtime.UnlockOSThread() // else the thread ends with the test
		}
		for _, ns := range []netns.NsHandle{near, far, old} {
			ns.Close()
		}
	})
	c := &cable{t: t}
	c.near, c.far = handleAt(t, near), handleAt(t, far)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "v0", mac[:]
	must(t, c.near.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "v1", PeerNamespace: netlink.NsFd(far)}))
	c.v0, err = c.near.LinkByName("v0")
	must(t, err)
	c.v1, err = c.far.LinkByName("v1")
	must(t, err)
	must(t, c.near.LinkSetUp(c.v0))
	must(t, c.far.LinkSetUp(c.v1))
	c.awaitCarrier()
	c.farCapture = capture(t, far, near, c.v1)
	return c
}

// awaitCarrier waits until v0 sends: the kernel drops what is sent before it
// has noticed the carrier, up to a second after both ends are up.
func (c *cable) awaitCarrier() {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		l, err := c.near.LinkByName("v0")
		must(c.t, err)
		if l.Attrs().OperState == netlink.OperUp {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatal("v0 does not come up")
		}
	}
}

func handleAt(t testing.TB, ns netns.NsHandle) *netlink.Handle {
	t.Helper()
	h, err := netlink.NewHandleAt(ns)
	must(t, err)
	t.Cleanup(h.Close)
	return h
}

// capture opens a packet socket on a link of namespace ns and goes back.
func capture(t testing.TB, ns, back netns.NsHandle, link netlink.Link) int {
	t.Helper()
	must(t, netns.Set(ns))
	defer func() { must(t, netns.Set(back)) }()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}))
	must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
	must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: toNetwork(unix.ETH_P_ALL), Ifindex: link.Attrs().Index}))
	return fd
}

// next is the next frame that arrives at v1 with a payload like want's: what
// the kernel itself says (MLD, router solicitations) is passed over.
func (c *cable) next(want []byte) []byte {
	c.t.Helper()
	b := make([]byte, 2000)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		n, from, err := unix.Recvfrom(c.farCapture, b, 0)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		must(c.t, err)
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if isNA := n > etherLen+40 && b[etherLen+40] == naType; bytes.Equal(b[12:14], want[12:14]) && (want[12] == 0x08 || isNA) {
			return b[:n]
		}
	}
	c.t.Fatalf("no frame like %x arrived", want)
	return nil
}

func TestFramesOnTheWire(t *testing.T) {
	c := newCable(t)
	p, err := Open(func(f Failure) { t.Errorf("%+v", f) })
	must(t, err)
	defer p.Close()
	for i, tt := range golden {
		tt.target.IfIndex = c.v0.Attrs().Index
		p.Start(i, []Target{tt.target}, Schedule{Repeat: 2})
		want := unhex(t, tt.frame)
		for range 2 {
			if got := c.next(want); !bytes.Equal(got, want) {
				t.Errorf("%s: got  %x\nwant %x", tt.name, got, want)
			}
		}
	}
}

// TestBareFramesOnTheWire: there is no IPoIB here, but what is handed to the
// kernel for one goes the same way on a veth: it takes the first six octets of
// the long address and puts its own header before the frame.
func TestBareFramesOnTheWire(t *testing.T) {
	c := newCable(t)
	s, err := newSocket()
	must(t, err)
	_, err = s.fd(true) // here: the pacer's goroutine is in another namespace than this test
	must(t, err)
	p := newPacer(s, func(f Failure) { t.Errorf("%+v", f) })
	defer p.Close()
	bare, plain := infiniband("192.0.2.1"), target("192.0.2.2")
	bare.IfIndex, plain.IfIndex = c.v0.Attrs().Index, c.v0.Attrs().Index
	p.Start(1, []Target{plain, bare, plain}, Schedule{Repeat: 1})
	first, _ := newFrame(plain)
	second, _ := newFrame(bare)
	want := appendEthernet(nil, second.to[:6], mac[:], second.protocol)
	for _, want := range [][]byte{first.bytes, append(want, second.bytes...), first.bytes} {
		if got := c.next(want); !bytes.Equal(got, want) {
			t.Errorf("got  %x\nwant %x", got, want)
		}
	}
}

// TestNeighboursLearn lets a kernel with a wrong entry in its neighbour table
// hear of the right one.
func TestNeighboursLearn(t *testing.T) {
	c := newCable(t)
	p, err := Open(nil)
	must(t, err)
	defer p.Close()
	for i, addr := range []string{"192.0.2.1", "2001:db8::1"} {
		ip := netip.MustParseAddr(addr)
		must(t, c.far.NeighSet(&netlink.Neigh{
			LinkIndex: c.v1.Attrs().Index, IP: net.IP(ip.AsSlice()), State: unix.NUD_STALE,
			HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 9},
		}))
		one := target(addr)
		one.IfIndex = c.v0.Attrs().Index
		p.Start(i, []Target{one}, Schedule{Repeat: 1})
		for deadline := time.Now().Add(patience); !c.knows(ip); runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("the neighbour did not learn where %v is", ip)
			}
			p.Burst(i, 1, 0) // entries younger than locktime are not changed
		}
	}
}

func (c *cable) knows(ip netip.Addr) bool {
	c.t.Helper()
	list, err := c.far.NeighList(c.v1.Attrs().Index, netlink.FAMILY_ALL)
	must(c.t, err)
	for _, n := range list {
		if n.IP.Equal(net.IP(ip.AsSlice())) {
			return bytes.Equal(n.HardwareAddr, mac[:])
		}
	}
	return false
}

func TestSendFailuresAreTold(t *testing.T) {
	c := newCable(t)
	must(t, c.near.LinkSetDown(c.v0))
	told := make(chan Failure, 10)
	p, err := Open(func(f Failure) { told <- f })
	must(t, err)
	defer p.Close()
	down, absent := target("192.0.2.1"), target("192.0.2.2")
	down.IfIndex, absent.IfIndex = c.v0.Attrs().Index, 4711
	p.Start(1, []Target{down, absent}, Schedule{Repeat: 1})
	for _, want := range []unix.Errno{unix.ENETDOWN, unix.ENXIO} {
		select {
		case f := <-told:
			if f.Err != want || f.Count != 1 {
				t.Errorf("told %+v, want %v", f, want)
			}
		case <-time.After(patience):
			t.Fatal("nothing was told")
		}
	}
}

func BenchmarkThousandFrames(b *testing.B) {
	c := newCable(b)
	s, err := newSocket()
	must(b, err)
	defer s.close()
	p := &Pacer{sender: s}
	var batch []*Target
	for i := range 1000 {
		batch = append(batch, &Target{IfIndex: c.v0.Attrs().Index, HardwareAddr: mac, Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := 0; i < len(batch); i += maxBatch {
			p.transmit(batch[i:min(i+maxBatch, len(batch))])
		}
	}
}

func BenchmarkStartThousandTargets(b *testing.B) {
	p := newPacer(quiet{}, nil)
	defer p.Close()
	var many []Target
	for i := range 1000 {
		many = append(many, Target{IfIndex: 3, HardwareAddr: mac, Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
	}
	for b.Loop() {
		p.Start(1, many, Schedule{Repeat: 5})
	}
}
