package lab

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync/atomic"

	"keepgo/internal/netlab"
)

// machine is a real server.
type machine struct {
	*server
	host *netlab.Host // nil for one that lives on a director
	open []io.Closer
	mood atomic.Int32
}

// Moods of a machine.
const (
	well  = iota
	slow  // it answers, but not in time
	wrong // it answers, but not as it should
)

// addServer makes a real server's machine and starts what it serves. One whose
// address a director has, or that is local, lives there.
func (s *stage) addServer(srv *server) error {
	m := &machine{server: srv}
	s.servers[srv.addr] = m
	if srv.addr.IsLoopback() || s.net.partner(srv.addr) != srv.addr {
		return m.serve(s.localTo(srv.addr)...)
	}
	host, err := s.Host("server " + srv.addr.String())
	if err != nil {
		return err
	}
	m.host = host
	if err := host.Attach("eth0", srv.lan.sw, netip.PrefixFrom(srv.addr, srv.subnet.Bits())); err != nil {
		return err
	}
	if err := m.route(); err != nil {
		return err
	}
	return m.serve(host)
}

// localTo lists the directors that have an address themselves.
func (s *stage) localTo(a netip.Addr) []*netlab.Host {
	var hosts []*netlab.Host
	for _, d := range s.directors {
		if a.IsLoopback() || d.Holds(a) {
			hosts = append(hosts, d.Host)
		}
	}
	return hosts
}

// route prepares a server for its forwarding method: by direct routing it holds
// the virtual address silently, by NAT it answers through the director, also a
// client in its own network.
func (m *machine) route() error {
	for _, key := range []string{"arp_ignore", "arp_announce"} {
		value := map[string]string{"arp_ignore": "1", "arp_announce": "2"}[key]
		if err := m.host.Sysctl("net/ipv4/conf/all/"+key, value); err != nil {
			return err
		}
	}
	for _, v := range m.virtuals {
		if err := m.host.AddAddr("lo", netip.PrefixFrom(v, v.BitLen())); err != nil {
			return err
		}
	}
	gw := m.subnet.gateway
	if !m.nat || !gw.IsValid() {
		return nil
	}
	if err := m.host.Route(netip.PrefixFrom(m.subnet.client, gw.BitLen()), gw); err != nil {
		return err
	}
	return m.host.DefaultRoute(gw)
}

// serve opens every port of the server.
func (m *machine) serve(hosts ...*netlab.Host) error {
	for _, h := range hosts {
		if err := m.deaf(h, false); err != nil {
			return err
		}
		for _, e := range m.ports() {
			if err := m.serveOn(h, e, m.sites[e]); err != nil {
				return fmt.Errorf("server %s: %w", m.addr, err)
			}
		}
	}
	return nil
}

func (m *machine) serveOn(h *netlab.Host, e endpoint, t *site) error {
	if e.network == "udp" {
		return m.serveUDP(h, e, t)
	}
	ln, err := h.Listen("tcp", net.JoinHostPort("", strconv.Itoa(int(e.port))))
	if err != nil {
		return err
	}
	if t.language(e) == speaksSMTP {
		m.serveSMTP(ln)
		return nil
	}
	return m.serveHTTP(ln, t, t.language(e) == speaksHTTPS)
}

// serveUDP opens a socket for each address that clients may have asked: the
// answer comes from the one they did.
func (m *machine) serveUDP(h *netlab.Host, e endpoint, t *site) error {
	answer := t.datagram
	if t.language(e) == speaksDNS {
		answer = answerDNS
	}
	for _, a := range append([]netip.Addr{m.addr}, m.virtuals...) {
		c, err := h.ListenPacket("udp", netip.AddrPortFrom(a, e.port).String())
		if err != nil {
			return err
		}
		m.open = append(m.open, c)
		go m.talkUDP(c, answer) // ends with the close
	}
	return nil
}

// deaf has a machine answer no ping, or answer again.
func (m *machine) deaf(h *netlab.Host, it bool) error {
	if m.host == nil {
		return nil // it is a director's
	}
	value := map[bool]string{true: "1", false: "0"}[it]
	for _, key := range []string{"net/ipv4/icmp_echo_ignore_all", "net/ipv6/icmp/echo_ignore_all"} {
		if err := h.Sysctl(key, value); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// close ends everything the server serves, with its connections.
func (m *machine) close() error {
	for _, c := range m.open {
		c.Close()
	}
	m.open = nil
	if m.host == nil {
		return nil
	}
	return m.deaf(m.host, true)
}

// cure makes a machine serve as it should.
func (m *machine) cure() error {
	m.mood.Store(well)
	if len(m.open) > 0 {
		return nil
	}
	return m.serve(m.host)
}

// closeServers ends what the real servers serve.
func (s *stage) closeServers() {
	for _, m := range s.servers {
		for _, c := range m.open {
			c.Close()
		}
		m.open = nil
	}
}

// ports lists what a server serves, in a fixed order.
func (s *server) ports() []endpoint {
	return slices.SortedFunc(maps.Keys(s.sites), func(a, b endpoint) int { return int(a.port) - int(b.port) })
}
