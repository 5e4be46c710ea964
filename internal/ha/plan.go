// Package ha is the mind of the VRRP half: it turns a configuration into a
// plan, and events into what should be sent, said and standing on interfaces.
// It is pure: no clock, no socket, no goroutine.
package ha

import (
	"net/netip"
	"slices"
	"time"

	"keepgo/vip"
	"keepgo/vrrp"
)

// Plan is everything the VRRP process needs, as plain data that crosses a
// process boundary.
type Plan struct {
	Instances []*Instance // of a reload, those that did not change are those of the plan before
	Groups    []Group
	Scripts   []Script
	Files     []string // tracked files, by name
	Processes []string // tracked processes, by name
	BFDs      []string // tracked BFD sessions, by name
	Spacings  []Spacing
	Static    vip.Want // static_ipaddress, static_routes, static_rules: stand whatever the state

	Sync *Sync // lvs_sync_daemon; nil where none follows an instance

	Held []string // names of instances that hold back by order

	// Left is what earlier plans placed that were not left in order, because the
	// process died over the change: it goes at the start, but for what is wanted.
	Left vip.Want

	LogStrangers bool // log_unknown_vrids
	QuietIGMP    bool // disable_local_igmp
	// Orders and News are the receive buffers of rtnetlink, for answers and for
	// changes (vrrp_netlink_cmd_rcv_bufs, vrrp_netlink_monitor_rcv_bufs).
	Orders, News Buffer
	// Dynamic and AllowIfChanges (dynamic_interfaces) say that interfaces may be
	// missing, and that they may become others.
	Dynamic, AllowIfChanges bool
	Delays                  map[string]Delay  // interface_up_down_delays, by interface; nil for none
	Polls                   map[string]string // interfaces to ask for their link, and how: MII, ETHTOOL, IOCTL or ""

	Repeat       bool // fifo_write_vrrp_states_on_reload: a reload tells the states that stay
	Faults       bool // enable_traps with the tables of an RFC: wrong packets are told of
	Firewall     Firewall
	StartupDelay time.Duration // vrrp_startup_delay: nobody is MASTER before, counted from the start
	AfterBoot    vrrp.Time     // vrrp_delay_after_boot: the same, counted from the machine's boot
	// FramesFirst is how long after the start nobody becomes MASTER for the
	// first time before frames come in on its interface; a machine that booted
	// long ago does not wait.
	FramesFirst time.Duration
}

// Buffer is the size of a receive buffer; 0 bytes leave it as it is by default.
type Buffer struct {
	Bytes int
	Force bool // beyond the limit of the system
}

// Firewall is how the nftables of no_accept and VMACs are built.
type Firewall struct {
	Table    string // "" means keepalived
	Priority int32
	ByIndex  bool // nftables_ifindex
	Counters bool
}

// Key identifies an instance across a reload: keepalived matches by these, not
// by name, so a renamed instance keeps its state.
type Key struct {
	Link    string
	VRF     string // of unicast without an interface
	VRID    uint8
	IPv6    bool
	Unicast bool
	Source  netip.Addr // unicast only
}

// Instance is one virtual router as planned.
type Instance struct {
	Key    Key
	Name   string
	Router vrrp.Config // Source is the configured one; the zero Addr takes the interface's
	// Unusable says why the instance cannot run; "" where it can.
	Unusable string

	Expect vrrp.Expect // of the adverts it hears; its Peers are the unicast destinations
	Advert vrrp.Packet // its own adverts, but for the priority
	Group  netip.Addr  // multicast destination
	TTL    uint8       // or hop limit; 0 is the kernel's for IPv6 unicast, and else 255

	// TrackSource faults the instance while Router.Source does not stand
	// (track_src_ip).
	TrackSource bool
	Promote     bool // promote_secondaries on the instance's interface
	// Drop keeps packets to and from the addresses away: no_accept, and strict
	// mode's default for all but the owner.
	Drop bool
	// Reannounce tells of a rival and answers it, at growing intervals;
	// otherwise only its adverts are answered, each of them, as in keepalived.
	Reannounce bool
	// ReleaseLost gives mastership up when another hand removes an address,
	// route or rule; it is put back in any case. Addresses with no_track do not
	// count.
	ReleaseLost bool
	// Deleted: its removal by a reload is told as DELETED instead of FAULT.
	Deleted bool
	// Priorities: changes of the effective priority are told.
	Priorities bool

	// Buffer and BufferMTUs are its part of the receive buffer: bytes, and how
	// many times the interface's MTU is added (vrrp_rx_bufs_policy).
	Buffer, BufferMTUs int32

	// Device is the interface of its own that the instance has for its
	// addresses, above Key.Link; nil without use_vmac and use_ipvlan.
	Device *Device
	// Extra are further VMACs, for addresses on other interfaces or of the other
	// family (use_vmac_addr, and use_vmac of an address).
	Extra []Device

	Addresses vip.Set // all that stand while MASTER
	// Carriers says of each of Addresses what carries it: 0 the interface it
	// names, 1 Device, 2 and up Extra. It is empty where no device does.
	Carriers []int
	Routes   []vip.Route
	Rules    []vip.Rule
	Announce *Announce

	*Tracks // never nil; instances that track the same may have them in common
}

// Tracks is what an instance tracks.
type Tracks struct {
	Links     []Track // weight 0: FAULT while down
	Scripts   []Track
	Files     []Track
	Processes []Track
	BFDs      []Track
}

// DeviceKey tells the devices of one instance apart.
type DeviceKey struct {
	Parent string
	IPv6   bool
}

// Device is an interface made for one instance: a VMAC or an ipvlan.
type Device struct {
	IPVLAN   bool
	Parent   string
	Name     string // "" makes one of Prefix and the VRID
	Prefix   string
	VRID     uint8
	IPv6     bool
	MAC      [6]byte // of a VMAC; zero means that of RFC 9568 section 7.3
	Mode     string  // of an ipvlan: bridge, private or vepa
	OwnGroup bool    // Group is its link group; else it is the parent's
	Group    uint32
	NoIPv6   bool
	Address  netip.Prefix // of an ipvlan
	Notify   bool         // netlink_notify_msg
	XmitBase bool         // adverts leave through the parent (vmac_xmit_base)
}

// Key is what the device is known by among those of its instance.
func (d *Device) Key() DeviceKey { return DeviceKey{d.Parent, d.IPv6} }

// Announce is the schedule of gratuitous ARP and unsolicited NA.
type Announce struct {
	Repeat        int
	Delay         time.Duration
	Refresh       time.Duration
	RefreshRepeat int
	Interval      time.Duration
	GNAInterval   time.Duration
	LowerRepeat   int
	LowerDelay    time.Duration
	// Extra is how often the first address on each VMAC is announced that no
	// advert leaves through, or on each such interface if ExtraAll; 0 is never.
	Extra    time.Duration
	ExtraAll bool
}

// Spacing is the least time between announcements over several interfaces
// together (garp_group), in place of that of the instances.
type Spacing struct {
	Links       []string
	Interval    time.Duration // gratuitous ARP
	GNAInterval time.Duration // unsolicited NA
}

func (s Spacing) same(o Spacing) bool {
	return slices.Equal(s.Links, o.Links) && s.Interval == o.Interval && s.GNAInterval == o.GNAInterval
}

// Track is something tracked and its effect. Weight 0 means FAULT while it is
// bad; the number in a file is multiplied by the weight.
type Track struct {
	Link    string // interface
	Index   int    // of a script, file or process in the Plan
	Weight  int
	Reverse bool
}

// Script is a tracked script's damping; the parent process runs the script and
// the node hears the raw results.
type Script struct {
	Name string
	Rise int
	Fall int
	// Same identifies the script across a reload: command and identity.
	Same string
}

// Group is a sync group.
type Group struct {
	Name    string
	Members []int // indices into Plan.Instances
}
