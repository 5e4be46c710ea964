package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"keepgo/vrrp"
)

// The ring holds half a million frames, of each as much as stands before the
// first virtual address; include/uapi/linux/if_packet.h, tpacket2_hdr.
const (
	slotLen   = 128
	blockLen  = 1 << 20
	blocks    = 64
	slots     = blocks * blockLen / slotLen
	statusOff = 0
	macOff    = 12
	secOff    = 16
	nsecOff   = 20
	llOff     = 32 // struct sockaddr_ll
)

// ring notes every advert and every ARP packet that a machine sends and hears,
// with the kernel's time. Nobody runs while it fills, so that noting them does
// not disturb what is measured.
type ring struct {
	fd   int
	mem  []byte
	next int
	seen []frame
}

// frame is what a measure needs of a packet.
type frame struct {
	at       time.Duration // CLOCK_REALTIME
	link     int           // index of the interface
	sent     bool          // by the machine that the ring stands on
	arp      bool          // an ARP packet, otherwise an advert
	reply    bool
	vrid     uint8
	priority uint8
	addr     netip.Addr // whom an ARP packet announces
	target   netip.Addr
}

// openRing opens it in the namespace of the calling thread.
func openRing() (*ring, error) {
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	r := &ring{fd: fd}
	if err := r.setup(all); err != nil {
		r.close()
		return nil, fmt.Errorf("packet ring: %w", err)
	}
	return r, nil
}

func (r *ring) setup(proto uint16) error {
	prog, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: vrrp.Protocol, SkipTrue: 1},
		bpf.RetConstant{Val: slotLen / 2},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	ops := make([]unix.SockFilter, len(prog))
	for i, op := range prog {
		ops[i] = unix.SockFilter{Code: op.Op, Jt: op.Jt, Jf: op.Jf, K: op.K}
	}
	if err := unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(ops)), Filter: &ops[0]}); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return err
	}
	req := unix.TpacketReq{Block_size: blockLen, Block_nr: blocks, Frame_size: slotLen, Frame_nr: slots}
	if err := unix.SetsockoptTpacketReq(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return err
	}
	if r.mem, err = unix.Mmap(r.fd, 0, blocks*blockLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return err
	}
	return unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: proto})
}

// take reads what has been noted, and gives all of it since the last forget.
func (r *ring) take() []frame {
	for {
		slot := r.mem[r.next*slotLen : (r.next+1)*slotLen]
		status := (*uint32)(unsafe.Pointer(&slot[statusOff]))
		if atomic.LoadUint32(status)&unix.TP_STATUS_USER == 0 {
			return r.seen
		}
		if f, ok := parse(slot); ok {
			r.seen = append(r.seen, f)
		}
		atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
		r.next = (r.next + 1) % slots
	}
}

// forget drops what was seen.
func (r *ring) forget() {
	r.take()
	r.seen = r.seen[:0]
}

// lost counts the frames that found no room, and asking sets it to zero.
func (r *ring) lost() uint32 {
	stats, err := unix.GetsockoptTpacketStats(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return stats.Drops
}

func (r *ring) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem)
	}
	unix.Close(r.fd)
}

// parse reads a slot: an ARP packet (RFC 826) or an advert (RFC 9568 section
// 5.1) in an IPv4 header without options.
func parse(slot []byte) (frame, bool) {
	word := func(at int) uint32 { return binary.NativeEndian.Uint32(slot[at:]) }
	f := frame{
		at:   time.Duration(word(secOff))*time.Second + time.Duration(word(nsecOff)),
		link: int(word(llOff + 4)),
		sent: slot[llOff+10] == unix.PACKET_OUTGOING,
	}
	b := slot[binary.NativeEndian.Uint16(slot[macOff:]):]
	if len(b) < 14+28 {
		return f, false
	}
	if binary.BigEndian.Uint16(b[12:]) == unix.ETH_P_ARP {
		f.arp, f.reply = true, b[14+7] == 2
		f.addr, f.target = netip.AddrFrom4([4]byte(b[14+14:])), netip.AddrFrom4([4]byte(b[14+24:]))
		return f, true
	}
	head := 14 + int(b[14]&15)*4
	if len(b) < head+3 || b[head]&15 != 1 {
		return f, false
	}
	f.vrid, f.priority = b[head+1], b[head+2]
	return f, true
}

// announces tells whether a frame is a gratuitous ARP packet that was heard.
func (f *frame) announces() bool { return f.arp && !f.sent && f.addr == f.target }

// advert tells whether a frame is an advert that was heard.
func (f *frame) advert() bool { return !f.arp && !f.sent }

// wall is the ring's clock now.
func wall() time.Duration { return time.Duration(time.Now().UnixNano()) }
