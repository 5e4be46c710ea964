package witness

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Kinds of packets, linux/if_packet.h.
const (
	packetOtherHost = 3 // for another station
	packetOutgoing  = 4 // and above: our own
)

// maxListed is how many addresses of a link the kernel tells apart. Beyond, it
// lets in all ARP or all advertisements, and this process does.
const maxListed = 64

// below is the beginning of a program for bpf(4): it drops packets of that kind
// and above.
func below(kind uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: kind, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
}

// filter is the program of a tap. Without words it compares no addresses.
func filter(kind int, words []uint32) ([]bpf.RawInstruction, error) {
	if kind == tapAny {
		return bpf.Assemble(slices.Concat(below(packetOutgoing), anyFrame()))
	}
	head, at := below(packetOtherHost), uint32(arpSPA)
	if kind == tapNA {
		head, at = append(head, naFrame()...), naOptions-4
	}
	if len(words) > 0 {
		head = append(head, bpf.LoadAbsolute{Off: at, Size: 4})
	}
	prog, err := bpf.Assemble(head)
	return oneOf(prog, words), err
}

// everything is how much of a frame comes in.
const everything = 1<<32 - 1

// anyFrame lets in every frame that bridges forward: one that a switch makes
// itself, such as a BPDU, comes through a port that is still blocked. These go
// to 01-80-C2-00-00-00 to 0F (IEEE 802.1Q table 8-1), and 01-00-0C-CC-CC-CC and
// CD, Cisco's.
func anyFrame() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x01000ccc, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x0180c200, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: 0x0f, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: everything},
	}
}

// naFrame goes on with neighbour advertisements.
func naFrame() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: ip6Next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmpv6, SkipTrue: 2},
		bpf.LoadAbsolute{Off: icmpAt, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: naType, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
}

// Instructions of bpf(4), linux/bpf_common.h.
const (
	jumpIfEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	returns     = unix.BPF_RET | unix.BPF_K
)

// oneOf ends a program: it lets in what was loaded if that is one of the words;
// without words, everything. A takeover writes a program for each address: so these
// are no values of an interface, each a piece of garbage.
func oneOf(prog []bpf.RawInstruction, words []uint32) []bpf.RawInstruction {
	prog = slices.Grow(prog, len(words)+2)
	for i, w := range words {
		prog = append(prog, bpf.RawInstruction{Op: jumpIfEqual, Jt: uint8(len(words) - i), K: w})
	}
	if len(words) > 0 {
		prog = append(prog, bpf.RawInstruction{Op: returns, K: 0})
	}
	return append(prog, bpf.RawInstruction{Op: returns, K: everything})
}

// word is what the filter compares of an address: its last 32 bits.
func word(a netip.Addr) uint32 {
	b := a.As16()
	return binary.BigEndian.Uint32(b[12:])
}
