package dump

import (
	"fmt"
	"strings"
	"time"

	"keepgo/confparse"
	"keepgo/internal/lb"
	"keepgo/internal/status"
)

// Check is keepalived_check.data.
func Check(w World) []byte {
	p := newPage(w)
	p.global(false)
	p.tls()
	p.put(rule, "LVS Topology")
	p.put(" System is compiled with LVS v1.2.1")
	p.serverGroups()
	now := map[string]*status.Service{}
	for i := range p.Status.Services {
		s := &p.Status.Services[i]
		now[s.Name] = s
	}
	for _, vs := range p.Config.VirtualServers {
		s := now[lb.Name(vs)]
		if s == nil {
			s = &status.Service{}
		}
		p.service(vs, s)
	}
	p.checkers()
	return p.text
}

func (p *page) tls() {
	t := &p.Config.TLS
	p.put(rule, "SSL definitions")
	if *t == (confparse.TLS{}) {
		p.put(" Using autogen SSL context")
		return
	}
	p.when(t.Password != "", " Password : %s", secret)
	p.when(t.CA != "", " CA file : %s", t.CA)
	p.when(t.Certificate != "", " Certificate file : %s", t.Certificate)
	p.when(t.Key != "", " Key file : %s", t.Key)
}

// serverGroups adds the virtual_server_group blocks.
func (p *page) serverGroups() {
	if len(p.Config.ServerGroups) > 0 {
		p.put(" "+rule, "Virtual server group")
	}
	for _, g := range p.Config.ServerGroups {
		v4, v6 := false, false
		for _, e := range g.Entries {
			isV6 := e.IPv6 || e.First.Is6()
			v4, v6 = v4 || !isV6, v6 || isV6
		}
		p.put(" Virtual Server Group = %s, IPv4 = %s, IPv6 = %s", g.Name, yesNo(v4), yesNo(v6))
		for _, e := range g.Entries {
			switch {
			case e.FWMark != 0:
				p.put("   FWMARK = %d", e.FWMark)
			case e.First == e.Last:
				p.put("   VIP = %s, VPORT = %d", e.First, e.Port)
			default:
				p.put("   VIP Range = %s-%s, VPORT = %d", e.First, e.Last, e.Port)
			}
		}
	}
}

var protocols = map[confparse.Protocol]string{confparse.TCP: "tcp", confparse.UDP: "udp", confparse.SCTP: "sctp", confparse.NoProtocol: "none"}

// forwards are the forwarding methods.
var forwards = map[confparse.Forward]string{confparse.NAT: "NAT", confparse.Tunnel: "TUN", confparse.Direct: "DR"}

func forwarding(rs *confparse.RealServer) string {
	s := forwards[rs.Forward]
	if rs.Forward == confparse.Tunnel {
		s += ", type = " + [...]string{"IPIP", "GUE", "GRE"}[min(rs.Tunnel.Type, 2)]
	}
	return s
}

func (p *page) service(vs *confparse.VirtualServer, s *status.Service) {
	p.put(" "+rule, "Virtual server")
	switch {
	case vs.Group != "":
		p.put(" VS GROUP = [%s]:0", vs.Group)
	case vs.FWMark != 0:
		p.put(" VS FWMARK = %d", vs.FWMark)
	default:
		p.put(" VS VIP = %s, VPORT = %d", vs.Addr, vs.Port)
	}
	p.put("   Address family = %s", choose(vs.IPv6 || vs.Addr.Is6(), "inet6", "inet"))
	p.scheduling(vs)
	p.put("   protocol = %s", strings.ToUpper(protocols[vs.Protocol]))
	p.put("   alpha is %s", onOff(vs.Alpha))
	p.put("   omega is %s", onOff(vs.Omega))
	p.put("   quorum = %d, hysteresis = %d", vs.Quorum, vs.Hysteresis)
	p.script("   ", "Quorum up notify", vs.QuorumUp)
	p.script("   ", "Quorum down notify", vs.QuorumDown)
	p.when(vs.HASuspend, "   Using HA suspend")
	p.put("   Using smtp notification = %s", yesNo(vs.SMTPAlert))
	if vs.Sorry != nil {
		p.put("   sorry server = %s", lb.ServerName(vs, vs.Sorry))
		p.put("     forwarding method = %s", forwarding(vs.Sorry))
		p.put("     Inhibit on failure is %s", onOff(vs.SorryInhibit))
	}
	p.put("   alive = %s", choose(s.Name != "", "1", "0"))
	p.put("   quorum_state_up = %s", choose(s.Up, "1", "0"))
	servers := map[string]status.Server{}
	for _, rs := range s.Servers {
		servers[rs.Name] = rs
	}
	for _, rs := range vs.Servers {
		p.server(vs, rs, servers[lb.ServerName(vs, rs)])
	}
}

func (p *page) scheduling(vs *confparse.VirtualServer) {
	p.put("   lvs_sched = %s", vs.Scheduler)
	switch s := vs.Scheduler; s {
	case "sh", "mh":
		p.put("   %s-port = %s", s, enabled(vs.SchedFlags&16 != 0))
		p.put("   %s-fallback = %s", s, enabled(vs.SchedFlags&8 != 0))
	default:
		for i := range 3 {
			p.put("   flag-%d = %s", i+1, enabled(vs.SchedFlags&(8<<i) != 0))
		}
	}
	p.put("   One packet scheduling = %s", enabled(vs.OnePacket))
	p.when(vs.Persistence > 0, "   persistence timeout = %d", seconds(vs.Persistence))
	p.when(vs.Engine != "", "   persistence engine = %s", vs.Engine)
	p.when(vs.Netmask.IsValid(), "   persistence granularity = %s", vs.Netmask)
	p.when(vs.PrefixLen > 0, "   persistence granularity = %d", vs.PrefixLen)
}

func (p *page) server(vs *confparse.VirtualServer, rs *confparse.RealServer, s status.Server) {
	p.put("   "+rule, "Real server")
	p.put("   RIP = %s, RPORT = %d, WEIGHT = %d EFF WEIGHT = %d", rs.Addr, rs.Port, rs.Weight, s.Weight)
	p.put("   forwarding method = %s", forwarding(rs))
	p.put("   connection limit range = %d -> %d", rs.Lower, rs.Upper)
	p.put("   Inhibit on failure is %s", onOff(rs.Inhibit))
	p.script("     ", "RS up notify", rs.NotifyUp)
	p.script("     ", "RS down notify", rs.NotifyDown)
	p.put("   Using smtp notification = %s", yesNo(rs.SMTPAlert))
	p.put("   initial weight = %d", rs.Weight)
	p.put("   effective weight = %d", s.Weight)
	p.put("   alive = %s", choose(s.Up, "1", "0"))
	p.when(s.Why != "", "   last verdict = %s", s.Why)
}

// checkers adds every check with what it asks.
func (p *page) checkers() {
	p.put(rule, "Health checkers")
	for _, vs := range p.Config.VirtualServers {
		for _, rs := range vs.Servers {
			for _, c := range rs.Checkers {
				p.put(" %s -> %s", lb.Name(vs), lb.ServerName(vs, rs))
				p.checker(c)
			}
		}
	}
}

func (p *page) checker(c *confparse.Checker) {
	p.put("   Alpha = %s", yesNo(c.Alpha))
	p.put("   Delay loop = %s", micros(c.DelayLoop))
	p.put("   Warmup = %s", micros(c.Warmup))
	p.put("   Retries = %d", c.Retry)
	p.when(c.Retry > 0, "   Delay before retry = %s", micros(c.DelayBeforeRetry))
	p.put("   Log all failures = %s", yesNo(c.LogAll))
	if c.Kind != confparse.MiscCheck && c.Kind != confparse.FileCheck && c.Kind != confparse.BFDCheck {
		p.put("   Connection")
		p.when(!c.Through, "     Dest = [%s]:%d", c.Addr, c.Port)
		p.when(c.Through, "     Dest = virtual address, through the real server")
		p.when(c.BindAddr.IsValid(), "     Bind to = [%s]:%d", c.BindAddr, c.BindPort)
		p.when(c.BindIf != "", "     Bind i/f = %s", c.BindIf)
		p.when(c.FWMark != 0, "     Mark = %d", c.FWMark)
		p.put("     Timeout = %f", c.Timeout.Seconds())
	}
	p.method(c)
}

func micros(d time.Duration) string { return fmt.Sprintf("%d us", d.Microseconds()) }

// method adds what the kind of a check needs beyond a connection.
func (p *page) method(c *confparse.Checker) {
	more := ""
	if c.HTTP != nil {
		more = ", http protocol " + c.HTTP.Protocol
	}
	p.put("   Keepalive method = %s%s", c.Kind, more)
	switch {
	case c.HTTP != nil:
		p.urls(c.HTTP)
	case c.Misc != nil:
		uid, gid := p.ids(c.Misc.Command.User, c.Misc.Command.Group)
		p.put("   script = %s", quoted(c.Misc.Command.Args))
		p.put("   timeout = %d", seconds(c.Timeout))
		p.put("   dynamic = %s", choose(c.Misc.Dynamic, "YES", "NO"))
		p.put("   uid:gid = %d:%d", uid, gid)
	case c.SMTP != nil:
		p.put("   helo = %s", c.SMTP.Helo)
	case c.DNS != nil:
		p.put("   Type = %s", c.DNS.Type)
		p.put("   Name = %s", c.DNS.Name)
	case c.UDP != nil:
		p.put("   Payload specified = %s", yesNo(c.UDP.Payload != nil))
		p.put("   Require reply = %s", yesNo(c.UDP.RequireReply))
	case c.Watch != nil:
		p.put("   Track %s = %s, weight %d%s", choose(c.Kind == confparse.BFDCheck, "BFD", "file"), c.Watch.Name, c.Watch.Weight, choose(c.Watch.Reverse, " reverse", ""))
	}
}

func (p *page) urls(h *confparse.HTTP) {
	p.put("   Enable SNI %s", choose(h.SNI, "set", "unset"))
	p.when(h.SNIName != "", "   SNI name = %s", h.SNIName)
	p.when(h.VirtualHost != "", "   VirtualHost = %s", h.VirtualHost)
	p.put("   Fast recovery %s", choose(h.FastRecovery, "set", "unset"))
	for _, u := range h.URLs {
		p.put("   Checked url = %s", u.Path)
		p.when(u.Digest != "", "     digest = %s", u.Digest)
		p.when(u.VirtualHost != "", "     VirtualHost = %s", u.VirtualHost)
		p.put("     HTTP Status Code(s)")
		for _, r := range u.Status {
			p.put("       %s", choose(r.First == r.Last, fmt.Sprint(r.First), fmt.Sprintf("%d-%d", r.First, r.Last)))
		}
		p.when(u.Regex != "", "     Regex = %s", u.Regex)
	}
}
