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
	At       time.Time // when it came in, as the kernel noted
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
	raw, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(raw.Control(func(fd uintptr) { err = attach(int(fd), mac) }), err)
}

// attach has the kernel hand over what is looked at alone: pings and requests
// would wake the sniffer a thousand times a second, and on a busy machine fill
// its buffer. A switch's own copies, and what comes from the address ignored,
// are left out too.
func attach(fd int, ignored net.HardwareAddr) error {
	var prog []bpf.Instruction
	if len(ignored) == 6 {
		prog = append(prog,
			bpf.LoadAbsolute{Off: 6, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(ignored), SkipTrue: 3},
			bpf.LoadAbsolute{Off: 10, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(binary.BigEndian.Uint16(ignored[4:])), SkipTrue: 1},
			bpf.RetConstant{Val: 0})
	}
	code, err := bpf.Assemble(append(prog, wanted...))
	if err != nil {
		return err
	}
	ops := make([]unix.SockFilter, len(code))
	for i, op := range code {
		ops[i] = unix.SockFilter{Code: op.Op, Jt: op.Jt, Jf: op.Jf, K: op.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(ops)), Filter: &ops[0]})
}

// wanted passes ARP, and over IPv4 and IPv6 adverts, authentication headers and
// ICMPv6, that come in.
var wanted = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 9},
	bpf.LoadAbsolute{Off: 12, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipTrue: 8},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IP, SkipTrue: 3},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IPV6, SkipTrue: 5},
	bpf.LoadAbsolute{Off: ethLen + 6, Size: 1}, // next header, RFC 8200 section 3
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 4, SkipFalse: 1},
	bpf.LoadAbsolute{Off: ethLen + 9, Size: 1}, // protocol, RFC 791 section 3.1
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoVRRP, SkipTrue: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoAH, SkipTrue: 1},
	bpf.RetConstant{Val: 0},
	bpf.RetConstant{Val: 1 << 16},
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
	if err == nil {
		err = attach(fd, nil)
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

// arrival takes the kernel's timestamp out of the control messages, and tells
// it by the monotonic clock too: the other may be set before it is compared.
func arrival(oob []byte) time.Time {
	now := time.Now()
	msgs, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range msgs {
		if m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			at := time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
			return now.Add(-max(0, now.Round(0).Sub(at)))
		}
	}
	return now
}

// Dropped is how many of the frames that it should have noted the sniffer has
// lost since it was asked last, because nobody read them in time.
func (s *Sniffer) Dropped() int {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return 0
	}
	var stats *unix.TpacketStats
	if err := raw.Control(func(fd uintptr) {
		stats, _ = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	}); err != nil || stats == nil {
		return 0
	}
	return int(stats.Drops)
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
