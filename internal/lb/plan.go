// Package lb is the mind of the load-balancing half: it turns a configuration
// into services, pools and checks, and check results into the IPVS table that
// should stand and the edges people are told of. It is pure: no clock, no
// socket, no goroutine.
package lb

import (
	"net/netip"

	"keepgo/checker"
	"keepgo/confparse"
	"keepgo/ipvsctl"
)

// Plan is everything the load-balancing process needs, as plain data that
// crosses a process boundary.
type Plan struct {
	Services []Service
	Pools    []Pool
	// Checks have their index as ID. The users of scripts are names still.
	Checks  []checker.Check
	Owners  []Owner // parallel to Checks
	Follows []Follow
	Paths   []Path // of checks with through_vip

	Orders []Order // what the operator says of servers

	MailChecks bool // mail of every check that turns; no_checker_emails mails of servers alone
	Greet      bool // rs_init_notifies: tell of the first state of servers too

	Marking Marking
	Marked  []Marked

	DataPlane confparse.DataPlane
	Timeouts  ipvsctl.Timeouts
	Sync      ipvsctl.SyncWant  // both roles, or none; one that follows an instance is the other half's
	Switches  map[string]string // values of net.ipv4.vs.* by name, of net.ipv4.* by path
	Repair    bool              // what others change in the table is put back
	// Events and Answers are the receive buffers of the netlink sockets that
	// watch addresses (lvs_netlink_monitor_rcv_bufs, lvs_netlink_cmd_rcv_bufs); 0
	// bytes are the default.
	Events, Answers confparse.NetlinkBuffer
	FlushAtStop     bool // the whole table is emptied, others' services too
}

// share has the checks call servers and services by the very names that these
// have: a plan that crossed a process boundary has a copy in each.
func (p *Plan) share() {
	for i, o := range p.Owners {
		p.Checks[i].Name, p.Checks[i].Service = p.Pools[o.Pool].Servers[o.Server].Name, p.Pools[o.Pool].Name
	}
}

// Service is one service of the kernel. Those of a virtual_server_group share a
// pool, and virtual servers that name the same service share it: the first says
// how it is scheduled, and the servers of all stand in it.
type Service struct {
	Key         ipvsctl.ServiceKey
	Pools       []int  // indices into Plan.Pools
	Place       string // file:line of the first of them
	Unscheduled bool   // no scheduler was asked for
}

// port is the one that a server stands with in the service: one without takes
// the service's, and only NAT can lead from a mark to a port.
func (s *Service) port(k ipvsctl.DestKey, forward uint8) uint16 {
	switch {
	case s.Key.FWMark != 0 && forward != ipvsctl.ForwardNAT:
		return 0
	case k.Port == 0:
		return s.Key.Port
	}
	return k.Port
}

// Owner is the server a check belongs to.
type Owner struct {
	Pool   int // index into Plan.Pools
	Server int // index into its Servers
}

// Pool is one virtual_server as planned.
type Pool struct {
	// Key identifies the virtual server across a reload: its group or its
	// address, port and protocol, or its mark and family.
	Key  string
	Name string // in logs, FIFO lines and mails

	Services []int  // indices into Plan.Services
	Mark     uint32 // that its group's addresses are given; 0 none

	Protocol   uint8
	Config     ipvsctl.PoolConfig
	Servers    []Server // parallel to Config.Servers
	QuorumUp   *confparse.Command
	QuorumDown *confparse.Command
	Omega      bool // scripts and mails at shutdown and removal too
	SMTPAlert  bool
	Suspend    netip.Addr // ha_suspend: checks rest while it is not on this machine; zero never
}

// Server is what a real server has besides its place in IPVS.
type Server struct {
	Name       string
	NotifyUp   *confparse.Command
	NotifyDown *confparse.Command
	SMTPAlert  bool
	SlowStart  int // seconds until it has its full weight after it came back; 0 none
}

// State is what a new Node needs to go on from an older one: after a reload, a
// crash or an upgrade. It is plain data.
type State struct {
	Pools  poolStates
	Checks verdicts

	Slow  map[string]map[ipvsctl.DestKey]int // seconds that slow starts have lasted, by Pool.Key
	Marks map[string]uint32                  // that groups and paths were given, by Pool.Key and Path.Key
	Stood []ipvsctl.ServiceKey               // services that the process had in the kernel

	Switched map[string]string // values that Plan.Switches replaced
	Replaced ipvsctl.Timeouts  // those of the kernel where the plan's replaced them
}

// Verdict is the standing result of one check.
type Verdict struct {
	Up      bool
	Dynamic bool // Weight holds
	Weight  int
	Rising  int    // successes in a row of one that is down
	Why     string // "" while nothing was heard
}
