// Package bfd is Bidirectional Forwarding Detection as RFC 5880 has it:
// asynchronous mode without authentication and without the echo function. A
// Session is a value with deadlines; it knows no clock and no socket.
package bfd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// State is that of a session: RFC 5880 section 4.1, Sta.
type State uint8

// The states.
const (
	AdminDown State = iota
	Down
	Init
	Up
)

// String is the state as RFC 5880 and keepalived's log name it.
func (s State) String() string {
	return [...]string{"AdminDown", "Down", "Init", "Up"}[s&3]
}

// Diagnostic is why a session went down last: RFC 5880 section 4.1, Diag.
type Diagnostic uint8

// The diagnostics that a Session gives.
const (
	NoDiagnostic       Diagnostic = 0
	DetectionExpired   Diagnostic = 1
	NeighborSaidDown   Diagnostic = 3
	AdministrativeDown Diagnostic = 7
)

// Length of a control packet without authentication: RFC 5880 section 4.1.
const Length = 24

// Flags of a control packet: RFC 5880 section 4.1.
const (
	flagPoll           = 0x20
	flagFinal          = 0x10
	flagAuthentication = 0x04
	flagDemand         = 0x02
	flagMultipoint     = 0x01

	version = 1
)

// Packet is a control packet.
type Packet struct {
	Diagnostic Diagnostic
	State      State
	Poll       bool
	Final      bool
	Demand     bool
	Multiplier uint8  // Detect Mult, above 0
	Mine       uint32 // My Discriminator, not 0
	Yours      uint32 // Your Discriminator, 0 while unknown
	MinTx      time.Duration
	MinRx      time.Duration // 0: send none
}

// Append appends the packet's bytes to b.
func (p Packet) Append(b []byte) []byte {
	flags := byte(p.State) << 6
	for _, f := range []struct {
		set bool
		bit byte
	}{{p.Poll, flagPoll}, {p.Final, flagFinal}, {p.Demand, flagDemand}} {
		if f.set {
			flags |= f.bit
		}
	}
	b = append(b, version<<5|byte(p.Diagnostic)&0x1f, flags, p.Multiplier, Length)
	b = binary.BigEndian.AppendUint32(b, p.Mine)
	b = binary.BigEndian.AppendUint32(b, p.Yours)
	b = binary.BigEndian.AppendUint32(b, uint32(p.MinTx/time.Microsecond))
	b = binary.BigEndian.AppendUint32(b, uint32(p.MinRx/time.Microsecond))
	return binary.BigEndian.AppendUint32(b, 0) // Required Min Echo RX Interval: no echo
}

// Parse reads a control packet, with the checks of RFC 5880 section 6.8.6 that
// need no session. The error says what is wrong.
func Parse(b []byte) (p Packet, err error) {
	switch {
	case len(b) < Length:
		return p, fmt.Errorf("%d bytes, want %d", len(b), Length)
	case b[0]>>5 != version:
		return p, fmt.Errorf("version %d, want %d", b[0]>>5, version)
	case int(b[3]) < Length || int(b[3]) > len(b):
		return p, fmt.Errorf("its length says %d, and it has %d bytes", b[3], len(b))
	case b[1]&flagMultipoint != 0:
		return p, errors.New("the multipoint bit is set")
	case b[1]&flagAuthentication != 0:
		return p, errors.New("it is authenticated, and this end is not")
	case b[2] == 0:
		return p, errors.New("its detection multiplier is 0")
	}
	micros := func(i int) time.Duration {
		return time.Duration(binary.BigEndian.Uint32(b[i:])) * time.Microsecond
	}
	p = Packet{
		Diagnostic: Diagnostic(b[0] & 0x1f), State: State(b[1] >> 6),
		Poll: b[1]&flagPoll != 0, Final: b[1]&flagFinal != 0, Demand: b[1]&flagDemand != 0,
		Multiplier: b[2], Mine: binary.BigEndian.Uint32(b[4:]), Yours: binary.BigEndian.Uint32(b[8:]),
		MinTx: micros(12), MinRx: micros(16),
	}
	switch {
	case p.Mine == 0:
		return p, errors.New("its discriminator is 0")
	case p.Yours == 0 && p.State != Down && p.State != AdminDown:
		return p, fmt.Errorf("it is %s and names no session of ours", p.State)
	}
	return p, nil
}
