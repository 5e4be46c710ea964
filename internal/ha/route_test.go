package ha

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"keepgo/confparse"
	"keepgo/vip"
)

var names = vip.Names{
	Tables: map[string]uint32{"main": 254}, Scopes: map[string]uint32{"link": 253}, Groups: map[string]uint32{"lan": 9},
}

func line(words string) confparse.Line { return confparse.Line{Words: strings.Fields(words)} }

// links are the interfaces an instance depends on.
func links(in *Instance) string {
	var all []string
	for _, t := range in.Links {
		all = append(all, t.Link)
	}
	return strings.Join(all, " ")
}

func TestTrackGroupTiesStaticEntries(t *testing.T) {
	address := func(link, group string, noTrack bool) confparse.Address {
		return confparse.Address{Prefix: netip.MustParsePrefix("10.9.0.1/24"), Interface: link, TrackGroup: group, NoTrack: noTrack}
	}
	cfg := &confparse.Config{
		Instances:       []*confparse.Instance{instance("A", 1), instance("B", 2), instance("C", 3)},
		TrackGroups:     []*confparse.TrackGroup{{Name: "G", Members: []string{"A", "nobody"}}, {Name: "H", Members: []string{"A", "B"}}},
		StaticAddresses: []confparse.Address{address("eth1", "G", false), address("eth2", "", false), address("eth3", "G", true)},
		StaticRoutes:    []confparse.Line{line("10.5.0.0/16 dev eth4 track_group H"), line("10.6.0.0/16 dev eth5"), line("10.7.0.0/16 dev eth6 track_group H no_track")},
		StaticRules:     []confparse.Line{line("iif eth7 table main track_group G preference 5")},
	}
	p := Build(cfg)
	if errs := p.Route(cfg, names); len(errs) > 0 {
		t.Fatal(errs)
	}
	for i, want := range []string{"eth0 eth1 eth4 eth7", "eth0 eth4", "eth0"} {
		if got := links(p.Instances[i]); got != want {
			t.Errorf("%s depends on %s, want %s", p.Instances[i].Name, got, want)
		}
	}
	d := newDesk(t, cfg, "eth0", "eth1", "eth4", "eth7")
	d.node = New(p)
	for i, name := range []string{"eth0", "eth1", "eth4", "eth7"} {
		d.step(Event{Kind: EventLink, Link: up(name, i+1)})
	}
	d.step(Event{Kind: EventStart})
	d.step(Event{Kind: EventLink, Link: Link{Name: "eth4", Index: 3, Exists: true}})
	if got := d.state(0) + d.state(1) + d.state(2); got != "FAULTFAULTBACKUP" {
		t.Errorf("without eth4: %s", got)
	}
}

func TestRoutesAreTracked(t *testing.T) {
	in := instance("A", 1)
	in.UseVMAC, in.DontTrackPrimary = true, true
	in.Routes = []confparse.Line{
		line("10.5.0.0/16 dev eth0"), line("10.6.0.0/16 via 10.0.0.9 dev eth1"), line("10.7.0.0/16 dev eth2 no_track"),
		line("10.8.0.0/16 dev vrrp.1"), line("10.9.0.0/16 nexthop via 10.0.0.8 nexthop via 10.0.0.7 dev eth3"),
	}
	cfg := &confparse.Config{Instances: []*confparse.Instance{in}}
	p := Build(cfg)
	if errs := p.Route(cfg, names); len(errs) > 0 {
		t.Fatal(errs)
	}
	if got := links(p.Instances[0]); got != "eth1 eth3" {
		t.Errorf("depends on %s", got)
	}
}

func TestLinkGroupByName(t *testing.T) {
	for group, want := range map[string]string{"": "0 false", "lan": "9 true", "0x10": "16 true", "wan": "0 false"} {
		in := instance("A", 1)
		in.UseVMAC, in.VMAC.Group = true, group
		cfg := &confparse.Config{Instances: []*confparse.Instance{in}}
		p := Build(cfg)
		errs := p.Route(cfg, names)
		if (len(errs) > 0) != (group == "wan") {
			t.Errorf("group %s: %v", group, errs)
		}
		d := p.Instances[0].Device
		if got := fmt.Sprint(d.Group, " ", d.OwnGroup); got != want {
			t.Errorf("group %s is %s, want %s", group, got, want)
		}
	}
}
