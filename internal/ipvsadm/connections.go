package ipvsadm

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"keepgo/ipvsctl"
)

// Connection is one line of /proc/net/ip_vs_conn.
type Connection struct {
	Word                         string // of the protocol: IP for a template of a mark
	Protocol                     uint8  // whose names ports have
	Client, Virtual, Destination netip.AddrPort
	State                        string
	Expires                      time.Duration
	Engine, EngineData           string // of persistence; "" for none
}

// ParseConnection reads one line of /proc/net/ip_vs_conn, as
// ip_vs_conn_seq_show of net/netfilter/ipvs/ip_vs_conn.c writes it.
func ParseConnection(line string) (c Connection, err error) {
	w := strings.Fields(line)
	if len(w) < 9 {
		return c, fmt.Errorf("a connection has at least 9 words, not %d: %q", len(w), line)
	}
	c.Word = w[0]
	for _, protocol := range []uint8{protocolTCP, protocolUDP, protocolSCTP} {
		if strings.EqualFold(w[0], ipvsctl.ProtocolName(protocol)) {
			c.Protocol = protocol
		}
	}
	for i, field := range []*netip.AddrPort{&c.Client, &c.Virtual, &c.Destination} {
		if *field, err = hexEndpoint(w[1+2*i], w[2+2*i]); err != nil {
			return c, fmt.Errorf("%w in the connection %q", err, line)
		}
	}
	seconds, err := strconv.Atoi(w[8])
	if err != nil {
		return c, fmt.Errorf("a time in seconds is expected, not %q, in the connection %q", w[8], line)
	}
	c.State, c.Expires = w[7], time.Duration(seconds)*time.Second
	if len(w) > 10 {
		c.Engine, c.EngineData = w[9], w[10]
	}
	return c, nil
}

// hexEndpoint reads an IPv4 address in hexadecimal, or an IPv6 address, and a
// port in hexadecimal.
func hexEndpoint(addr, port string) (netip.AddrPort, error) {
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("a port is expected, not %q,", port)
	}
	if strings.Contains(addr, ":") {
		a, err := netip.ParseAddr(strings.Trim(addr, "[]"))
		return netip.AddrPortFrom(a, uint16(n)), err
	}
	b, err := hex.DecodeString(addr)
	if err != nil || len(b) != 4 {
		return netip.AddrPort{}, fmt.Errorf("an address is expected, not %q,", addr)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), uint16(n)), nil
}

// ConnectionTitles are the lines above the connections.
func (p Printer) ConnectionTitles() string {
	const columns = "%-11s %-18s %-18s "
	words := []any{"state", "source", "virtual"}
	if p.Show.PersistentConn {
		return fmt.Sprintf("IPVS connection entries\npro expire "+columns+"%-18s %-16s %s\n", append(words, "destination", "pe name", "pe_data")...)
	}
	return fmt.Sprintf("IPVS connection entries\npro expire "+columns+"%s\n", append(words, "destination")...)
}

// Connection is the line of a connection.
func (p Printer) Connection(c Connection) string {
	name := func(a netip.AddrPort) string { return p.address(a.Addr(), a.Port(), c.Protocol) }
	seconds := int(c.Expires / time.Second)
	line := fmt.Sprintf("%-3s %-6s %-11s %-18s %-18s ", c.Word,
		fmt.Sprintf("%02d:%02d", seconds/60, seconds%60), c.State, name(c.Client), name(c.Virtual))
	if p.Show.PersistentConn && c.Engine != "" {
		return line + fmt.Sprintf("%-16s %-18s %s\n", name(c.Destination), c.Engine, c.EngineData)
	}
	return line + name(c.Destination) + "\n"
}
