package dump

import (
	"strings"

	"keepgo/confparse"
	"keepgo/internal/status"
)

// VRRP is keepalived.data.
func VRRP(w World) []byte {
	p := newPage(w)
	p.global(true)
	p.static()
	p.topology()
	p.groups()
	p.scripts()
	p.trackFiles()
	p.trackProcesses()
	p.interfaces()
	return p.text
}

// static adds what stands whatever the states are.
func (p *page) static() {
	if len(p.Config.StaticAddresses) > 0 {
		p.put(rule, "Static Addresses")
		for i := range p.Config.StaticAddresses {
			a := &p.Config.StaticAddresses[i]
			p.put("     %s set", address(a, a.Interface))
		}
	}
	for _, part := range []struct {
		title string
		lines []confparse.Line
	}{{"Static Routes", p.Config.StaticRoutes}, {"Static Rules", p.Config.StaticRules}} {
		if len(part.lines) > 0 {
			p.put(rule, part.title)
			for _, l := range part.lines {
				p.put("     %s", strings.Join(l.Words, " "))
			}
		}
	}
}

// topology adds the instances. One that the VRRP process does not know yet is
// in INIT.
func (p *page) topology() {
	if len(p.Config.Instances) == 0 {
		return
	}
	p.put(rule, "VRRP Topology")
	for _, c := range p.Config.Instances {
		in := p.instances[c.Name]
		if in == nil {
			in = &status.Instance{Name: c.Name, Interface: c.Interface, VRID: c.VRID, State: "INIT", Want: "INIT"}
		}
		p.instance(c, in)
	}
}

func (p *page) instance(c *confparse.Instance, in *status.Instance) {
	p.put(" VRRP Instance = %s", c.Name)
	p.put("   VRRP Version = %d", c.Version)
	p.when(c.IPv6, "   Using Native IPv6")
	for _, g := range p.Config.SyncGroups {
		for _, name := range g.Members {
			p.when(name == c.Name, "   Sync group = %s", g.Name)
		}
	}
	p.state(c, in)
	p.place(c, in)
	p.announcements(c)
	p.election(c, in)
	p.password(c)
	p.list("   Virtual IP (%d):", p.addresses(c, in, c.Addresses))
	p.list("   Virtual IP Excluded :", p.addresses(c, in, c.Excluded))
	p.unicast(c)
	p.list("   Virtual Routes :", in.Routes)
	p.list("   Virtual Rules :", in.Rules)
	p.tracks(c)
	p.put("   Using smtp notification = %s", yesNo(c.SMTPAlert))
	p.put("   Notify deleted = %s", choose(c.NotifyDeleted, "Deleted", "Fault"))
	p.notify(&c.Notify)
	p.put("   Notify priority changes = %s", trueFalse(c.NotifyPriorityChanges))
}

// state adds how the instance stands.
func (p *page) state(c *confparse.Instance, in *status.Instance) {
	fault := choose(in.State == "FAULT" && c.Unusable == "", "1", "0")
	p.put("   State = %s", in.State)
	if unicast := len(c.Peers) > 0; unicast {
		p.put("   Flags:")
		p.put("     Using unicast")
	} else {
		p.put("   Flags:%s", choose(device(c, in) != "", "", " none"))
	}
	p.put("   Wantstate = %s", in.Want)
	p.put("   Number of config faults = %s", choose(c.Unusable != "", "1", "0"))
	p.put("   Number of interface and track script faults = %s", fault)
	p.put("   Number of track scripts init = %s", choose(in.Pending && len(c.TrackScripts) > 0, "1", "0"))
	p.put("   Last transition = %s", moment(in.Since))
	if in.Deadline == nil {
		p.put("   Read timeout = DISABLED")
	} else {
		p.put("   Read timeout = %s", moment(*in.Deadline))
	}
	p.put("   Master down timer = %.0f usecs", in.Down*1e6)
}

// place adds where the instance is and what it is heard as.
func (p *page) place(c *confparse.Instance, in *status.Instance) {
	base, own := "", device(c, in)
	switch {
	case own != "" && c.IPVLAN != nil:
		p.put("   Use IPVLAN, i/f name %s, is_up = %s%s", own, trueFalse(p.up(own)), choose(c.VMAC.XmitBase, ", xmit base", ""))
		base = ", ipvlan on " + c.Interface
	case own != "":
		p.put("   Use VMAC, i/f name %s, is_up = %s, xmit_base = %s", own, trueFalse(p.up(own)), trueFalse(c.VMAC.XmitBase))
		base = ", vmac on " + c.Interface + choose(c.VMAC.XmitBase, ", xmit base i/f", "")
	}
	p.put("   Interface = %s%s", link(c, in), base)
	p.when(c.DontTrackPrimary, "   VRRP interface tracking disabled")
	p.when(c.SkipAddressCheck, "   Skip checking advert IP addresses")
	p.when(c.Strict, "   Enforcing strict VRRP compliance")
	p.put("   Using src_ip = %s%s", or(in.Source, "(none)"), choose(c.Source.IsValid(), " (from configuration)", ""))
	if len(c.Peers) == 0 {
		index := ""
		if c.IPv6 {
			index = ", ifindex " + p.index(c.Interface)
		}
		p.put("   Multicast address %s%s", c.Group, index)
	}
}

func (p *page) announcements(c *confparse.Instance) {
	p.put("   Gratuitous ARP delay = %d", seconds(c.GARP.Delay))
	p.put("   Gratuitous ARP repeat = %d", c.GARP.Repeat)
	p.put("   Gratuitous ARP refresh = %d", seconds(c.GARP.Refresh))
	p.put("   Gratuitous ARP refresh repeat = %d", c.GARP.RefreshRepeat)
	p.put("   Gratuitous ARP lower priority delay = %d", seconds(c.GARP.LowerDelay))
	p.put("   Gratuitous ARP lower priority repeat = %d", c.GARP.LowerRepeat)
	p.when(c.GARP.Extra > 0, "   Gratuitous ARP for each secondary %s = %ds", choose(c.GARP.ExtraAll, "i/f", "VMAC"), seconds(c.GARP.Extra))
	p.put("   Down timer adverts = %d", c.DownTimerAdverts)
	p.put("   Send advert after receive lower priority advert = %s", trueFalse(!c.LowerPriorityNoAdvert))
	p.put("   Send advert after receive higher priority advert = %s", trueFalse(c.HigherPrioritySend))
}

// election adds what decides who is master.
func (p *page) election(c *confparse.Instance, in *status.Instance) {
	p.put("   Virtual Router ID = %d", c.VRID)
	p.put("   Priority = %d", c.Priority)
	p.put("   Effective priority = %d", in.Priority)
	p.put("   Total priority = %d", in.Priority)
	if c.Version == 2 {
		p.put("   Advert interval = %d sec", seconds(c.AdvertInt))
	} else {
		p.put("   Advert interval = %d milli-sec", c.AdvertInt.Milliseconds())
		p.when(in.State == "BACKUP", "   Master advert interval = %.0f milli-sec", in.Heard.Interval*1e3)
	}
	if in.State == "BACKUP" {
		p.put("   Master priority = %d", in.Heard.Priority)
		p.when(in.Master != "", "   Master address = %s", in.Master)
	}
	p.put("   Accept = %s", enabled(c.Accept))
	p.put("   Preempt = %s", enabled(!c.NoPreempt))
	p.when(c.PreemptDelay > 0, "   Preempt delay = %g secs", c.PreemptDelay.Seconds())
	p.put("   Promote_secondaries = %s", enabled(c.PromoteSecondaries))
	p.when(c.DebugLevel > 0, "   Debug level = %d", c.DebugLevel)
}

func (p *page) password(c *confparse.Instance) {
	switch c.AuthType {
	case confparse.AuthPass:
		p.put("   Authentication type = SIMPLE_PASSWORD")
	case confparse.AuthAH:
		p.put("   Authentication type = IPSEC_AH")
	default:
		return
	}
	p.put("   Password = %s", secret)
}

func (p *page) unicast(c *confparse.Instance) {
	if len(c.Peers) == 0 {
		return
	}
	p.put("   Unicast TTL = %d", c.UnicastTTL)
	p.put("   Check unicast src : %s", yesNo(c.CheckPeer))
	p.put("   Unicast Peer :")
	for _, peer := range c.Peers {
		p.put("     %s min_ttl %d max_ttl %d", peer.Addr, peer.MinTTL, peer.MaxTTL)
	}
	p.put("   Unicast checksum compatibility = %s", [...]string{"no", "true", "never"}[c.OldUnicastChecksum])
}

// list adds a title and lines below it, unless there are none.
func (p *page) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	if strings.Contains(title, "%d") {
		p.put(title, len(lines))
	} else {
		p.put("%s", title)
	}
	for _, l := range lines {
		p.put("     %s", l)
	}
}

func (p *page) tracks(c *confparse.Instance) {
	p.tracked("Tracked interfaces", " ", c.TrackInterfaces)
	p.tracked("Tracked scripts", " ", c.TrackScripts)
	p.tracked("Tracked files", ", ", c.TrackFiles)
	p.tracked("Tracked processes", ", ", c.TrackProcesses)
	p.tracked("Tracked BFDs", " ", c.TrackBFDs)
}

func (p *page) tracked(title, between string, tracks []confparse.Track) {
	if len(tracks) == 0 {
		return
	}
	p.put("   %s :", title)
	for _, t := range tracks {
		p.put("     %s%sweight %d%s", t.Name, between, t.Weight, choose(t.Reverse, " reverse", ""))
	}
}

func (p *page) notify(n *confparse.Notify) {
	const indent = "   "
	p.script(indent, "Backup state transition", n.Backup)
	p.script(indent, "Master state transition", n.Master)
	p.script(indent, "Fault state transition", n.Fault)
	p.script(indent, "Stop state transition", n.Stop)
	p.script(indent, "Deleted state transition", n.Deleted)
	p.script(indent, "Master rx lower pri state transition", n.LowerPriority)
	p.script(indent, "Generic state transition", n.Any)
}
