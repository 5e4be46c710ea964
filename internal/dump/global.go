package dump

import (
	"fmt"
	"time"

	"keepgo/confparse"
)

// rule is the title of a part.
const rule = "------< %s >------"

// Parent is keepalived_parent.data.
func Parent(w World) []byte {
	p := newPage(w)
	p.global(false)
	return p.text
}

// global adds global_defs. Only the VRRP process tells of default_interface.
func (p *page) global(vrrp bool) {
	g := &p.Config.Global
	p.put(rule, "Global definitions")
	p.names(g)
	p.mail(g)
	p.lvs(g, vrrp)
	p.protocol(g)
	p.firewall(g)
	p.priorities(g)
	p.outlets(g)
	p.buffers(g)
	p.put(" umask = 0%o", p.Umask)
}

// names adds who the daemon is.
func (p *page) names(g *confparse.Global) {
	p.put(" Network namespace = %s", or(p.Namespace, "(default)"))
	ipvs := "(main namespace)"
	if g.NamespaceIPVS != nil {
		ipvs = or(*g.NamespaceIPVS, "(default)")
	}
	p.put(" Network namespace ipvs = %s", ipvs)
	p.when(g.InstanceName != "", " Instance name = %s", g.InstanceName)
	p.when(g.Parent.Name != "", " Parent process name = %s", g.Parent.Name)
	for _, n := range []struct{ what, name, usual string }{
		{"VRRP", g.VRRP.Name, "keepalived_vrrp"}, {"LVS", g.Checker.Name, "keepalived_ipvs"}, {"BFD", g.BFD.Name, "keepalived_bfd"},
	} {
		if g.ProcessNames {
			n.name = or(n.name, n.usual)
		}
		p.when(n.name != "", " %s process name = %s", n.what, n.name)
	}
	p.put(" Router ID = %s", or(g.RouterID, p.HostName))
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// mail adds who is written to.
func (p *page) mail(g *confparse.Global) {
	if g.SMTPServer != "" {
		p.put(" Smtp server = %s", g.SMTPServer)
		p.put(" Smtp server port = %d", g.SMTPPort)
	}
	if len(g.NotificationEmail) > 0 {
		p.put(" Smtp HELO name = %s", or(g.SMTPHelo, p.HostName))
		p.put(" Smtp server connection timeout = %d", seconds(g.SMTPTimeout))
		p.put(" Email notification from = %s", g.EmailFrom)
		p.put(" Email notification to:")
		for _, a := range g.NotificationEmail {
			p.put("   %s", a)
		}
	}
	d := &g.Defaults
	p.put(" Default smtp_alert = %s", setting(d.Alert))
	p.put(" Default smtp_alert_vrrp = %s", setting(d.AlertVRRP))
	p.put(" Default smtp_alert_checker = %s", setting(d.AlertChecker))
	p.put(" Checkers log all failures = %s", trueFalse(d.LogAllFailures))
	p.put(" %s test config before reload", choose(g.Reload.Check, "Will", "No"))
}

func setting(b *bool) string {
	if b == nil {
		return "unset"
	}
	return choose(*b, "on", "off")
}

// lvs adds what concerns IPVS as a whole, and the pipes.
func (p *page) lvs(g *confparse.Global, vrrp bool) {
	p.put(" Dynamic interfaces = %s", trueFalse(g.DynamicInterfaces))
	p.when(vrrp, " Default interface = %s", g.DefaultInterface)
	for _, t := range []struct {
		name string
		d    time.Duration
	}{{"TCP", g.LVSTimeouts.TCP}, {"TCP FIN", g.LVSTimeouts.TCPFin}, {"UDP", g.LVSTimeouts.UDP}} {
		p.when(t.d > 0, " LVS %s timeout = %d", t.name, seconds(t.d))
	}
	p.put(" Disable local IGMP = %s", yesNo(g.DisableLocalIGMP))
	p.put(" LVS flush = %s", trueFalse(g.LVSFlush))
	p.put(" LVS flush on stop = %s", choose(g.LVSFlushOnStop, choose(g.LVSFlushVS, "VS", "full"), "disabled"))
	for _, f := range []struct {
		name string
		fifo *confparse.FIFO
	}{{"Global", &g.NotifyFIFO}, {"VRRP", &g.VRRPNotifyFIFO}, {"LVS", &g.LVSNotifyFIFO}} {
		if f.fifo.Path != "" {
			uid, gid := p.ids(or(f.fifo.User, "root"), f.fifo.Group)
			p.put(" %s notify fifo = %s, uid:gid %d:%d", f.name, f.fifo.Path, uid, gid)
			p.script(" ", f.name+" notify fifo", f.fifo.Script)
		}
	}
	p.put(" FIFO write vrrp states on reload = %s", trueFalse(g.FIFOOnReload))
	p.put(" VRRP notify priority changes = %s", trueFalse(g.Defaults.NotifyPriorityChanges))
}

// protocol adds how VRRP is spoken.
func (p *page) protocol(g *confparse.Global) {
	d := &g.Defaults
	p.put(" VRRP IPv4 mcast group = %s", g.Group4)
	p.put(" VRRP IPv6 mcast group = %s", g.Group6)
	p.put(" Gratuitous ARP delay = %d", seconds(d.GARP.Delay))
	p.put(" Gratuitous ARP repeat = %d", d.GARP.Repeat)
	p.put(" Gratuitous ARP refresh timer = %d", seconds(d.GARP.Refresh))
	p.put(" Gratuitous ARP refresh repeat = %d", d.GARP.RefreshRepeat)
	p.put(" Gratuitous ARP lower priority delay = %d", seconds(d.GARP.LowerDelay))
	p.put(" Gratuitous ARP lower priority repeat = %d", d.GARP.LowerRepeat)
	p.put(" Num adverts before down = %d", d.DownTimerAdverts)
	p.put(" Gratuitous ARP for each secondary %s = %ds", choose(d.GARP.ExtraAll, "i/f", "VMAC"), seconds(d.GARP.Extra))
	p.put(" Send advert after receive lower priority advert = %s", trueFalse(!d.LowerPriorityNoAdvert))
	p.put(" Send advert after receive higher priority advert = %s", trueFalse(d.HigherPrioritySend))
	p.put(" Gratuitous ARP interval = %f", d.GARP.Interval.Seconds())
	p.put(" Gratuitous NA interval = %f", d.GARP.GNAInterval.Seconds())
	p.put(" VRRP default protocol version = %d", g.VRRPVersion)
}

// firewall adds nftables, and what follows it.
func (p *page) firewall(g *confparse.Global) {
	if p.usesFirewall() {
		p.put(" nftables table name = %s", or(g.NFTables.Table, "keepalived"))
		p.put(" nftables base chain priority = %d", g.NFTables.Priority)
		p.put(" nftables %sforce use ifindex for link local IPv6", choose(g.NFTables.IfIndex, "", "don't "))
	}
	p.put(" nftables with%s counters", choose(g.NFTables.Counters, "", "out"))
	p.put(" VRRP check unicast_src = %s", trueFalse(g.Defaults.CheckPeer))
	p.put(" VRRP skip check advert addresses = %s", trueFalse(g.Defaults.SkipAddressCheck))
	p.put(" VRRP strict mode = %s", trueFalse(g.Defaults.Strict))
	p.put(" Max auto priority = %d", g.MaxAutoPriority)
	p.put(" Min auto priority delay = %d usecs", g.MinAutoPriorityDelay.Microseconds())
}

func (p *page) usesFirewall() bool {
	if p.Config.Global.NFTables.Table != "" {
		return true
	}
	for _, in := range p.Config.Instances {
		if in.UseVMAC || !in.Accept {
			return true
		}
	}
	return false
}

// priorities adds how the processes run.
func (p *page) priorities(g *confparse.Global) {
	for _, c := range []struct {
		name string
		how  *confparse.Process
	}{{"VRRP", &g.VRRP}, {"Checker", &g.Checker}, {"BFD", &g.BFD}} {
		nice := 0
		if c.how.Nice != nil {
			nice = *c.how.Nice
		}
		p.put(" %s process priority = %d", c.name, nice)
		p.put(" %s don't swap = %s", c.name, trueFalse(c.how.NoSwap))
		p.put(" %s realtime priority = %d", c.name, c.how.RTPriority)
		if len(c.how.CPUs) > 0 {
			list := ""
			for _, n := range c.how.CPUs {
				list += fmt.Sprintf(" %d", n)
			}
			p.put(" %s CPU Affinity =%s", c.name, list)
		}
		p.put(" %s realtime limit = %d", c.name, c.how.RTTime.Microseconds())
	}
}

// outlets adds SNMP, D-Bus and scripts.
func (p *page) outlets(g *confparse.Global) {
	for _, s := range []struct {
		name string
		on   bool
	}{{"vrrp", g.SNMP.VRRP}, {"checker", g.SNMP.Checker}, {"RFCv2", g.SNMP.RFCv2}, {"RFCv3", g.SNMP.RFCv3}, {"traps", g.SNMP.Traps}} {
		p.put(" SNMP %s %s", s.name, enabled(s.on))
	}
	p.put(" SNMP socket = %s", or(g.SNMP.Socket, "default (unix:/var/agentx/master)"))
	p.put(" DBus %s", enabled(g.DBus.Enabled))
	p.put(" DBus service name = %s", choose(g.DBus.Enabled, g.DBus.Service, ""))
	p.put(" Script security %s", enabled(g.ScriptSecurity))
	uid, gid := p.ids("", "")
	p.put(" Default script uid:gid %d:%d", uid, gid)
}

// buffers adds the receive buffers of sockets. keepalived writes 0 for those
// that nobody set.
func (p *page) buffers(g *confparse.Global) {
	for _, b := range []struct {
		name string
		buf  confparse.NetlinkBuffer
	}{
		{"vrrp_netlink_cmd", g.VRRPCommandBuffer}, {"vrrp_netlink_monitor", g.VRRPMonitorBuffer}, {"process_monitor", g.ProcessBuffer},
		{"lvs_netlink_cmd", g.LVSCommandBuffer}, {"lvs_netlink_monitor", g.LVSMonitorBuffer},
	} {
		if b.buf == (confparse.NetlinkBuffer{Bytes: 64 << 10}) {
			b.buf.Bytes = 0
		}
		p.put(" %s_rcv_bufs = %d", b.name, b.buf.Bytes)
		p.put(" %s_rcv_bufs_force = %s", b.name, choose(b.buf.Force, "1", "0"))
	}
	p.put(" rs_init_notifies = %s", choose(g.RSInitNotifies, "1", "0"))
	p.put(" no_checker_emails = %s", choose(g.NoCheckerEmails, "1", "0"))
	p.put(" rx_bufs_multiples = %d", g.ReceiveBuffer.Multiplier)
}
