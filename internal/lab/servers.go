package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"keepgo/confparse"
)

// server is the machine of one or more real_server blocks.
type server struct {
	addr     netip.Addr
	lan      *lan
	subnet   *subnet
	sites    map[endpoint]*site
	virtuals []netip.Addr // of services that reach it by direct routing
	nat      bool
}

// endpoint is a port of a server.
type endpoint struct {
	network string // tcp or udp
	port    uint16
}

func (e endpoint) String() string { return fmt.Sprintf("%s port %d", e.network, e.port) }

// Protocols that servers and clients of the lab speak.
const (
	speaksHTTP  = "http"
	speaksHTTPS = "https"
	speaksSMTP  = "smtp"
	speaksDNS   = "dns"
	speaksUDP   = "udp"
)

// site is what a server answers on a port.
type site struct {
	speaks string // "" until a check says
	pages  map[pageKey]*page
	reply  *confparse.Datagram // what UDP_CHECK expects; nil for anything
}

// pageKey is how a page is asked for. The page of no host is for all others.
type pageKey struct{ host, path string }

// language is what the site speaks in the end.
func (t *site) language(e endpoint) string {
	switch {
	case t.speaks != "":
		return t.speaks
	case e.network == "udp":
		return speaksUDP
	}
	return speaksHTTP
}

// networkOf is how the clients of a service come: "" for what the lab does not
// speak.
func networkOf(p confparse.Protocol) string {
	switch p {
	case confparse.UDP:
		return "udp"
	case confparse.SCTP:
		return ""
	}
	return "tcp"
}

// anyPort is where a service of every port is asked.
const anyPort = 80

// portOf is a port of a server that serves every port: one that a check asks.
func portOf(rs *confparse.RealServer) uint16 {
	if rs.Port != 0 {
		return rs.Port
	}
	for _, c := range rs.Checkers {
		if c.Port != 0 && c.Addr == rs.Addr {
			return c.Port
		}
	}
	return anyPort
}

// service takes in the real servers of a virtual_server, and where their checks
// ask.
func (n *network) service(vs *confparse.VirtualServer, pages map[pageID]*page) {
	servers := vs.Servers
	if vs.Sorry != nil {
		servers = append(slices.Clone(servers), vs.Sorry)
	}
	network := networkOf(vs.Protocol)
	if network == "" {
		n.lack("virtual_server %s: nothing here speaks SCTP: no client asks it", nameOf(vs))
	}
	for _, rs := range servers {
		s := n.server(rs.Addr)
		s.nat = s.nat || rs.Forward == confparse.NAT && !vs.FullNAT
		if rs.Forward == confparse.Tunnel {
			n.lack("real_server %s of %s: no tunnel is made here: clients that it is chosen for get no answer", rs.Addr, nameOf(vs))
		}
		if rs.Forward == confparse.Direct && vs.Addr.IsValid() && !slices.Contains(s.virtuals, vs.Addr) {
			s.virtuals = append(s.virtuals, vs.Addr)
		}
		if network != "" {
			s.site(endpoint{network, portOf(rs)})
		}
		for _, c := range rs.Checkers {
			n.check(c, pages)
		}
	}
	n.agree(servers, network)
}

// agree has servers of a service that no check asks speak what the others do.
func (n *network) agree(servers []*confparse.RealServer, network string) {
	language := ""
	for _, rs := range servers {
		if t := n.server(rs.Addr).sites[endpoint{network, portOf(rs)}]; t != nil && language == "" {
			language = t.speaks
		}
	}
	for _, rs := range servers {
		if t := n.server(rs.Addr).sites[endpoint{network, portOf(rs)}]; t != nil && t.speaks == "" {
			t.speaks = language
		}
	}
}

// lack notes, once, what of the file is not there.
func (n *network) lack(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(n.lacks, text) {
		n.lacks = append(n.lacks, text)
	}
}

// server finds or adds the machine with an address, on the lan it belongs to.
func (n *network) server(a netip.Addr) *server {
	i := slices.IndexFunc(n.servers, func(s *server) bool { return s.addr == a })
	if i >= 0 {
		return n.servers[i]
	}
	home := n.lans[0]
	for _, l := range n.lans {
		if l.find(a) != nil {
			home = l
			break
		}
	}
	if !a.IsLoopback() {
		home.cover(a)
	}
	n.used[a] = true
	s := &server{addr: a, lan: home, sites: map[endpoint]*site{}}
	n.servers = append(n.servers, s)
	return s
}

func (s *server) site(e endpoint) *site {
	if s.sites[e] == nil {
		s.sites[e] = &site{pages: map[pageKey]*page{}}
	}
	return s.sites[e]
}

// check has the server that a check asks answer as it expects.
func (n *network) check(c *confparse.Checker, pages map[pageID]*page) {
	speaks := map[confparse.CheckKind]string{confparse.TCPCheck: "", confparse.HTTPCheck: speaksHTTP, confparse.SSLCheck: speaksHTTPS,
		confparse.SMTPCheck: speaksSMTP, confparse.DNSCheck: speaksDNS, confparse.UDPCheck: speaksUDP}
	switch c.Kind {
	case confparse.MiscCheck:
		n.lack("MISC_CHECK %s: what it asks is not here: %s is run in its place", strings.Join(c.Misc.Command.Args, " "), succeeds)
	case confparse.BFDCheck:
		n.lack("BFD_CHECK %s: no server here speaks BFD: it is left out", c.Watch.Name)
	}
	language, asks := speaks[c.Kind]
	if !asks || !c.Addr.IsValid() {
		return
	}
	e := endpoint{"tcp", c.Port}
	if language == speaksDNS || language == speaksUDP {
		e.network = "udp"
	}
	t := n.server(c.Addr).site(e)
	if language != "" && t.speaks != "" && t.speaks != language {
		n.lack("%s on %s of %s: it speaks %s already, for another check", c.Kind, e, c.Addr, t.speaks)
		return
	}
	if language != "" {
		t.speaks = language
	}
	if c.UDP != nil && c.UDP.RequireReply {
		t.reply = c.UDP
	}
	if c.HTTP != nil {
		n.pages(t, c, pages)
	}
}

// pages gives a site the pages that a check asks for.
func (n *network) pages(t *site, c *confparse.Checker, pages map[pageID]*page) {
	for i := range c.HTTP.URLs {
		u := &c.HTTP.URLs[i]
		p := pages[pageID{u.Pos, u.Path}]
		if p == nil {
			continue
		}
		host := u.VirtualHost
		if host == "" {
			host = c.HTTP.VirtualHost
		}
		if p.lacks != "" {
			n.lack("%s of %s, path %s: %s: it is not looked at", c.Kind, c.Addr, u.Path, p.lacks)
		}
		for _, k := range []pageKey{{host, u.Path}, {"", u.Path}} {
			switch old := t.pages[k]; {
			case old == nil:
				t.pages[k] = p
			case k.host == host && (old.status != p.status || old.body != p.body):
				n.lack("%s of %s, path %s: it is asked for in two ways, and answers in the first", c.Kind, c.Addr, u.Path)
			}
		}
	}
}

// gateways are addresses for the networks of servers by NAT that have no virtual
// address: servers answer through one.
func (n *network) gateways() (list []more) {
	for _, s := range n.servers {
		if !s.nat || s.subnet == nil || s.subnet.gateway.IsValid() || s.addr.IsLoopback() || n.partner(s.addr) != s.addr {
			continue
		}
		if s.subnet.gateway = n.free(s.subnet.Prefix); s.subnet.gateway.IsValid() {
			n.lack("no virtual address is in %s, where servers by NAT are: the master gets %s for their answers", s.subnet.Prefix, s.subnet.gateway)
			list = append(list, more{block: "virtual_ipaddress_excluded", addr: s.subnet.gateway, link: s.lan.links})
		}
	}
	return list
}
