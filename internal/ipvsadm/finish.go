package ipvsadm

import (
	"strings"
	"time"

	"keepgo/ipvsctl"
)

// finish checks the whole command, once every option is read.
func (p *parser) finish() error {
	flags, err := schedulerFlags(p.c.Service.Scheduler, p.flags)
	if err != nil {
		return err
	}
	p.c.Service.Flags |= flags
	if p.c.Verb == SetTimeouts {
		if err := p.timeouts(); err != nil {
			return err
		}
	}
	if len(p.rest) > 0 {
		return failf("unexpected argument %s", p.rest[0])
	}
	if err := p.obey(); err != nil {
		return err
	}
	switch p.c.Verb {
	case Add, Edit:
		return p.finishService()
	case AddServer, EditServer:
		return p.finishServer()
	case List:
		return p.finishList()
	}
	return nil
}

// timeouts takes the three values of --set.
func (p *parser) timeouts() error {
	if len(p.rest) < 3 {
		return failf("--set option requires 3 timeout values")
	}
	for i, t := range []*time.Duration{&p.c.Timeouts.TCP, &p.c.Timeouts.TCPFin, &p.c.Timeouts.UDP} {
		n, err := number(p.rest[i], 0, maxTimeout, "invalid timeout value `"+p.rest[i]+"' specified")
		if err != nil {
			return err
		}
		*t = time.Duration(n) * time.Second
	}
	p.rest = p.rest[3:]
	return nil
}

// obey checks the options against the rule of the verb.
func (p *parser) obey() error {
	v := p.c.Verb
	switch kind, one, other := rules[v].broken(p.given, ^option(0)); kind {
	case missing:
		return failf("You need to supply the '%s' option for the '%s' command", optionNames[one], v)
	case illegal:
		return failf("Illegal '%s' option with the '%s' command", optionNames[one], v)
	case conflict:
		return failf("The option '%s' conflicts with the '%s' option in the '%s' command",
			optionNames[one], optionNames[other], v)
	}
	return nil
}

func (p *parser) finishService() error {
	k, s := p.c.Key, p.c.Service
	switch {
	case k.FWMark != 0:
	case k.Port == 0 && s.Timeout == 0:
		return failf("Zero port specified for non-persistent service")
	case s.Flags&ipvsctl.FlagOnePacket != 0 && k.Protocol != protocolUDP:
		return failf("One-Packet Scheduling is only for UDP virtual services")
	}
	return nil
}

// finishServer gives a server that is not translated the port of its service.
func (p *parser) finishServer() error {
	c := &p.c
	if c.Destination.Forward != ipvsctl.ForwardNAT && c.Key.FWMark == 0 {
		c.Server.Port = c.Key.Port
	}
	if c.Destination.Forward != ipvsctl.ForwardTunnel {
		switch {
		case c.Server.Addr.Is6() != c.Key.IPv6:
			return failf("Different address family is allowed only for tunneling servers")
		case p.given&tunnelOptions != 0:
			return failf("Tunnel options conflict with forward method")
		}
		return nil
	}
	switch kind, one, other := tunnelRules[p.tunnel].broken(p.given, tunnelOptions&^optTunType); kind {
	case missing:
		return failf("You need to supply the '%s' option for the '%s' tunnel type", optionNames[one], p.tunnel)
	case illegal:
		return failf("Illegal '%s' option with the '%s' tunnel type", optionNames[one], p.tunnel)
	case conflict:
		return failf("The option '%s' conflicts with the '%s' option in the '%s' tunnel type",
			optionNames[one], optionNames[other], p.tunnel)
	}
	return nil
}

func (p *parser) finishList() error {
	s := p.c.Show
	special := s.Timeouts || s.Daemons
	if special && (s.Stats || s.Rate || s.Thresholds || s.PersistentConn) || s.Connections && (s.Stats || s.Rate || s.Thresholds) {
		return failf("options conflicts in the list command")
	}
	return nil
}

// Flags of schedulers, IP_VS_SVC_F_SCHED1 to 3 of linux/ip_vs.h.
const (
	flagSched1 = 0x0008
	flagSched2 = 0x0010
	flagSched3 = 0x0020

	schedFlags = flagSched1 | flagSched2 | flagSched3
)

// schedulerFlags reads the names of flags, parted by commas.
func schedulerFlags(scheduler, text string) (flags uint32, err error) {
	for name := range strings.SplitSeq(text, ",") {
		own, kind, _ := strings.Cut(name, "-")
		switch {
		case name == "":
		case name == "flag-1":
			flags |= flagSched1
		case name == "flag-2":
			flags |= flagSched2
		case name == "flag-3":
			flags |= flagSched3
		case own != "sh" && own != "mh" || kind != "fallback" && kind != "port":
			return 0, failf("invalid scheduler flag `%s'", name)
		case own != scheduler:
			return 0, failf("incompatible scheduler flag `%s'", name)
		case kind == "fallback":
			flags |= flagSched1
		default:
			flags |= flagSched2
		}
	}
	return flags, nil
}
