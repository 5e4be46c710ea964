package tool

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"keepgo/ipvsctl"
)

// lookupTime bounds the search for one name.
const lookupTime = 5 * time.Second

// SystemNames are the names of this machine: /etc/services, and the resolver
// with /etc/hosts. What was asked once is remembered.
type SystemNames struct {
	once  sync.Once
	ports []portName
	hosts map[netip.Addr]string
}

// portName is one line of /etc/services.
type portName struct {
	port     uint16
	protocol string
	names    []string
}

// Host is the first IPv4 address of a name.
func (n *SystemNames) Host(name string) (netip.Addr, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
	if err != nil || len(all) == 0 {
		return netip.Addr{}, false
	}
	return all[0].Unmap(), true
}

// HostName is the first name of an address, or "".
func (n *SystemNames) HostName(a netip.Addr) string {
	if name, known := n.hosts[a]; known {
		return name
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	name := ""
	if all, err := net.DefaultResolver.LookupAddr(ctx, a.String()); err == nil && len(all) > 0 {
		name = strings.TrimSuffix(all[0], ".")
	}
	if n.hosts == nil {
		n.hosts = map[netip.Addr]string{}
	}
	n.hosts[a] = name
	return name
}

// Port is the port of a service by its name, or one of its other names.
func (n *SystemNames) Port(name string, protocol uint8) (uint16, bool) {
	for _, p := range n.services() {
		if p.protocol == ipvsctl.ProtocolName(protocol) && slices.Contains(p.names, name) {
			return p.port, true
		}
	}
	return 0, false
}

// PortName is the name of a port, or "".
func (n *SystemNames) PortName(port uint16, protocol uint8) string {
	for _, p := range n.services() {
		if p.port == port && p.protocol == ipvsctl.ProtocolName(protocol) {
			return p.names[0]
		}
	}
	return ""
}

// services reads /etc/services (services(5)): name, port/protocol, other names.
func (n *SystemNames) services() []portName {
	n.once.Do(func() {
		f, err := os.Open("/etc/services")
		if err != nil {
			return // then ports have no names
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			text, _, _ := strings.Cut(lines.Text(), "#")
			w := strings.Fields(text)
			if len(w) < 2 {
				continue
			}
			number, protocol, _ := strings.Cut(w[1], "/")
			if port, err := strconv.ParseUint(number, 10, 16); err == nil {
				n.ports = append(n.ports, portName{uint16(port), protocol, append(w[:1:1], w[2:]...)})
			}
		}
	})
	return n.ports
}
