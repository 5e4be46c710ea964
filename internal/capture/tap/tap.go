// Package tap hears a link: a packet(7) socket that lets in VRRP, ARP and
// neighbour discovery, and no more.
package tap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"keepgo/internal/capture"
)

const (
	maxFrame = 1 << 14 // bytes of a frame that are read
	buffer   = 4 << 20 // bytes of frames that may wait
	tagLen   = 4
	macsLen  = 12 // a tag stands behind both MACs
)

// Tap is an open socket. It is for one goroutine, but for Close.
type Tap struct {
	file *os.File
	raw  [tagLen + maxFrame]byte
	oob  [256]byte
}

// Open begins to hear an interface. It needs CAP_NET_RAW.
func Open(name string) (*Tap, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	if len(link.HardwareAddr) != 6 && link.Flags&net.FlagLoopback == 0 {
		return nil, fmt.Errorf("interface %s is not of the Ethernet kind: nobody asks for MAC addresses on it", name)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket (it needs CAP_NET_RAW): %w", err)
	}
	if err := prepare(fd, link.Index); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("interface %s: packet socket: %w", name, err)
	}
	return &Tap{file: os.NewFile(uintptr(fd), "packet socket")}, nil
}

// prepare binds last: no frame comes in before its filter.
func prepare(fd, index int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer) // as much as anybody may have
	}
	raw, err := bpf.Assemble(filter())
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, ins := range raw {
		code[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	// Multicast comes in although nobody has joined the group.
	groups := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_ALLMULTI}
	return errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}),
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &groups),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: index}),
	)
}

func bigEndian(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// filter lets in ARP; IPv4 with VRRP or an authentication header; IPv6 with
// these or ICMPv6 of neighbour discovery. A VLAN's tag is not in the frame: the
// kernel keeps it beside.
func filter() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipTrue: 13},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IPV6, SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 10},
		bpf.LoadAbsolute{Off: 14 + 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 112, SkipTrue: 9},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 51, SkipTrue: 8, SkipFalse: 7},
		bpf.LoadAbsolute{Off: 14 + 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 112, SkipTrue: 6},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 51, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 14 + 40, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 135, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 136, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: maxFrame},
	}
}

// Read is the next frame, which is overwritten by the one after. It ends with
// os.ErrDeadlineExceeded after Until, and with os.ErrClosed after Close.
func (t *Tap) Read(f *capture.Frame) error {
	conn, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var n, oobn int
		var from unix.Sockaddr
		var failed error
		err := conn.Read(func(fd uintptr) bool {
			n, oobn, _, from, failed = unix.Recvmsg(int(fd), t.raw[tagLen:], t.oob[:], unix.MSG_TRUNC)
			return failed != unix.EAGAIN
		})
		switch {
		case err != nil:
			return err
		case errors.Is(failed, unix.ENETDOWN), errors.Is(failed, unix.EINTR):
			continue // the link goes down; it may come up again
		case failed != nil:
			return fmt.Errorf("packet socket: %w", failed)
		}
		ll, ok := from.(*unix.SockaddrLinklayer)
		*f = capture.Frame{At: time.Now(), Type: capture.Ethernet, Data: t.raw[tagLen:][:min(n, maxFrame)], Len: n,
			Out: ok && ll.Pkttype == unix.PACKET_OUTGOING}
		t.aside(f, t.oob[:oobn])
		return nil
	}
}

// aside reads what the kernel tells beside a frame: when it came, and the tag of
// a VLAN, which is put back in.
func (t *Tap) aside(f *capture.Frame, oob []byte) {
	msgs, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range msgs {
		switch {
		case m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16:
			f.At = time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		case m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 18:
			status, tag := binary.NativeEndian.Uint32(m.Data), binary.NativeEndian.Uint16(m.Data[16:])
			if status&unix.TP_STATUS_VLAN_VALID != 0 && len(f.Data) >= macsLen {
				f.Data, f.Len = t.raw[:tagLen+len(f.Data)], f.Len+tagLen
				copy(f.Data, f.Data[tagLen:tagLen+macsLen])
				binary.BigEndian.PutUint16(f.Data[macsLen:], unix.ETH_P_8021Q)
				binary.BigEndian.PutUint16(f.Data[macsLen+2:], tag)
			}
		}
	}
}

// Until makes Read end at that time.
func (t *Tap) Until(at time.Time) error { return t.file.SetReadDeadline(at) }

// Lost is how many frames there was no room for since it was asked last.
func (t *Tap) Lost() (lost uint32) {
	conn, err := t.file.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) {
		if s, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			lost = s.Drops
		}
	})
	return lost
}

// Close ends Read.
func (t *Tap) Close() error { return t.file.Close() }
