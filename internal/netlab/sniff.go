package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Advert is a VRRP advertisement seen on a switch.
type Advert struct {
	At       time.Time // by the kernel's clock
	From     *Host
	Src, Dst netip.Addr
	MAC      net.HardwareAddr
	Version  uint8
	VRID     uint8
	Priority uint8
	Frame    []byte // the whole of it, from the Ethernet header on
	PDU      []byte // its VRRP part: the end of Frame, padding included
}

// ARP is an ARP packet, or an IPv6 neighbour advertisement, seen on a switch.
type ARP struct {
	At        time.Time
	From      *Host
	MAC       net.HardwareAddr // that it announces
	Sender    netip.Addr       // whose MAC it announces
	Target    netip.Addr
	Reply     bool
	Solicited bool   // neighbour advertisement that answers a question
	Frame     []byte // the whole of it, from the Ethernet header on
}

// Gratuitous says whether the packet announces an address unasked.
func (a ARP) Gratuitous() bool { return a.Sender == a.Target && !a.Solicited }

// Sniffer notes every VRRP advert and every ARP packet that any host of the lab
// sends, once, with the host whose cable it came in by.
type Sniffer struct {
	lab  *Lab
	file *os.File

	mu      sync.Mutex
	adverts []Advert
	arps    []ARP
}

// sniffBuffer holds some thousand frames: more than a whole test's traffic.
const sniffBuffer = 4 << 20

// Ignore makes the kernel keep the frames with an Ethernet source address from
// the sniffer: a flood would drown what is looked for.
func (s *Sniffer) Ignore(mac net.HardwareAddr) error {
	prog, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 6, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(mac), SkipTrue: 3},
		bpf.LoadAbsolute{Off: 10, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(binary.BigEndian.Uint16(mac[4:])), SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 1 << 16},
	})
	if err != nil {
		return err
	}
	ops := make([]unix.SockFilter, len(prog))
	for i, op := range prog {
		ops[i] = unix.SockFilter{Code: op.Op, Jt: op.Jt, Jf: op.Jf, K: op.K}
	}
	raw, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(ops)), Filter: &ops[0]})
	}), err)
}

// Sniff starts to listen on every cable of the lab. Close of the lab stops it.
func (l *Lab) Sniff() (*Sniffer, error) {
	var fd int
	err := l.fabric.do(func() (err error) {
		fd, err = sniffSocket()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sniffer: %w", err)
	}
	s := &Sniffer{lab: l, file: os.NewFile(uintptr(fd), "sniffer")}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run()
	}()
	l.onClose(func() {
		s.file.Close()
		<-done
	})
	return s, nil
}

// sniffSocket opens a packet socket for every protocol, packet(7).
func sniffSocket() (int, error) {
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		return -1, err
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, sniffBuffer)
	if err == unix.EPERM { // in a user namespace: as much as anybody may have
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, sniffBuffer)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// run reads frames until the socket is closed.
func (s *Sniffer) run() {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return
	}
	frame, oob := make([]byte, 2048), make([]byte, 256)
	for {
		var n, oobn int
		var from unix.Sockaddr
		var rerr error
		err := raw.Read(func(fd uintptr) bool {
			n, oobn, _, from, rerr = unix.Recvmsg(int(fd), frame, oob, 0)
			return rerr != unix.EAGAIN
		})
		if err != nil {
			return
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && rerr == nil {
			s.frame(ll, arrival(oob[:oobn]), frame[:n])
		}
	}
}

// arrival takes the kernel's timestamp out of the control messages.
func arrival(oob []byte) time.Time {
	msgs, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range msgs {
		if m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Now()
}

// frame sorts in one frame. Only frames that come in by a cable count: what the
// switch sends out again, or keeps for itself, is a copy.
func (s *Sniffer) frame(ll *unix.SockaddrLinklayer, at time.Time, b []byte) {
	s.lab.mu.Lock()
	p := s.lab.ports[ll.Ifindex]
	s.lab.mu.Unlock()
	if p == nil || ll.Pkttype == unix.PACKET_OUTGOING {
		return
	}
	if a, ok := parseAdvert(b); ok {
		a.At, a.From = at, p.host
		s.mu.Lock()
		s.adverts = append(s.adverts, a)
		s.mu.Unlock()
	}
	if a, ok := parseARP(b); ok {
		a.At, a.From = at, p.host
		s.mu.Lock()
		s.arps = append(s.arps, a)
		s.mu.Unlock()
	}
}

// Adverts lists the adverts that came in at or after since, in order.
func (s *Sniffer) Adverts(since time.Time) []Advert {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Advert
	for _, a := range s.adverts {
		if !a.At.Before(since) {
			out = append(out, a)
		}
	}
	return out
}

// ARPs lists the ARP packets that came in at or after since, in order.
func (s *Sniffer) ARPs(since time.Time) []ARP {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []ARP
	for _, a := range s.arps {
		if !a.At.Before(since) {
			out = append(out, a)
		}
	}
	return out
}
