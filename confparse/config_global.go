package confparse

import (
	"net/netip"
	"time"
)

// Global holds the values of global_defs and of the single-word keywords at
// the top level.
type Global struct {
	RouterID string // default: the host's name

	ScriptUser     string // script_user; "" means keepalived_script if it exists, else the daemon's own user
	ScriptGroup    string
	ScriptSecurity bool // enable_script_security
	SymlinkPaths   bool // use_symlink_paths
	ScriptGroups   bool // set_supplementary_groups

	VRRPVersion uint8      // vrrp_version: 2 or 3
	Group4      netip.Addr // vrrp_mcast_group4, default 224.0.0.18
	Group6      netip.Addr // vrrp_mcast_group6, default ff02::12

	LVSFlush       bool // lvs_flush: empty the IPVS table at start
	LVSFlushOnStop bool // lvs_flush_on_stop
	LVSFlushVS     bool // lvs_flush_on_stop VS: only our services, each with its servers at once
	LVSRepair      bool // lvs_repair: what others change in our services is put back
	DataPlane      DataPlane
	LVSTimeouts    LVSTimeouts
	LVSSwitches    map[string]string // values of net.ipv4.vs.* by name; what is not there stays as it is
	LVSSync        *SyncDaemon       // lvs_sync_daemon; nil means none

	NotificationEmail []string
	EmailFrom         string
	SMTPServer        string
	SMTPPort          uint16
	SMTPHelo          string
	SMTPTimeout       time.Duration
	SMTPTLS           string // off, offered, required or implicit
	SMTPCA            string // file of certificates; "" means the system's
	SMTPUser          string // "" means none
	SMTPPasswordFile  string
	SMTPPatience      time.Duration // how long a mail is tried
	NoEmailFaults     bool
	NoCheckerEmails   bool

	Defaults Defaults

	ChildWait time.Duration // child_wait_time, default 5 s

	ProcessNames bool // process_names
	Parent       Process
	VRRP         Process
	Checker      Process
	BFD          Process

	MaxAutoPriority      int // -1..99; -1 silences the advice
	MinAutoPriorityDelay time.Duration

	StartupScript   *Command
	StartupTimeout  time.Duration
	ShutdownScript  *Command
	ShutdownTimeout time.Duration

	NotifyFIFO     FIFO
	VRRPNotifyFIFO FIFO
	LVSNotifyFIFO  FIFO
	FIFOOnReload   bool // fifo_write_vrrp_states_on_reload
	RSInitNotifies bool

	DynamicInterfaces bool
	AllowIfChanges    bool // dynamic_interfaces allow_if_changes
	DefaultInterface  string
	DisableLocalIGMP  bool
	LinkbeatPolling   bool // linkbeat_use_polling
	LogUnknownVRIDs   bool
	StartupDelay      time.Duration // vrrp_startup_delay
	DelayAfterBoot    time.Duration // vrrp_delay_after_boot
	FramesFirst       time.Duration // vrrp_frames_first
	RestartFrozen     bool          // vrrp_restart_frozen
	RestartFrozenLVS  bool          // lvs_restart_frozen
	RestartFrozenBFD  bool          // bfd_restart_frozen
	VMACPrefix        string
	VMACAddrPrefix    string

	IPTables *IPTables // vrrp_iptables; nil means none
	NFTables NFTables
	NFTIPVS  NFTIPVS

	SNMP SNMP
	DBus DBus

	VRRPCommandBuffer NetlinkBuffer
	VRRPMonitorBuffer NetlinkBuffer
	LVSCommandBuffer  NetlinkBuffer
	LVSMonitorBuffer  NetlinkBuffer
	ProcessBuffer     NetlinkBuffer // process_monitor_rcv_bufs
	ReceiveBuffer     ReceiveBuffer

	Namespace     string  // net_namespace
	NamespaceIPVS *string // net_namespace_ipvs; nil means Namespace, "" that of the first process
	UsePIDDir     bool
	InstanceName  string // instance

	MetricsListen    netip.AddrPort // metrics_listen; not valid for none
	MetricsExporters bool           // metrics_exporters: the names of the exporters for keepalived too
	ControlGroup     string         // control_group: beside root it may use the control socket; "" for root alone

	Umask        *uint32 // nil means 0177
	RandomSeed   *uint64 // nil means one of the time
	IncludeCheck IncludeCheck
	Reload       Reload

	ConfigSaveDir   string
	TmpConfigDir    string
	DataUseInstance bool
	JSONVersion     int // 1 or 2
	IPRouteUsrDir   string
	IPRouteEtcDir   string
	StateDumpFile   string
	StatsDumpFile   string
	JSONDumpFile    string
}

// Defaults are what global_defs says for instances and checkers, where it has
// been applied already: for dumps alone.
type Defaults struct {
	GARP                                      GARP
	DownTimerAdverts                          int
	LowerPriorityNoAdvert, HigherPrioritySend bool
	CheckPeer, SkipAddressCheck, Strict       bool
	NotifyPriorityChanges, LogAllFailures     bool
	// SMTP alerts: nil means unset.
	Alert, AlertVRRP, AlertChecker *bool
}

// Process is how one of the processes runs.
type Process struct {
	Name       string // of the kernel, 15 bytes; "" means unchanged
	Nice       *int   // -20..19; nil means inherited
	NoSwap     bool   // locked in memory
	RTPriority int    // of SCHED_RR; 0 means no real-time class
	CPUs       []int  // nil means all
	// RTTime is how long a thread may compute in the real-time class without a
	// pause; 0 means no limit. keepalived's default of 10 ms is shorter than the
	// garbage collector may take.
	RTTime time.Duration
}

// LVSTimeouts are the IPVS timeouts of lvs_timeouts; 0 leaves the kernel's.
type LVSTimeouts struct{ TCP, TCPFin, UDP time.Duration }

// SyncDaemon is the lvs_sync_daemon line; zeros leave the kernel's defaults.
type SyncDaemon struct {
	Interface string
	Instance  string // decides between master and backup; "" runs both
	ID        int    // 0..255; negative means the VRID of Instance
	MaxLen    int    // bytes of a datagram
	Port      uint16
	TTL       uint8
	Group     netip.Addr
}

// FIFO is a named pipe for changes of state and the program that reads it.
type FIFO struct {
	Path        string // "" means none
	User, Group string
	Script      *Command
}

// IPTables is vrrp_iptables with vrrp_ipsets.
type IPTables struct {
	In, Out string   // chains
	NoSets  bool     // vrrp_ipsets without a name
	Sets    []string // names in the order of vrrp_ipsets
}

// NFTables is the firewall of no_accept and VMACs.
type NFTables struct {
	Table    string // "" means keepalived, made when it is needed
	Priority int
	IfIndex  bool
	Counters bool
}

// NFTIPVS marks the packets of a virtual_server_group.
type NFTIPVS struct {
	Table     string // "" means off
	Priority  int
	FirstMark uint32
}

// SNMP says which tables are served.
type SNMP struct {
	Socket                             string
	Traps, VRRP, RFCv2, RFCv3, Checker bool
	VSInterval, RSInterval             time.Duration // age of counters
}

// DBus is the presence on the system bus.
type DBus struct {
	Enabled     bool
	Service     string
	NoInterface string // dbus_no_interface_name
}

// NetlinkBuffer is the receive buffer of a netlink socket; 0 bytes leave the
// kernel's.
type NetlinkBuffer struct {
	Bytes int
	Force bool // beyond the limit of the system
}

// Default tells that the size is what keepalived gives a socket that nothing is
// said of.
func (b NetlinkBuffer) Default() bool { return b == defaultBuffer }

// ReceiveBuffer sizes the sockets of VRRP.
type ReceiveBuffer struct {
	MTU, Advert bool // of the interface's MTU, or the advert's length
	Bytes       int  // 0 means by policy, or the kernel's
	Multiplier  int
}

// IncludeCheck says which failing includes are faults.
type IncludeCheck struct{ Read, Match, Wildcard, Brace bool }

// Reload is what the reload_ keywords say.
type Reload struct {
	Check    bool
	CheckLog string
	TimeFile string
	Repeat   bool
	File     string // reload_file; exists while a configuration is read
	UseFile  bool   // reload_file stands there, perhaps without a path
}

// DataPlane is what balances connections.
type DataPlane uint8

// The values of lvs_data_plane.
const (
	PlaneAuto     DataPlane = iota // IPVS where the kernel has it
	PlaneIPVS                      // IPVS or nothing
	PlaneNFTables                  // nftables in any case
)
