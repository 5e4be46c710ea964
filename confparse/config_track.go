package confparse

import (
	"net/netip"
	"time"

	"keepgo/confparse/syntax"
)

// TrackGroup is a track_group block: instances that a static address, route or
// rule is tied to.
type TrackGroup struct {
	Pos     syntax.Pos
	Name    string
	Members []string
}

// GARPGroup is a garp_group block: interfaces that share a limit.
type GARPGroup struct {
	Pos         syntax.Pos
	Name        string
	Interval    time.Duration // between gratuitous ARP
	GNAInterval time.Duration // between unsolicited neighbour advertisements
	Interfaces  []string
}

// Linkbeat is a line of linkbeat_interfaces.
type Linkbeat struct {
	Pos       syntax.Pos
	Interface string
	Method    string // MII, ETHTOOL or IOCTL; "" means the first that works
}

// InterfaceDelay is a line of interface_up_down_delays: how long a change of an
// interface must last before it counts.
type InterfaceDelay struct {
	Pos       syntax.Pos
	Interface string
	Down, Up  time.Duration
}

// TrackFile is a track_file block.
type TrackFile struct {
	Pos       syntax.Pos
	Name      string
	Path      string
	Weight    int // what its number is multiplied with, -254..254; default 1
	Reverse   bool
	Init      bool  // init_file: make the file at start
	Value     int32 // and write this into it
	Overwrite bool  // even if it is there
}

// TrackProcess is a vrrp_track_process block.
type TrackProcess struct {
	Pos            syntax.Pos
	Name           string
	Process        string   // name, or path with FullCommand
	Params         []string // of its command line
	Match          ParamMatch
	Weight         int // -254..254
	Reverse        bool
	Quorum         int // at least so many
	QuorumMax      int // at most so many; negative means any number
	TerminateDelay time.Duration
	ForkDelay      time.Duration
	FullCommand    bool
}

// ParamMatch is how the parameters of a process are compared.
type ParamMatch uint8

// Comparisons of parameters.
const (
	ParamsIgnored ParamMatch = iota
	ParamsExact
	ParamsInitial // the configured ones come first; the last may be longer
	ParamsPartial // the configured ones come first
)

// BFD is a bfd_instance block.
type BFD struct {
	Pos        syntax.Pos
	Name       string
	Neighbor   netip.Addr
	Source     netip.Addr // the zero Addr lets the kernel choose
	MinRx      time.Duration
	MinTx      time.Duration
	IdleTx     time.Duration
	Multiplier uint8
	Passive    bool
	TTL        uint8 // or hop limit
	MaxHops    int   // -1 means any number
	Multihop   bool
	Weight     int // -253..253, default of trackers
	Reverse    bool
	VRRP       bool // instances hear of it
	Checker    bool // checkers hear of it
}

// TLS is the SSL block: the identity of HTTPS checks.
type TLS struct {
	Password    string
	CA          string
	Certificate string
	Key         string
}
