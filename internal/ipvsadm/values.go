package ipvsadm

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of numbers.
const (
	maxInt       = math.MaxInt32
	maxUint16    = math.MaxUint16
	maxUint32    = math.MaxUint32
	maxTimeout   = 31 * 86400          // seconds
	maxSyncLen   = math.MaxUint16 - 28 // what IPv4 and UDP leave of a packet
	maxInterface = 15                  // IFNAMSIZ of linux/if.h, less the final 0
	maxName      = 15                  // IP_VS_SCHEDNAME_MAXLEN and IP_VS_PENAME_MAXLEN of linux/ip_vs.h, less the same
)

// number reads a number as strtol(3) does, in base 10; otherwise the message
// says what is wrong.
func number(text string, least, most uint64, message string) (uint32, error) {
	digits := strings.TrimPrefix(strings.TrimLeft(text, " \t\n\v\f\r"), "+")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n < least || n > most {
		return 0, failf("%s", message)
	}
	return uint32(n), nil
}

// Names is how hosts and ports are called.
type Names interface {
	// Host is the IPv4 address of a name.
	Host(name string) (netip.Addr, bool)
	// Port is the port of a service's name.
	Port(name string, protocol uint8) (uint16, bool)
	// HostName is the name of an address, or "".
	HostName(netip.Addr) string
	// PortName is the name of a port, or "".
	PortName(port uint16, protocol uint8) string
}

// endpoint is an address with its port, if it has one.
type endpoint struct {
	addr   netip.Addr
	port   uint16
	ported bool
}

// parseAddress reads host, host:port or [IPv6]:port.
func parseAddress(text string, protocol uint8, names Names) (e endpoint, ok bool) {
	if digits(text) {
		return e, false
	}
	host, port, bracketed := text, "", false
	if strings.HasPrefix(text, "[") {
		host, port, bracketed = strings.Cut(text[1:], "]")
		if !bracketed || !strings.HasPrefix(port, ":") {
			return e, false
		}
		port = port[1:]
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() && !a.Is4In6() && a.Zone() == "" {
		e.addr, e.ported = a, bracketed
	} else if e, port, ok = ipv4(host, names); !ok {
		return e, false
	}
	if e.ported {
		e.port, ok = parsePort(port, protocol, names)
		return e, ok
	}
	return e, true
}

// ipv4 reads host[:port]; inside brackets there is no port.
func ipv4(text string, names Names) (e endpoint, port string, ok bool) {
	host := text
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		host, port, e.ported = text[:i], text[i+1:], true
	}
	if e.addr, ok = quad(host); !ok && host != "" {
		e.addr, ok = names.Host(host)
	}
	return e, port, ok
}

func digits(text string) bool { return strings.Trim(text, "0123456789") == "" }

func parsePort(text string, protocol uint8, names Names) (uint16, bool) {
	if n, err := number(text, 0, maxUint16, ""); err == nil {
		return uint16(n), true
	}
	return names.Port(text, protocol)
}

// quad reads an IPv4 address as inet_aton(3) does: one to four numbers in
// decimal, octal or hexadecimal, of which the last fills what is left.
func quad(text string) (netip.Addr, bool) {
	if i := strings.IndexAny(text, " \t\n\v\f\r"); i > 0 {
		text = text[:i] // what is behind a blank does not count
	}
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var all uint64
	for i, part := range parts {
		most, shift := uint64(255), 8*(3-i)
		if i == len(parts)-1 {
			most, shift = 1<<(8*(5-len(parts)))-1, 0
		}
		n, ok := component(part)
		if !ok || n > most {
			return netip.Addr{}, false
		}
		all |= n << shift
	}
	return netip.AddrFrom4([4]byte{byte(all >> 24), byte(all >> 16), byte(all >> 8), byte(all)}), true
}

// component reads one number of an address: 0x begins a hexadecimal one, 0 an
// octal one.
func component(part string) (uint64, bool) {
	base, digits := 10, part
	if lower := strings.ToLower(part); strings.HasPrefix(lower, "0x") {
		base, digits = 16, lower[2:]
	} else if len(part) > 1 && part[0] == '0' {
		base = 8
	}
	n, err := strconv.ParseUint(digits, base, 32)
	return n, err == nil
}
