// Package importer writes a keepalived.conf that programs the IPVS table
// another tool programmed: ipvsadm's saved commands, or the variables of a
// health-check script.
package importer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"keepgo/internal/ipvsadm"
	"keepgo/ipvsctl"
)

// Source is what is imported.
type Source struct {
	Name  string // where it comes from, for the comment on top
	Table ipvsctl.Table
	Sorry map[ipvsctl.ServiceKey]Sorry // answers when no server does
}

// Sorry is a sorry server.
type Sorry struct {
	Key     ipvsctl.DestKey
	Forward uint8
}

// FromCommands reads what ipvsadm -S writes, as in /etc/sysconfig/ipvsadm.
// Empty lines, and lines that begin with #, count for nothing. The error names
// every line that cannot be taken.
func FromCommands(name, text string, names ipvsadm.Names) (Source, error) {
	src := Source{Name: name, Table: ipvsctl.Table{}}
	var errs []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if words[0] != "ipvsadm" {
			words = append([]string{"ipvsadm"}, words...)
		}
		c, err := ipvsadm.Parse(words, names)
		if err == nil {
			err = src.take(c)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %s", name, number, strings.TrimSpace(err.Error())))
		}
	}
	return src, errors.Join(errs...)
}

// take carries out one command on the table.
func (s *Source) take(c ipvsadm.Command) error {
	k := c.Key.Canonical()
	e, stands := s.Table[k]
	switch c.Verb {
	case ipvsadm.Add:
		s.Table[k] = ipvsctl.Entry{Service: c.Service.Canonical(k.IPv6), Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
	case ipvsadm.AddServer:
		if !stands {
			return fmt.Errorf("%s is not added before", k)
		}
		e.Destinations[c.Server] = c.Destination.Canonical()
	case ipvsadm.Clear:
		clear(s.Table)
	default:
		return fmt.Errorf("%s is nothing that ipvsadm saves", c.Verb)
	}
	return nil
}

// FromListing is a table as it stands in a kernel.
func FromListing(name string, list []ipvsadm.Listed) Source {
	src := Source{Name: name, Table: ipvsctl.Table{}}
	for _, l := range list {
		k := l.Key.Canonical()
		e := ipvsctl.Entry{Service: l.Service, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
		for _, s := range l.Servers {
			e.Destinations[s.Key] = s.Destination
		}
		src.Table[k] = e.Canonical(k)
	}
	return src
}

// Text is the configuration.
func (s Source) Text() string {
	w := &writer{}
	w.line("# Made by keepgo import from %s.", s.Name)
	w.line("# The table is the same; new are the checks. Look through the lines that begin with")
	w.line("# \"# TODO\", then: keepgo check FILE")
	keys := make([]ipvsctl.ServiceKey, 0, len(s.Table))
	for k := range s.Table {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, ipvsctl.ServiceKey.Compare)
	for _, k := range keys {
		w.service(k, s.Table[k], s.Sorry[k])
	}
	return w.String()
}

// writer writes lines with the indent of their block.
type writer struct {
	strings.Builder
	depth int
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(w, "%s%s\n", strings.Repeat("    ", w.depth), fmt.Sprintf(format, args...))
}

func (w *writer) block(head string, body func()) {
	w.line("%s {", head)
	w.depth++
	body()
	w.depth--
	w.line("}")
}

// Protocols with ports.
const (
	protocolTCP = 6
	protocolUDP = 17
)

func (w *writer) service(k ipvsctl.ServiceKey, e ipvsctl.Entry, sorry Sorry) {
	w.line("")
	head := fmt.Sprintf("virtual_server %s %d", k.Addr, k.Port)
	if k.FWMark != 0 {
		head = fmt.Sprintf("virtual_server fwmark %d", k.FWMark)
	}
	method, servers := common(e.Destinations), sortedServers(e.Destinations)
	w.block(head, func() {
		w.definition(k, e.Service)
		w.line("lvs_method %s", method)
		w.line("delay_loop 6            # seconds between two checks")
		w.sorry(k, sorry, method)
		for _, dk := range servers {
			w.server(k, dk, e.Destinations[dk], method)
		}
	})
}

func (w *writer) definition(k ipvsctl.ServiceKey, s ipvsctl.Service) {
	if k.FWMark == 0 {
		w.line("protocol %s", strings.ToUpper(ipvsctl.ProtocolName(k.Protocol)))
	} else if k.IPv6 {
		w.line("ip_family inet6")
	}
	w.line("lvs_sched %s", s.Scheduler)
	for _, flag := range strings.Fields(strings.ReplaceAll(ipvsadm.FlagNames(s.Scheduler, s.Flags), ",", " ")) {
		w.line("%s", flag)
	}
	if s.Flags&ipvsctl.FlagOnePacket != 0 {
		w.line("ops")
	}
	if s.Timeout == 0 {
		return
	}
	w.line("persistence_timeout %.0f", s.Timeout.Seconds())
	if mask := ipvsadm.MaskText(s, k.IPv6); mask != "" {
		w.line("persistence_granularity %s", mask)
	}
	if s.Engine != "" {
		w.line("persistence_engine %s", s.Engine)
	}
}

func (w *writer) sorry(k ipvsctl.ServiceKey, s Sorry, method string) {
	if !s.Key.Addr.IsValid() {
		if k.FWMark == 0 {
			w.line("# TODO: who answers when no server does? It says that the site is down:")
			w.line("# sorry_server 127.0.0.1 %d", k.Port)
		}
		return
	}
	w.line("sorry_server %s %d", s.Key.Addr, s.Key.Port)
	if m := methods[s.Forward]; m != method {
		w.line("sorry_server_lvs_method %s", m)
	}
}

func (w *writer) server(k ipvsctl.ServiceKey, dk ipvsctl.DestKey, d ipvsctl.Destination, method string) {
	w.block(fmt.Sprintf("real_server %s %d", dk.Addr, dk.Port), func() {
		w.line("weight %d", d.Weight)
		if m := forwarding(d); m != method {
			w.line("lvs_method %s", m)
		}
		if d.Upper != 0 {
			w.line("uthreshold %d", d.Upper)
		}
		if d.Lower != 0 {
			w.line("lthreshold %d", d.Lower)
		}
		w.check(k, dk)
	})
}

// check is one that takes a server out that does not answer. Where nothing is
// known of what a server says, an answer to a ping must do.
func (w *writer) check(k ipvsctl.ServiceKey, dk ipvsctl.DestKey) {
	if k.Protocol == protocolTCP && dk.Port != 0 {
		w.block("TCP_CHECK", func() {
			w.line("connect_timeout 3")
			w.line("retry 2")
			w.line("delay_before_retry 1")
		})
		return
	}
	w.line("# TODO: this tells only that the machine lives")
	w.block("PING_CHECK", func() {
		w.line("retry 2")
		w.line("delay_before_retry 1")
	})
}

var methods = map[uint8]string{ipvsctl.ForwardNAT: "NAT", ipvsctl.ForwardTunnel: "TUN", ipvsctl.ForwardDirect: "DR"}

// forwarding is the lvs_method of a server with its options.
func forwarding(d ipvsctl.Destination) string {
	name := cmp.Or(methods[d.Forward], "NAT")
	if d.Forward != ipvsctl.ForwardTunnel || d.TunnelType == 0 {
		return name
	}
	name += map[uint8]string{ipvsctl.TunnelGUE: fmt.Sprintf(" type gue port %d", d.TunnelPort), 2: " type gre"}[d.TunnelType]
	return name + [...]string{" nocsum", " csum", " remcsum"}[min(d.TunnelFlags, 2)]
}

// common is the lvs_method that most servers have.
func common(servers map[ipvsctl.DestKey]ipvsctl.Destination) string {
	count := map[string]int{}
	best := "DR"
	for _, dk := range sortedServers(servers) {
		m := forwarding(servers[dk])
		count[m]++
		if count[m] > count[best] {
			best = m
		}
	}
	return best
}

func sortedServers(servers map[ipvsctl.DestKey]ipvsctl.Destination) []ipvsctl.DestKey {
	keys := make([]ipvsctl.DestKey, 0, len(servers))
	for dk := range servers {
		keys = append(keys, dk)
	}
	slices.SortFunc(keys, ipvsctl.DestKey.Compare)
	return keys
}
