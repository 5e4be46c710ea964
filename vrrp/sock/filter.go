package sock

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	vridAt   = 1  // RFC 9568 section 5.2.3, behind the IP header
	behindAH = 24 // RFC 4302 section 2 with an integrity check value of 96 bits

	everything = 1<<32 - 1 // bytes of a packet that the filter lets in
)

// SetVRIDs makes the kernel drop packets of other virtual routers, so that a
// flood of them, or a busy segment, costs this process nothing. What is too
// short to name one is dropped as well. Nil lets everything in, as a Conn does
// before the first call; an empty list lets nothing in.
func (c *Conn) SetVRIDs(vrids []uint8) error {
	var err error
	if vrids == nil {
		err = detach(c.fd)
	} else {
		err = attach(c.fd, filter(c.cfg.vridOffset(), vrids))
	}
	if err != nil {
		return fmt.Errorf("vrrp socket on %s: filtering virtual routers: %w", c.cfg.where(), err)
	}
	return nil
}

// vridOffset is how to find the VRID: the filter of an IPv4 socket sees the IP
// header, that of an IPv6 socket does not.
func (cfg *Config) vridOffset() []bpf.Instruction {
	at := uint32(vridAt)
	if cfg.AH {
		at += behindAH
	}
	if !cfg.is4() {
		return []bpf.Instruction{bpf.LoadAbsolute{Off: at, Size: 1}}
	}
	return []bpf.Instruction{bpf.LoadMemShift{Off: 0}, bpf.LoadIndirect{Off: at, Size: 1}}
}

// filter is a program for bpf(4) that lets the given VRIDs in. They are bits in
// eight words, so that it is as fast for many as for one.
func filter(load []bpf.Instruction, vrids []uint8) []bpf.Instruction {
	const word, bit = 0, 1 // registers
	var set [8]uint32
	for _, v := range vrids {
		set[v>>5] |= 1 << (v & 31)
	}
	prog := append(load,
		bpf.StoreScratch{Src: bpf.RegA, N: word},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 31},
		bpf.TAX{},
		bpf.LoadConstant{Dst: bpf.RegA, Val: 1},
		bpf.ALUOpX{Op: bpf.ALUOpShiftLeft},
		bpf.StoreScratch{Src: bpf.RegA, N: bit},
		bpf.LoadScratch{Dst: bpf.RegA, N: word},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 5},
	)
	for i, bits := range set {
		prog = append(prog,
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(i), SkipFalse: 4},
			bpf.LoadScratch{Dst: bpf.RegA, N: bit},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: bits, SkipFalse: 1},
			bpf.RetConstant{Val: everything},
			bpf.RetConstant{Val: 0},
		)
	}
	return append(prog, bpf.RetConstant{Val: 0})
}

// attach replaces the filter of fd at one stroke.
func attach(fd int, prog []bpf.Instruction) error {
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return err
	}
	ops := make([]unix.SockFilter, len(raw))
	for i, op := range raw {
		ops[i] = unix.SockFilter{Code: op.Op, Jt: op.Jt, Jf: op.Jf, K: op.K}
	}
	sock := unix.SockFprog{Len: uint16(len(ops)), Filter: &ops[0]}
	return option("SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &sock))
}

// detach removes the filter of fd; to have none is as good.
func detach(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	if err == unix.ENOENT {
		return nil
	}
	return option("SO_DETACH_FILTER", err)
}
