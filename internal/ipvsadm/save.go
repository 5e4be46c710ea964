package ipvsadm

import (
	"fmt"
	"strings"

	"keepgo/ipvsctl"
)

// Saved is the lines that make a service and its servers anew. As ipvsadm
// does, they leave out thresholds.
func (p Printer) Saved(l Listed) string {
	var b strings.Builder
	name := p.serviceOption(l.Key)
	fmt.Fprintf(&b, "-A %s -s %s", name, l.Scheduler)
	if l.Timeout > 0 {
		fmt.Fprintf(&b, " -p %.0f", l.Timeout.Seconds())
		if mask := MaskText(l.Service, l.Key.IPv6); mask != "" {
			b.WriteString(" -M " + mask)
		}
		if l.Engine != "" {
			b.WriteString(" --pe " + l.Engine)
		}
	}
	if l.Flags&ipvsctl.FlagOnePacket != 0 {
		b.WriteString(" -o")
	}
	if l.Flags&schedFlags != 0 {
		b.WriteString(" -b " + FlagNames(l.Scheduler, l.Flags))
	}
	b.WriteString("\n")
	for _, s := range l.Servers {
		fmt.Fprintf(&b, "-a %s -r %s %s -w %d%s\n", name, p.address(s.Key.Addr, s.Key.Port, l.Key.Protocol),
			forwardOption(s.Forward), int32(s.Weight), tunnelWords(s.Destination))
	}
	return b.String()
}

// serviceOption is a service as a command line names it.
func (p Printer) serviceOption(k ipvsctl.ServiceKey) string {
	if k.FWMark != 0 {
		option := fmt.Sprintf("-f %d", int32(k.FWMark))
		if k.IPv6 {
			option += " -6"
		}
		return option
	}
	option := map[uint8]string{protocolTCP: "-t", protocolUDP: "-u", protocolSCTP: "--sctp-service"}[k.Protocol]
	return option + " " + p.address(k.Addr, k.Port, k.Protocol)
}

func forwardOption(f uint8) string {
	switch f {
	case ipvsctl.ForwardNAT:
		return "-m"
	case ipvsctl.ForwardTunnel:
		return "-i"
	}
	return "-g"
}

func tunnelWords(d ipvsctl.Destination) string {
	if d.Forward != ipvsctl.ForwardTunnel || int(d.TunnelType) >= len(tunnelNames) {
		return ""
	}
	name := tunnelNames[d.TunnelType]
	text := " --tun-type " + name
	if name == "gue" {
		text += fmt.Sprintf(" --tun-port %d", d.TunnelPort)
	}
	switch {
	case name == "ipip":
		return text
	case d.TunnelFlags&tunnelCsum != 0:
		return text + " --tun-csum"
	case d.TunnelFlags&tunnelRemCsum != 0:
		return text + " --tun-remcsum"
	}
	return text + " --tun-nocsum"
}

// Timeouts is the line about timeouts of connections.
func Timeouts(t ipvsctl.Timeouts) string {
	return fmt.Sprintf("Timeout (tcp tcpfin udp): %.0f %.0f %.0f\n", t.TCP.Seconds(), t.TCPFin.Seconds(), t.UDP.Seconds())
}

// Daemons is the lines about the sync daemons that run.
func Daemons(all ipvsctl.Daemons) string {
	var b strings.Builder
	for _, role := range []ipvsctl.SyncRole{ipvsctl.SyncMaster, ipvsctl.SyncBackup} {
		if s, runs := all[role]; runs {
			fmt.Fprintf(&b, "%s sync daemon (mcast=%s, syncid=%d, maxlen=%d, group=%s, port=%d, ttl=%d)\n",
				role, s.Link, s.ID, s.MaxLen, s.Group, s.Port, s.TTL)
		}
	}
	return b.String()
}
