package ipvsadm

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"keepgo/ipvsctl"
)

// Listed is a service with its servers, in the order of the kernel.
type Listed struct {
	ipvsctl.ServiceListing
	Servers []ipvsctl.ServerListing
}

// Printer makes the texts of ipvsadm.
type Printer struct {
	Show  Show
	Names Names // asked unless Show is Numeric
}

// Order puts services into the order they are shown in, and their servers.
func (p Printer) Order(list []Listed) []Listed {
	if p.Show.Nosort {
		return list
	}
	list = sorted(list, func(a, b Listed) int32 { return compareServices(a.ServiceListing, b.ServiceListing) })
	for i := range list {
		list[i].Servers = sorted(list[i].Servers, compareServers)
	}
	return list
}

// Banner is the line above the whole table: the version of IPVS and how many
// buckets its table of connections has.
func Banner(version [3]int, size int) string {
	return fmt.Sprintf("IP Virtual Server version %d.%d.%d (size=%d)\n", version[0], version[1], version[2], size)
}

// Titles are the headings of the columns.
func (p Printer) Titles() string {
	columns := func(format string, words ...any) string {
		return fmt.Sprintf("%-33s"+format+"\n  -> RemoteAddress:Port\n", append([]any{"Prot LocalAddress:Port"}, words...)...)
	}
	switch s := p.Show; {
	case s.Stats:
		return columns(" %8s %8s %8s %8s %8s", "Conns", "InPkts", "OutPkts", "InBytes", "OutBytes")
	case s.Rate:
		return columns(" %8s %8s %8s %8s %8s", "CPS", "InPPS", "OutPPS", "InBPS", "OutBPS")
	case s.Thresholds:
		return columns(" %-10s %-10s %-10s %-10s", "Uthreshold", "Lthreshold", "ActiveConn", "InActConn")
	case s.PersistentConn:
		return columns(" %-9s %-11s %-10s %-10s", "Weight", "PersistConn", "ActiveConn", "InActConn")
	case s.TunInfo:
		return "Prot LocalAddress:Port Scheduler Flags\n" +
			"  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
	}
	return "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
}

// Service is the lines of a service and its servers.
func (p Printer) Service(l Listed) string {
	var b strings.Builder
	name := p.service(l.Key)
	switch {
	case p.Show.Stats:
		fmt.Fprintf(&b, "%-33s%s\n", name, p.totals(l.Counters))
	case p.Show.Rate:
		fmt.Fprintf(&b, "%-33s%s\n", name, p.rates(l.Counters))
	default:
		fmt.Fprintf(&b, "%s %s%s\n", name, l.Scheduler, traits(l))
	}
	for _, s := range l.Servers {
		b.WriteString(p.server(l.Key.Protocol, s))
	}
	return b.String()
}

// service is the name of a service: its protocol and address, or its mark.
func (p Printer) service(k ipvsctl.ServiceKey) string {
	switch {
	case k.FWMark != 0 && k.IPv6:
		return fmt.Sprintf("FWM  %d IPv6", int32(k.FWMark))
	case k.FWMark != 0:
		return fmt.Sprintf("FWM  %d", int32(k.FWMark))
	}
	return fmt.Sprintf("%-4s %s", strings.ToUpper(ipvsctl.ProtocolName(k.Protocol)), p.address(k.Addr, k.Port, k.Protocol))
}

// traits are what is special about a service.
func traits(l Listed) string {
	var b strings.Builder
	if l.Flags&schedFlags != 0 {
		fmt.Fprintf(&b, " (%s)", FlagNames(l.Scheduler, l.Flags))
	}
	if l.Timeout > 0 {
		fmt.Fprintf(&b, " persistent %.0f", l.Timeout.Seconds())
		if mask := MaskText(l.Service, l.Key.IPv6); mask != "" {
			b.WriteString(" mask " + mask)
		}
		if l.Engine != "" {
			b.WriteString(" pe " + l.Engine)
		}
	}
	if l.Flags&ipvsctl.FlagOnePacket != 0 {
		b.WriteString(" ops")
	}
	return b.String()
}

// FlagNames are the flags of a scheduler, parted by commas.
func FlagNames(scheduler string, flags uint32) string {
	names := []string{"flag-1", "flag-2", "flag-3"}
	if scheduler == "sh" || scheduler == "mh" {
		names = []string{scheduler + "-fallback", scheduler + "-port"}
	}
	var set []string
	for i, name := range names {
		if flags&(flagSched1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, ",")
}

// MaskText is the granularity of persistence, or "" for every bit.
func MaskText(s ipvsctl.Service, ipv6 bool) string {
	switch {
	case ipv6 && s.PrefixLen != 0:
		return strconv.Itoa(int(s.PrefixLen))
	case !ipv6 && s.Netmask4 != [4]byte{}:
		return netip.AddrFrom4(s.Netmask4).String()
	}
	return ""
}

func (p Printer) server(protocol uint8, s ipvsctl.ServerListing) string {
	name := fmt.Sprintf("  -> %-28s", p.address(s.Key.Addr, s.Key.Port, protocol))
	switch show := p.Show; {
	case show.Stats:
		return name + p.totals(s.Counters) + "\n"
	case show.Rate:
		return name + p.rates(s.Counters) + "\n"
	case show.Thresholds:
		return fmt.Sprintf("%s %-10d %-10d %-10d %-10d\n", name, s.Upper, s.Lower, s.Active, s.Inactive)
	case show.PersistentConn:
		return fmt.Sprintf("%s %-9d %-11d %-10d %-10d\n", name, s.Weight, s.Persistent, s.Active, s.Inactive)
	case show.TunInfo:
		return fmt.Sprintf("%s %-7s %-13s %-6d %-10d %-10d\n", name, forwardName(s.Forward), tunnelInfo(s.Destination), s.Weight, s.Active, s.Inactive)
	}
	return fmt.Sprintf("%s %-7s %-6d %-10d %-10d\n", name, forwardName(s.Forward), s.Weight, s.Active, s.Inactive)
}

// Forwarding methods of linux/ip_vs.h that no command line asks for.
const (
	forwardLocal  = 1 // IP_VS_CONN_F_LOCALNODE
	forwardBypass = 4 // IP_VS_CONN_F_BYPASS
)

func forwardName(f uint8) string {
	switch f {
	case ipvsctl.ForwardNAT:
		return "Masq"
	case forwardLocal:
		return "Local"
	case ipvsctl.ForwardTunnel:
		return "Tunnel"
	case ipvsctl.ForwardDirect:
		return "Route"
	}
	return ""
}

// tunnelInfo is the kind of a tunnel, its port and how it sums.
func tunnelInfo(d ipvsctl.Destination) string {
	if d.Forward != ipvsctl.ForwardTunnel || int(d.TunnelType) >= len(tunnelNames) {
		return "n/a"
	}
	sum := "-c"
	switch {
	case d.TunnelFlags&tunnelCsum != 0:
		sum = "+c"
	case d.TunnelFlags&tunnelRemCsum != 0:
		sum = "r+c"
	}
	switch name := tunnelNames[d.TunnelType]; name {
	case "gue":
		return fmt.Sprintf("gue:%d:%s", d.TunnelPort, sum)
	case "gre":
		return "gre:" + sum
	default:
		return name
	}
}

// address is an address with its port, by name unless numbers are asked for.
func (p Printer) address(a netip.Addr, port uint16, protocol uint8) string {
	host, service := "", ""
	if !p.Show.Numeric {
		host, service = p.Names.HostName(a), p.Names.PortName(port, protocol)
	}
	if host == "" {
		host = a.String()
	}
	if service == "" {
		service = strconv.Itoa(int(port))
	}
	if a.Is6() {
		host = "[" + host + "]"
	}
	return host + ":" + service
}

func (p Printer) totals(c ipvsctl.Counters) string {
	return p.counts(c.Connections, c.PacketsIn, c.PacketsOut, c.BytesIn, c.BytesOut)
}

func (p Printer) rates(c ipvsctl.Counters) string {
	return p.counts(c.ConnectionRate, c.PacketRateIn, c.PacketRateOut, c.ByteRateIn, c.ByteRateOut)
}

func (p Printer) counts(all ...uint64) string {
	var b strings.Builder
	for _, n := range all {
		if p.Show.Exact {
			fmt.Fprintf(&b, " %8d", n)
		} else {
			b.WriteString(short(n))
		}
	}
	return b.String()
}

// short is a number in nine columns.
func short(n uint64) string {
	switch {
	case n < 100_000_000:
		return fmt.Sprintf("%9d", n)
	case n < 1_000_000_000:
		return fmt.Sprintf("%8dK", n/1000)
	case n < 100_000_000_000:
		return fmt.Sprintf("%8dM", n/1_000_000)
	case n < 100_000_000_000_000:
		return fmt.Sprintf("%8dG", n/1_000_000_000)
	}
	return fmt.Sprintf("%8dT", n/1_000_000_000_000)
}
