package dump

import (
	"fmt"
	"net/netip"

	"keepgo/confparse"
)

// Link is a network interface of the host.
type Link struct {
	Name      string
	Index     int
	MTU       int
	MAC       string // "" for none
	Broadcast bool
	Loopback  bool
	Multicast bool
	Up        bool
	Running   bool
	Addr4     netip.Addr // its first address; the zero Addr for none
	Addr6     netip.Addr // its link-local one, else its first
}

func (p *page) find(name string) *Link {
	for i := range p.Links {
		if p.Links[i].Name == name {
			return &p.Links[i]
		}
	}
	return nil
}

// up tells whether an interface carries packets.
func (p *page) up(name string) bool {
	l := p.find(name)
	return l != nil && l.Up && l.Running
}

// index is the number of an interface.
func (p *page) index(name string) string {
	if l := p.find(name); l != nil {
		return fmt.Sprint(l.Index)
	}
	return "0"
}

// interfaces adds the interfaces of the host, and who tracks them.
func (p *page) interfaces() {
	p.put(rule, "Interfaces")
	for i := range p.Links {
		p.networkInterface(&p.Links[i])
	}
}

func (p *page) networkInterface(l *Link) {
	p.put(" Name = %s", l.Name)
	p.put("   index = %d", l.Index)
	p.put("   IPv4 address = %s", addressOr(l.Addr4))
	p.put("   IPv6 address = %s", addressOr(l.Addr6))
	if l.MAC != "" {
		p.put("   MAC = %s", l.MAC)
		p.put("   MAC broadcast = ff:ff:ff:ff:ff:ff")
	}
	p.put("   State = %s%s%s%s%s", choose(l.Up, "UP", "not UP"), choose(l.Running, ", RUNNING", ", not RUNNING"),
		choose(l.Broadcast, "", ", no broadcast"), choose(l.Loopback, ", loopback", ""), choose(l.Multicast, "", ", no multicast"))
	p.put("   MTU = %d", l.MTU)
	p.put("   HW Type = %s", choose(l.Loopback, "LOOPBACK", "ETHERNET"))
	p.trackers(l.Name)
}

func addressOr(a netip.Addr) string {
	if !a.IsValid() {
		return "(none)"
	}
	return a.String()
}

// trackers adds the instances that an interface matters to.
func (p *page) trackers(name string) {
	var lines []string
	for _, c := range p.Config.Instances {
		in := p.instances[c.Name]
		own := in != nil && device(c, in) == name
		if own || c.Interface == name {
			lines = append(lines, fmt.Sprintf("%s, weight %s", c.Name, choose(c.DontTrackPrimary, "255", "0")))
		}
		for _, t := range c.TrackInterfaces {
			if t.Name == name {
				lines = append(lines, weighed(c, t))
			}
		}
	}
	p.list("   Tracking VRRP instances :", lines)
}

func weighed(c *confparse.Instance, t confparse.Track) string {
	return fmt.Sprintf("%s, weight %d%s", c.Name, t.Weight, choose(t.Reverse, " reverse", ""))
}
