package ipvsadm

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"keepgo/ipvsctl"
)

const (
	protocolTCP  = 6
	protocolUDP  = 17
	protocolSCTP = 132

	forwardNAT    = int(ipvsctl.ForwardNAT)
	forwardTunnel = int(ipvsctl.ForwardTunnel)
	forwardDirect = int(ipvsctl.ForwardDirect)

	defaultScheduler = "wlc"
	defaultTimeout   = "360" // seconds of persistence
	defaultInterface = "eth0"
	defaultTunnel    = "ipip"
)

// Command is what a command line asks for. Which fields count depends on the
// Verb.
type Command struct {
	Verb        Verb
	Key         ipvsctl.ServiceKey
	Keyed       bool // Key is given
	Service     ipvsctl.Service
	Server      ipvsctl.DestKey
	Destination ipvsctl.Destination
	Role        ipvsctl.SyncRole
	Sync        ipvsctl.Sync
	Timeouts    ipvsctl.Timeouts
	Show        Show
}

// Show says what a listing shows, and how.
type Show struct {
	Connections, Timeouts, Daemons                   bool
	Stats, Rate, Thresholds, PersistentConn, TunInfo bool
	Numeric, Exact, Nosort                           bool
}

// Fault is a mistake in a command line: what ipvsadm says, with its line ends,
// and the status it exits with, also from the midst of what it restores.
type Fault struct {
	Text string
	Code int
}

// Error is the text.
func (f *Fault) Error() string { return f.Text }

// Exit statuses of ipvsadm.
const (
	ExitOK      = 0
	ExitUnknown = 1   // what is to be listed does not stand
	ExitFault   = 2   // the command line makes no sense
	ExitFailed  = 255 // it cannot be read, or the kernel refused it
)

func failf(format string, args ...any) error {
	return &Fault{Text: fmt.Sprintf(format, args...) + "\n", Code: ExitFault}
}

// TryHelp is the answer to what is no command of the program called name.
func TryHelp(name string) error {
	return &Fault{Text: fmt.Sprintf("Try `%s -h' or '%s --help' for more information.\n", name, name), Code: ExitFailed}
}

// parser reads one command line.
type parser struct {
	scanner
	names Names
	given option
	c     Command

	flags, tunnel string
}

// Parse reads a command line; args[0] is what the program is called. The error
// is a *Fault.
func Parse(args []string, names Names) (Command, error) {
	p := &parser{scanner: scanner{args: args[1:]}, names: names, tunnel: defaultTunnel}
	p.c.Service.Scheduler, p.c.Destination.Weight, p.c.Sync.Link = defaultScheduler, 1, defaultInterface
	p.c.Destination.Forward = ipvsctl.ForwardDirect
	if len(args) == 1 {
		p.c.Verb = List
		return p.c, nil
	}
	w, ok, fault := p.next()
	if fault != "" || !ok || !w.isVerb {
		return p.c, TryHelp(args[0])
	}
	if err := p.verb(w); err != nil || p.c.Verb >= Help {
		return p.c, err
	}
	if err := p.options(); err != nil {
		return p.c, err
	}
	return p.c, p.finish()
}

func (p *parser) verb(w word) error {
	p.c.Verb = w.verb
	if w.takes == never {
		return nil
	}
	switch w.value {
	case "master":
		p.c.Role = ipvsctl.SyncMaster
	case "backup":
		p.c.Role = ipvsctl.SyncBackup
	default:
		if p.c.Verb == StartDaemon {
			return failf("illegal start-daemon parameter specified")
		}
		return failf("illegal start_daemon specified")
	}
	return nil
}

// options reads what stands behind the verb.
func (p *parser) options() error {
	for {
		w, ok, fault := p.next()
		switch {
		case fault != "":
			return &Fault{Text: fault + "\n", Code: ExitFailed}
		case !ok:
			return nil
		case w.isVerb:
			return failf("invalid option `%s'", w.text)
		}
		if w.option <= last {
			if p.given&w.option != 0 {
				return failf("multiple '%s' options specified", optionNames[w.option])
			}
			p.given |= w.option
		}
		if err := p.take(w); err != nil {
			return err
		}
	}
}

// take enters one option into the command.
func (p *parser) take(w word) (err error) {
	switch d := &p.c.Destination; w.option {
	case optService:
		return p.service(w)
	case optIPv6:
		if p.c.Key.FWMark == 0 {
			return failf("-6 used before -f\n")
		}
		p.c.Key.IPv6 = true
	case optScheduler:
		if w.value != "" {
			p.c.Service.Scheduler = w.value[:min(len(w.value), maxName)]
		}
	case optPersistent:
		p.c.Service.Timeout, err = timeout(w.value, w.given)
	case optNetmask:
		return p.netmask(w.value)
	case optEngine:
		p.c.Service.Engine = w.value[:min(len(w.value), maxName)]
	case optOnePacket:
		p.c.Service.Flags |= ipvsctl.FlagOnePacket
	case optFlags:
		p.flags = w.value
	case optServer:
		return p.server(w.value)
	case optForward:
		d.Forward = uint8(w.spelling.value)
	case optWeight:
		d.Weight, err = number(w.value, 0, maxInt, "illegal weight specified")
	case optUpper:
		d.Upper, err = number(w.value, 0, maxInt, "illegal u_threshold specified")
	case optLower:
		d.Lower, err = number(w.value, 0, maxInt, "illegal l_threshold specified")
	case optTunType, optTunPort, optTunCsum, optTunRemCsum:
		return p.tunnelOption(w)
	case optInterface, optSyncID, optGroup, optPort, optTTL, optMaxLen:
		return p.sync(w)
	default:
		p.c.Show.take(w.option)
	}
	return err
}

func (s *Show) take(o option) {
	for mark, field := range map[option]*bool{
		optConnection: &s.Connections, optTimeout: &s.Timeouts, optDaemon: &s.Daemons, optStats: &s.Stats,
		optRate: &s.Rate, optThresholds: &s.Thresholds, optPersistentConn: &s.PersistentConn, optTunInfo: &s.TunInfo,
		optNumeric: &s.Numeric, optExact: &s.Exact, optNosort: &s.Nosort,
	} {
		if o == mark {
			*field = true
		}
	}
}

func (p *parser) service(w word) error {
	p.c.Keyed = true
	if w.spelling.value == 0 {
		mark, err := number(w.value, 1, maxUint32, fmt.Sprintf("invalid fwmark value `%s' specified", w.value))
		p.c.Key = ipvsctl.ServiceKey{FWMark: mark}
		return err
	}
	a, ok := parseAddress(w.value, uint8(w.spelling.value), p.names)
	if !ok {
		return failf("illegal virtual server address[:port] specified")
	}
	p.c.Key = ipvsctl.ServiceKey{Protocol: uint8(w.spelling.value), Addr: a.addr, Port: a.port, IPv6: a.addr.Is6()}
	return nil
}

func (p *parser) server(text string) error {
	a, ok := parseAddress(text, p.c.Key.Protocol, p.names)
	if !ok {
		return failf("illegal real server address[:port] specified")
	}
	p.c.Server = ipvsctl.DestKey{Addr: a.addr, Port: a.port}
	if !a.ported {
		p.c.Server.Port = p.c.Key.Port
	}
	return nil
}

func (p *parser) netmask(text string) error {
	if p.c.Key.IPv6 {
		n, err := number(text, 1, 128, "illegal ipv6 netmask specified")
		p.c.Service.PrefixLen = uint8(n)
		return err
	}
	a, ok := quad(text)
	if !ok || a.IsUnspecified() { // ipvsadm takes 0.0.0.0: all clients go to one server
		return failf("illegal virtual server persistent mask specified")
	}
	p.c.Service.Netmask4 = a.As4()
	return nil
}

// Flags of tunnels (linux/ip_vs.h).
const (
	tunnelCsum    = 1 // IP_VS_TUNNEL_ENCAP_FLAG_CSUM
	tunnelRemCsum = 2 // IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM
)

// tunnelNames are the kinds of tunnel, by their number in linux/ip_vs.h.
var tunnelNames = []string{"ipip", "gue", "gre"}

func (p *parser) tunnelOption(w word) error {
	d := &p.c.Destination
	switch w.option {
	case optTunType:
		for i, name := range tunnelNames {
			if name == w.value {
				p.tunnel, d.TunnelType = name, uint8(i)
				return nil
			}
		}
		return failf("illegal tunnel type specified")
	case optTunPort:
		n, err := number(w.value, 1, maxUint16, "illegal tunnel port specified")
		d.TunnelPort = uint16(n)
		return err
	case optTunCsum:
		d.TunnelFlags |= tunnelCsum
	case optTunRemCsum:
		d.TunnelFlags |= tunnelRemCsum
	}
	return nil
}

func (p *parser) sync(w word) error {
	s := &p.c.Sync
	var n uint32
	var err error
	switch w.option {
	case optInterface:
		s.Link = w.value[:min(len(w.value), maxInterface)]
	case optGroup:
		s.Group, err = group(w.value)
	case optSyncID:
		n, err = number(w.value, 0, 255, "illegal syncid specified")
		s.ID = uint8(n)
	case optPort:
		n, err = number(w.value, 1, maxUint16, "illegal mcast-port specified")
		s.Port = uint16(n)
	case optTTL:
		n, err = number(w.value, 1, 255, "illegal mcast-ttl specified")
		s.TTL = uint8(n)
	case optMaxLen:
		n, err = number(w.value, 1, maxSyncLen, "illegal sync-maxlen specified")
		s.MaxLen = uint16(n)
	}
	return err
}

func group(text string) (netip.Addr, error) {
	family := "IPv4"
	if strings.Contains(text, ":") {
		family = "IPv6"
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.IsMulticast() {
		return a, failf("invalid %s mcast-group `%s'", family, text)
	}
	return a, nil
}

// timeout is how long a service is persistent.
func timeout(text string, given bool) (time.Duration, error) {
	if !given {
		text = defaultTimeout
	}
	n, err := number(text, 1, maxTimeout, fmt.Sprintf("invalid timeout value `%s' specified", text))
	return time.Duration(n) * time.Second, err
}
