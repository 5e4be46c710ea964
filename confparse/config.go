// Package confparse turns keepalived.conf text into a typed Config. One table
// holds every keyword: its place, type, range, default and meaning; decoding,
// checking and documentation all read that table.
package confparse

import (
	"net/netip"
	"time"

	"keepgo/confparse/syntax"
)

// Config is a whole configuration with every default and inheritance applied:
// what stands here is what is meant to happen.
type Config struct {
	Global          Global
	StaticAddresses []Address
	StaticRoutes    []Line
	StaticRules     []Line
	Scripts         []*Script
	SyncGroups      []*SyncGroup
	Instances       []*Instance
	ServerGroups    []*ServerGroup
	VirtualServers  []*VirtualServer

	TrackGroups     []*TrackGroup
	GARPGroups      []*GARPGroup
	Linkbeats       []Linkbeat
	InterfaceDelays []InterfaceDelay
	TrackFiles      []*TrackFile
	TrackProcesses  []*TrackProcess
	BFDs            []*BFD
	TLS             TLS

	// Mentions is what the text names of the host, in the order of the text.
	Mentions []Mention
}

// Line is a statement that is kept as its words until its effect is built.
type Line struct {
	Pos   syntax.Pos
	Words []string
}

// Command is a script with its arguments and the identity it runs under.
type Command struct {
	Pos   syntax.Pos
	Args  []string
	Path  string // of the file to execute, "" not known yet: whoever runs the configuration finds it
	User  string // "" means the default script user
	Group string // a colon in front adds all groups of the user
}

// Script is a vrrp_script block.
type Script struct {
	Pos      syntax.Pos
	Name     string
	Command  Command
	Interval time.Duration
	Timeout  time.Duration
	Weight   int
	Reverse  bool
	Rise     int
	Fall     int
}

// SyncGroup is a vrrp_sync_group block: instances that change state together.
type SyncGroup struct {
	Pos             syntax.Pos
	Name            string
	Members         []string
	TrackInterfaces []Track
	TrackScripts    []Track
	TrackFiles      []Track
	TrackProcesses  []Track
	TrackBFDs       []Track
	TrackWeights    bool // sync_group_tracking_weight
	// NotifyPriorityChanges is the default of the members.
	NotifyPriorityChanges bool
	Notify                Notify
	SMTPAlert             bool
}

// Track names something tracked and its effect on the priority. Weight 0
// means FAULT while the tracked thing is bad.
type Track struct {
	Pos     syntax.Pos
	Name    string
	Weight  int // -253..253; of files and processes -254..254
	Reverse bool
}

// Notify holds the scripts of an instance or a group; nil means none.
type Notify struct {
	Master, Backup, Fault, Stop, Deleted *Command
	Any                                  *Command // notify: gets type, name, state and priority appended
	LowerPriority                        *Command // notify_master_rx_lower_pri
}

// AuthType is the authentication of VRRPv2, RFC 2338 section 5.3.6.
type AuthType uint8

// Authentication types as they stand in the packet.
const (
	AuthNone AuthType = 0
	AuthPass AuthType = 1
	AuthAH   AuthType = 2
)

// Instance is a vrrp_instance block.
type Instance struct {
	Pos       syntax.Pos
	Name      string
	Unusable  string // why it cannot run; "" where it can
	Master    bool   // state MASTER
	Interface string
	VRID      uint8
	IPv6      bool
	Version   uint8 // 2 or 3
	Priority  uint8 // 1..255; 255 is the address owner
	AdvertInt time.Duration

	NoPreempt        bool
	PreemptDelay     time.Duration
	DownTimerAdverts int // default 3

	AuthType AuthType
	AuthPass string // at most 8 bytes go on the wire

	Addresses []Address
	Excluded  []Address // virtual_ipaddress_excluded
	Routes    []Line
	Rules     []Line
	NoAddress bool // no_virtual_ipaddress

	Group netip.Addr // multicast destination
	// Source is mcast_src_ip or unicast_src_ip; the zero Addr means the interface's own.
	Source         netip.Addr
	Peers          []Peer // not empty: unicast
	CheckPeer      bool   // check_unicast_src
	UnicastTTL     uint8  // default 255; IPv6: 0, the hop limit of the kernel
	V3ChecksumAsV2 bool

	DontTrackPrimary bool
	TrackInterfaces  []Track
	TrackScripts     []Track
	TrackFiles       []Track
	TrackProcesses   []Track
	TrackBFDs        []Track

	GARP                  GARP
	LowerPriorityNoAdvert bool
	HigherPrioritySend    bool // higher_prio_send_advert
	SkipAddressCheck      bool // skip_check_adv_addr
	OwnerIgnoresAdverts   bool
	Reannounce            bool
	ListenAfterPause      bool
	ReleaseLost           bool // vip_loss release
	DropMismatch          bool // vip_mismatch drop
	Accept                bool
	Strict                bool
	UseVMAC               bool
	VMACName              string // "" means one made from the VRID
	Notify                Notify
	NotifyDeleted         bool
	SMTPAlert             bool
	NotifyPriorityChanges bool
	TrackSource           bool // track_src_ip

	VMAC               VMAC
	IPVLAN             *IPVLAN // use_ipvlan; nil means none
	VRF                string
	FaultWithoutPeers  bool        // unicast_fault_no_peer
	OldUnicastChecksum OldChecksum // old_unicast_checksum
	PromoteSecondaries bool
	LinkbeatPolling    bool
	ReceiveBuffer      int // kernel_rx_buf_size in bytes; 0 means that of vrrp_rx_bufs_policy
	TimerExpiredBackup bool
	HighestOther       uint8 // priority named by timer_expired_backup; 0 means unknown
	LVSSyncInterface   string
	HMAC               *HMAC // auth_hmac; nil means none
	DebugLevel         int   // debug: kept and shown, nothing more
}

// VMAC is what use_vmac and its companions say of the macvlan interface.
type VMAC struct {
	MAC       []byte // 5 octets, to which the VRID is added, or 6; nil means that of RFC 9568 section 7.3
	Group     string // link group; "" means that of the interface below
	Notify    bool   // netlink_notify_msg
	Addresses bool   // use_vmac_addr
	XmitBase  bool   // vmac_xmit_base
}

// IPVLAN is a use_ipvlan line.
type IPVLAN struct {
	Name  string // "" means one made from the VRID
	Addr  netip.Prefix
	Mode  string // bridge, private or vepa
	Group string
}

// OldChecksum is what old_unicast_checksum says of the checksum that
// keepalived before 1.3.7 used for unicast adverts of version 3.
type OldChecksum uint8

// Ways to deal with the old checksum.
const (
	DetectOldChecksum OldChecksum = iota
	AlwaysOldChecksum
	NeverOldChecksum
)

// HMAC is an auth_hmac block.
type HMAC struct {
	Keys      []HMACKey
	Active    uint8         // the key that signs; 1..255
	Window    time.Duration // time_window, 1..300 s
	Monotonic bool          // anti_replay monotonic
	Mode      string        // enforce, permissive or receive-only
}

// HMACKey is one key of auth_hmac: a text of 32 to 64 bytes, hex:DIGITS or
// file:PATH.
type HMACKey struct {
	ID    uint8 // 1..255
	Value string
}

// Peer is one line of unicast_peer.
type Peer struct {
	Addr           netip.Addr
	MinTTL, MaxTTL uint8 // default 0 and 255
}

// GARP is the gratuitous ARP and unsolicited NA schedule of an instance.
type GARP struct {
	Delay         time.Duration // garp_master_delay: second burst, default 5 s; 0 means none
	Repeat        int           // garp_master_repeat, default 5
	Refresh       time.Duration // garp_master_refresh, default 0: off
	RefreshRepeat int           // default 1
	LowerDelay    time.Duration // garp_lower_prio_delay
	LowerRepeat   int           // garp_lower_prio_repeat
	Interval      time.Duration // vrrp_garp_interval: spacing of packets on an interface
	GNAInterval   time.Duration // vrrp_gna_interval
	Extra         time.Duration // garp_extra_if: period on other interfaces; 0 means never
	ExtraAll      bool          // not on VMACs alone
}

// Address is one line of virtual_ipaddress, virtual_ipaddress_excluded or
// static_ipaddress.
type Address struct {
	Pos       syntax.Pos
	Prefix    netip.Prefix // the address and its length; not masked
	Peer      netip.Prefix
	Interface string // dev, or the instance's interface
	Label     string
	Scope     uint8      // kernel number: 0 global, 200 site, 253 link, 254 host
	Broadcast netip.Addr // brd; the zero Addr means none
	NoTrack   bool
	// PreferredLifetime: negative means for ever, 0 means deprecated.
	PreferredLifetime time.Duration
	HomeAddress       bool // IFA_F_HOMEADDRESS
	DAD               bool // -nodad: perform duplicate address detection
	ManageTempAddr    bool // IFA_F_MANAGETEMPADDR
	NoPrefixRoute     bool // IFA_F_NOPREFIXROUTE
	AutoJoin          bool // IFA_F_MCAUTOJOIN
	TrackGroup        string
	UseVMAC           bool
}

// ServerGroup is a virtual_server_group block.
type ServerGroup struct {
	Pos     syntax.Pos
	Name    string
	Entries []GroupEntry
}

// GroupEntry is one line of a virtual_server_group: a range of addresses with
// a port, or a firewall mark.
type GroupEntry struct {
	Pos         syntax.Pos
	First, Last netip.Addr // equal for a single address
	Port        uint16
	FWMark      uint32 // 0 means an address entry
	IPv6        bool   // family of a mark
}

// Protocol is the transport of a service, by its IP protocol number.
type Protocol uint8

// Protocols IPVS balances; a firewall mark has none.
const (
	NoProtocol Protocol = 0
	TCP        Protocol = 6
	UDP        Protocol = 17
	SCTP       Protocol = 132
)

// Forward is how packets reach a real server.
type Forward uint8

// Forwarding methods with the numbers of linux/ip_vs.h (IP_VS_CONN_F_*).
const (
	NAT    Forward = 0
	Tunnel Forward = 2
	Direct Forward = 3
)

// VirtualServer is a virtual_server block. Exactly one of Addr, FWMark and
// Group says what it matches.
type VirtualServer struct {
	Pos      syntax.Pos
	Addr     netip.Addr
	Port     uint16 // 0: every port
	FWMark   uint32
	Group    string
	IPv6     bool
	Protocol Protocol
	// Unusable says why the service cannot run; "" means that it can.
	Unusable string

	Scheduler   string // rr, wrr, lc, wlc, ...
	SchedFlags  uint32 // IP_VS_SVC_F_SCHED1..3 of linux/ip_vs.h: 8, 16, 32
	OnePacket   bool   // ops
	Persistence time.Duration
	Netmask     netip.Addr // persistence_granularity of IPv4; the zero Addr means every bit
	PrefixLen   uint8      // persistence_granularity of IPv6; 0 means 128
	Engine      string     // persistence_engine
	Unscheduled bool       // no lvs_sched: Scheduler is the default
	// FullNAT has the servers see another source than the client: one of
	// FullNATFrom, or that of the interface they are reached by if there is none.
	FullNAT     bool
	FullNATFrom []netip.Addr

	Quorum       int
	Hysteresis   int
	QuorumUp     *Command
	QuorumDown   *Command
	Sorry        *RealServer // sorry_server; nil means none
	SorryInhibit bool
	Alpha        bool
	Omega        bool
	HASuspend    bool
	SMTPAlert    bool
	SNMPName     string

	Servers []*RealServer
}

// RealServer is a real_server block, or a sorry_server line.
type RealServer struct {
	Pos        syntax.Pos
	Addr       netip.Addr
	Weight     int
	Upper      uint32 // uthreshold
	Lower      uint32 // lthreshold
	Port       uint16
	Tunnel     TunnelOptions
	Forward    Forward
	Inhibit    bool // inhibit_on_failure
	SMTPAlert  bool
	NotifyUp   *Command
	NotifyDown *Command
	SNMPName   string
	SlowStart  time.Duration // whole seconds; 0 means none
	Checkers   []*Checker
}

// TunnelOptions are the words behind TUN, with the numbers of linux/ip_vs.h
// (IP_VS_CONN_F_TUNNEL_TYPE_*, IP_VS_TUNNEL_ENCAP_FLAG_*).
type TunnelOptions struct {
	Type  uint8  // 0 ipip, 1 gue, 2 gre
	Port  uint16 // of gue
	Flags uint16 // 0 nocsum, 1 csum, 2 remcsum
}
