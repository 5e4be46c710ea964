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

	// Mentions is what the text names of the host, in the order of the text.
	Mentions []Mention
}

// Line is a statement that is kept as its words until its effect is built.
type Line struct {
	Pos   syntax.Pos
	Words []string
}

// Global holds the values of global_defs and of the single-word keywords at
// the top level.
type Global struct {
	RouterID string // default: the host's name

	ScriptUser     string // script_user; "" means keepalived_script if it exists, else the daemon's own user
	ScriptGroup    string
	ScriptSecurity bool // enable_script_security

	VRRPVersion uint8      // vrrp_version: 2 or 3
	Group4      netip.Addr // vrrp_mcast_group4, default 224.0.0.18
	Group6      netip.Addr // vrrp_mcast_group6, default ff02::12

	LVSFlush       bool // lvs_flush: empty the IPVS table at start
	LVSFlushOnStop bool // lvs_flush_on_stop

	NotificationEmail []string
	EmailFrom         string
	SMTPServer        string
	SMTPPort          uint16
	SMTPHelo          string
	SMTPTimeout       time.Duration

	ChildWait time.Duration // child_wait_time, default 5 s
}

// Command is a script with its arguments and the identity it runs under.
type Command struct {
	Pos   syntax.Pos
	Args  []string
	User  string // "" means the default script user
	Group string
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
	TrackWeights    bool // sync_group_tracking_weight
	// NotifyPriorityChanges is the default of the members.
	NotifyPriorityChanges bool
	Notify                Notify
	SMTPAlert             bool
}

// Track names a tracked interface or script and its effect on the priority.
// Weight 0 means FAULT while the tracked thing is bad.
type Track struct {
	Pos     syntax.Pos
	Name    string
	Weight  int // -253..253
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
	UnicastTTL     uint8  // default 255
	V3ChecksumAsV2 bool

	DontTrackPrimary bool
	TrackInterfaces  []Track
	TrackScripts     []Track

	GARP                  GARP
	LowerPriorityNoAdvert bool
	HigherPrioritySend    bool // higher_prio_send_advert
	SkipAddressCheck      bool // skip_check_adv_addr
	OwnerIgnoresAdverts   bool
	Accept                bool
	Strict                bool
	UseVMAC               bool
	VMACName              string // "" means one made from the VRID
	Notify                Notify
	NotifyDeleted         bool
	SMTPAlert             bool
	NotifyPriorityChanges bool
	TrackSource           bool // track_src_ip
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

	Servers []*RealServer
}

// RealServer is a real_server block, or a sorry_server line.
type RealServer struct {
	Pos        syntax.Pos
	Addr       netip.Addr
	Port       uint16
	Weight     int
	Forward    Forward
	Upper      uint32 // uthreshold
	Lower      uint32 // lthreshold
	Inhibit    bool   // inhibit_on_failure
	NotifyUp   *Command
	NotifyDown *Command
	SMTPAlert  bool
	Checkers   []*Checker
}

// CheckKind names a checker block.
type CheckKind uint8

// The checkers of keepalived.conf.
const (
	TCPCheck CheckKind = iota
	HTTPCheck
	SSLCheck
	SMTPCheck
	DNSCheck
	MiscCheck
	UDPCheck
	PingCheck
	FileCheck
	BFDCheck
)

// String is the keyword that opens the block.
func (k CheckKind) String() string {
	return [...]string{"TCP_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK",
		"MISC_CHECK", "UDP_CHECK", "PING_CHECK", "FILE_CHECK", "BFD_CHECK"}[k]
}

// Checker is one checker block of a real_server, with the whole chain of
// inheritance applied (checker, real_server, virtual_server, built in).
type Checker struct {
	Pos  syntax.Pos
	Kind CheckKind

	Addr     netip.Addr // connect_ip, or the real server
	Port     uint16     // connect_port, or the real server's
	BindAddr netip.Addr
	BindPort uint16
	BindIf   string
	FWMark   uint32

	Timeout          time.Duration // connect_timeout, misc_timeout
	DelayLoop        time.Duration
	DelayBeforeRetry time.Duration
	Warmup           time.Duration
	Retry            int
	Alpha            bool
	LogAll           bool // log_all_failures

	HTTP *HTTP
	Misc *Misc
}

// HTTP is what HTTP_GET and SSL_GET ask and expect.
type HTTP struct {
	Protocol     string // "1.0", "1.0C" or "1.1"
	VirtualHost  string // Host header when a url has none of its own; "" means address and port
	SNI          bool
	SNIName      string
	FastRecovery bool
	URLs         []URL
}

// URL is one url block.
type URL struct {
	Pos         syntax.Pos
	Path        string
	Digest      string // 32 hexadecimal digits, or ""
	Status      []StatusRange
	VirtualHost string
	Regex       string
	RegexNegate bool
}

// StatusRange is an inclusive range of HTTP status codes.
type StatusRange struct{ First, Last int }

// Misc is what MISC_CHECK runs.
type Misc struct {
	Command Command
	Dynamic bool
}
