package link

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// hearing is how long a test frame may take to its parent's wire.
	hearing = time.Second
	// etherTest is IEEE 802 Local Experimental EtherType 1: no host takes it
	// for an advert.
	etherTest = 0x88b5
)

// test sends a frame from an interface to the VRRP group and listens for it on
// the parent, where everything that leaves can be seen. It waits for no one:
// the outcome comes through d.tests.
func (d *Door) test(e *entry) {
	mac := e.want.mac()
	if e.want.Kind == IPVLAN {
		mac = e.parent
	}
	ev := Event{Kind: Tested, Name: e.name, Index: e.index, Base: e.base, BaseIndex: e.baseIx, Link: e.want}
	frame := testFrame(mac, e.want.IPv6)
	ear, err := packetSocket(unix.ETH_P_ALL, e.baseIx, mac)
	if err == nil {
		err = sendFrom(e.index, frame)
	}
	if err != nil {
		ear.Close()
		ev.Err = unheard(ev, err)
		d.tested(ev)
		return
	}
	go func() {
		defer ear.Close()
		if err := hear(ear, frame); err != nil {
			ev.Err = unheard(ev, err)
		}
		select {
		case d.tests <- ev:
		case <-d.done:
		}
	}()
}

func unheard(ev Event, err error) error {
	return fmt.Errorf("a frame sent from %s did not leave through %s: %w; adverts will not either: look at the link's state and at what filters its output, or use vmac_xmit_base", ev.Name, ev.Base, err)
}

// tested passes an outcome on to those who still want the interface.
func (d *Door) tested(ev Event) {
	if e := d.state.entries[ev.Link]; e != nil && e.index == ev.Index {
		d.tell(e, ev)
	}
}

// testFrame is a frame to the MAC of the VRRP group, RFC 9568 section 5.1.1.2
// and 5.1.2.2 (as RFC 1112 section 6.4 and RFC 2464 section 7 map it), that no
// other resembles.
func testFrame(mac [6]byte, v6 bool) []byte {
	b := []byte{0x01, 0x00, 0x5e, 0, 0, 18}
	if v6 {
		b = []byte{0x33, 0x33, 0, 0, 0, 0x12}
	}
	b = append(b, mac[:]...)
	b = binary.BigEndian.AppendUint16(b, etherTest)
	b = append(b, "keepgo test "...)
	return append(b, rand.Text()...)
}

// packetSocket opens a packet(7) socket that hears an interface's test frames
// of one sender.
func packetSocket(proto uint16, index int, mac [6]byte) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, onlyTests(mac))
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network(proto), Ifindex: index})
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}

// onlyTests is a filter for test frames, so that a busy wire costs nothing.
func onlyTests(mac [6]byte) *unix.SockFprog {
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 12},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 3, K: etherTest},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 8},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: binary.BigEndian.Uint32(mac[2:])},
		{Code: unix.BPF_RET, K: 1 << 16},
		{Code: unix.BPF_RET},
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

// network is a number in network byte order, as sockaddr_ll wants it.
func network(v uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v))
}

func sendFrom(index int, frame []byte) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Protocol: network(etherTest), Ifindex: index})
}

// hear waits until a frame is heard.
func hear(ear *os.File, frame []byte) error {
	buf := make([]byte, 256)
	if err := ear.SetReadDeadline(time.Now().Add(hearing)); err != nil {
		return err
	}
	for {
		n, err := ear.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("nothing was heard within %v", hearing)
		case err != nil:
			return err
		case bytes.HasPrefix(buf[:n], frame):
			return nil
		}
	}
}
