package witness

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
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
func filter(kind int, words []uint32) []bpf.Instruction {
	switch kind {
	case tapARP:
		return slices.Concat(below(packetOtherHost), arpFrame(words))
	case tapNA:
		return slices.Concat(below(packetOtherHost), naFrame(words))
	}
	return slices.Concat(below(packetOutgoing), anyFrame())
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

// arpFrame lets in ARP whose sender has one of the addresses.
func arpFrame(words []uint32) []bpf.Instruction { return oneOf(arpSPA, words) }

// naFrame lets in neighbour advertisements for one of the addresses.
func naFrame(words []uint32) []bpf.Instruction {
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: ip6Next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmpv6, SkipTrue: 2},
		bpf.LoadAbsolute{Off: icmpAt, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: naType, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}, oneOf(naOptions-4, words)...)
}

// oneOf lets in what has one of the words at an offset; without words,
// everything.
func oneOf(at uint32, words []uint32) []bpf.Instruction {
	if len(words) == 0 {
		return []bpf.Instruction{bpf.RetConstant{Val: everything}}
	}
	prog := []bpf.Instruction{bpf.LoadAbsolute{Off: at, Size: 4}}
	for i, w := range words {
		prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: w, SkipTrue: uint8(len(words) - i)})
	}
	return append(prog, bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: everything})
}

// word is what the filter compares of an address: its last 32 bits.
func word(a netip.Addr) uint32 {
	b := a.As16()
	return binary.BigEndian.Uint32(b[12:])
}
