package doctor

import (
	"net/netip"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/lb"
	"keepgo/internal/status"
	"keepgo/ipvsctl"
)

// Facts are what is known of a director. What could not be found out is left
// zero, with the reason beside it where that matters.
type Facts struct {
	File       string
	Unreadable string            // why there is no Config
	Config     *confparse.Config // nil with Unreadable
	Text       syntax.ErrorList  // what is wrong with it, on this machine
	Plan       *lb.Plan          // of Config

	Status   *status.Status // of the daemon; nil with NoStatus
	NoStatus string
	Denied   bool // NoStatus is that we may not ask
	Changed  bool // the file changed after the daemon read it

	Sysctls map[string]string // below /proc/sys; what the kernel lacks is missing
	Plane   string            // what balances, or would: ipvs or nftables
	NoPlane string            // why it cannot be read
	Have    ipvsctl.Table     // what stands in it; nil with NoPlane

	Standing  []Standing // addresses of this machine
	Links     map[string]Link
	Listening []Listener

	Passive bool     // nothing was sent
	Silent  string   // why nothing could be asked on the network
	Answers []Answer // to who has which virtual address
	Paths   []Path   // to the real servers
	Untried int      // ways that were too many to try

	Rules  []Verdict // of the packet filters, on adverts
	Others []Other
	Static []Static
	Pair   []Peer
}

// Standing is an address on an interface.
type Standing struct {
	Prefix netip.Prefix
	Link   string
}

// Link is an interface.
type Link struct {
	Index int
	Up    bool
	MAC   string // "" for none
}

// Listener is a TCP socket that waits at one address only.
type Listener struct {
	At      netip.AddrPort
	Program string // "" unknown
}

// Answer is who says that a virtual address is there.
type Answer struct {
	Addr     netip.Addr `json:"address"`
	Link     string     `json:"interface"`        // that was asked on
	Stations []Station  `json:"stations"`         // those that answered, in their order
	Master   *Station   `json:"master,omitempty"` // whose adverts with this address were heard; nil for nobody
	Ours     bool       `json:"-"`                // it stands on this machine, which does not hear itself
	VRID     uint8      `json:"virtual_router_id,omitempty"`
	Failed   string     `json:"failed,omitempty"` // why it could not be asked
}

// Station is a machine on the network, as its MAC address.
type Station struct {
	MAC  string     `json:"mac"`
	Addr netip.Addr `json:"address,omitzero"` // of it, where known
	Name string     `json:"name,omitempty"`   // what it is: "real server 10.0.0.7", "master 10.0.0.1"; "" unknown
}

// Path is a way to a real server for one service.
type Path struct {
	Service string // keepalived's name
	Server  netip.AddrPort
	Virtual netip.AddrPort
	Forward uint8
	Local   bool   // the server is this machine
	Via     string // the router on the way; "" where it is on the link
	Link    string
	NoRoute string     // why there is none
	Source  netip.Addr // ours, that packets to the server come from
	MAC     string     // of the server on the link; "" if it does not answer there
	Full    bool       // FULLNAT: the answers come back to us whatever the server's routes
	Plain   bool       // a tunnel is one of IP in IP
	// Direct is what the server says to a connection to its own address, and
	// Through to one as clients make it: to the virtual address for DR and TUN,
	// from far away for NAT.
	Direct, Through Reply
	NotAsked        string // why Through was not asked
}

// OnLink tells that the server is a neighbour.
func (p *Path) OnLink() bool { return !p.Local && p.NoRoute == "" && p.Via == "" }

// Reply is what became of a first packet of TCP.
type Reply string

// Replies.
const (
	NotTried Reply = ""
	Accepts  Reply = "accepts"
	Refuses  Reply = "refuses" // RST: the address is there, and nobody listens
	Silence  Reply = "silence"
)

// Verdict is what a packet filter does with an advert that comes in.
type Verdict struct {
	What  string // "VRRP from 10.0.0.2 on eth0"
	Where string // the table and chain: "nftables inet filter input"
	Rule  string // that decides
	Drops bool
	// Unsure says that rules before it could not be judged.
	Unsure bool
	Failed string // why the filter could not be read
}

// Other is a program or a unit of the service manager that does the same work.
type Other struct {
	Name string // "ldirectord"
	What string // "process 123", "unit ipvsadm.service, enabled"
	Harm string
	Fix  string
	Sure bool // it harms, not only may
}

// Static is a virtual address in the files of another program that configures
// addresses.
type Static struct {
	Place string // file:line
	Addr  netip.Addr
}

// Peer is what is known of the other director.
type Peer struct {
	Addr   string // or URL
	Status *status.Status
	Failed string        // why there is none
	Ahead  time.Duration // of its clock before ours
	Within time.Duration // how exactly that is known
}
