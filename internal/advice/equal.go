package advice

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// differ tells what must be equal in a virtual router and is not. It returns
// why the halves do not hear or heed each other, or "".
func (p *pairing) differ(d duel) (deaf string) {
	a, b := d[DirectorA], d[DirectorB]
	split := func(keyword []string, format string, args ...any) {
		why := fmt.Sprintf(format, args...)
		p.say(syntax.Failure, a.at(keyword...), pathOf(a.Instance), "adverts are lost: both become MASTER", "%s (%s)", why, b.place(keyword...))
		if deaf == "" {
			deaf = why
		}
	}
	switch {
	case a.Version != b.Version:
		split([]string{"version"}, "VRRP version %d, the peer has %d", a.Version, b.Version)
	case a.AdvertInt != b.AdvertInt && a.Version == 2:
		split([]string{"advert_int"}, "advert_int %s, the peer has %s", seconds(a.AdvertInt), seconds(b.AdvertInt))
	case a.AdvertInt != b.AdvertInt:
		p.say(syntax.Note, a.at("advert_int"), pathOf(a.Instance), "a backup takes the master's interval",
			"advert_int %s, the peer has %s (%s)", seconds(a.AdvertInt), seconds(b.AdvertInt), b.place("advert_int"))
	}
	if a.Version == 2 && b.Version == 2 {
		switch {
		case a.AuthType != b.AuthType:
			split([]string{"authentication", "auth_type"}, "auth_type %s, the peer has %s", auth(a.AuthType), auth(b.AuthType))
		case wire(a.AuthPass) != wire(b.AuthPass):
			split([]string{"authentication", "auth_pass"}, "auth_pass is not the peer's")
		}
	}
	p.paths(d, split)
	p.dropped(a, b, split)
	p.addressLists(d)
	p.roles(d)
	if deaf == "" && a.Priority == ownerPriority && b.Priority == ownerPriority {
		return "both have priority 255, and take the addresses whenever they start"
	}
	return deaf
}

func auth(t confparse.AuthType) string { return [...]string{"none", "PASS", "AH"}[t] }

// wire is what of a password travels: RFC 2338 section 5.3.10.
func wire(password string) string { return password[:min(len(password), 8)] }

// paths checks that the adverts of each reach the other.
func (p *pairing) paths(d duel, split func([]string, string, ...any)) {
	a, b := d[DirectorA], d[DirectorB]
	switch {
	case len(a.Peers) > 0 != (len(b.Peers) > 0):
		split([]string{"unicast_peer"}, "one sends unicast, the other multicast")
	case len(a.Peers) == 0 && a.Group != b.Group:
		split([]string{"mcast_dst_ip"}, "adverts go to %s, the peer's to %s", a.Group, b.Group)
	case len(a.Peers) > 0:
		p.reaches(a, b, split)
		p.reaches(b, a, split)
		if a.Source.IsValid() && a.Source == b.Source {
			split([]string{"unicast_src_ip"}, "unicast_src_ip %s is the peer's too", a.Source)
		}
	}
}

// reaches checks that one half sends to the other.
func (p *pairing) reaches(from, to *router, split func([]string, string, ...any)) {
	if !to.Source.IsValid() || slices.ContainsFunc(from.Peers, func(o confparse.Peer) bool { return o.Addr == to.Source }) {
		return
	}
	split([]string{"unicast_peer"}, "unicast_src_ip %s (%s) is no unicast_peer of %s", to.Source, to.place("unicast_src_ip"), from.place("unicast_peer"))
}

// addressLists compares the announced and the excluded addresses, in any order.
func (p *pairing) addressLists(d duel) {
	a, b := d[DirectorA], d[DirectorB]
	p.addressList(d, "virtual_ipaddress", a.Addresses, b.Addresses)
	p.addressList(d, "virtual_ipaddress_excluded", a.Excluded, b.Excluded)
}

func (p *pairing) addressList(d duel, keyword string, as, bs []confparse.Address) {
	a, b := d[DirectorA], d[DirectorB]
	onlyA, onlyB := missing(as, bs), missing(bs, as)
	for _, m := range []struct {
		list []string
		has  *router
		not  *router
	}{{onlyA, a, b}, {onlyB, b, a}} {
		if len(m.list) > 0 {
			p.say(syntax.Warning, a.at(keyword), pathOf(a.Instance), "an address that one director lacks is gone while that one is MASTER",
				"%s: %s is in %s and not in %s", keyword, some(m.list), m.has.place(keyword), m.not.place(keyword))
		}
	}
	if len(onlyA)+len(onlyB) > 0 {
		return
	}
	length := map[netip.Addr]confparse.Address{}
	for _, v := range bs {
		length[v.Prefix.Addr()] = v
	}
	for _, v := range as {
		if o := length[v.Prefix.Addr()]; o.Prefix.Bits() != v.Prefix.Bits() {
			p.say(syntax.Note, spot{v.Pos, len(v.Prefix.String())}, pathOf(a.Instance), "", "%s, the peer has %s (%s)", v.Prefix, o.Prefix, b.file.place(spot{Pos: o.Pos}))
		}
	}
}

// dropped tells of adverts that are lost because their addresses differ.
func (p *pairing) dropped(a, b *router, split func([]string, string, ...any)) {
	if len(missing(a.Addresses, b.Addresses))+len(missing(b.Addresses, a.Addresses)) == 0 {
		return
	}
	for _, r := range []*router{a, b} {
		if r.DropMismatch {
			split([]string{"vip_mismatch"}, "%s drops adverts with other addresses (vip_mismatch drop), and the lists differ", r.Name)
		}
	}
}

// missing lists the addresses that the second list lacks.
func missing(has, lacks []confparse.Address) (list []string) {
	set := map[netip.Addr]bool{}
	for _, a := range lacks {
		set[a.Prefix.Addr()] = true
	}
	for _, a := range has {
		if !set[a.Prefix.Addr()] {
			list = append(list, a.Prefix.Addr().String())
		}
	}
	return list
}

// roles looks at priorities, preemption and groups.
func (p *pairing) roles(d duel) {
	a, b := d[DirectorA], d[DirectorB]
	switch {
	case a.Priority == ownerPriority && b.Priority == ownerPriority:
		p.say(syntax.Warning, a.at("priority"), pathOf(a.Instance), "only one router can own the addresses", "both have priority 255 (%s)", b.place("priority"))
	case a.Priority == b.Priority && a.healthy() == b.healthy():
		p.say(syntax.Note, a.at("priority"), pathOf(a.Instance), "", "both have priority %d (%s): who is MASTER first stays it; at once, the higher address wins", a.Priority, b.place("priority"))
	case (a.Priority > b.Priority) != (a.healthy() > b.healthy()):
		p.say(syntax.Note, a.at("priority"), pathOf(a.Instance), "", "the weights turn the roles while all is well: priority %d becomes %d, the peer's %d becomes %d (%s)",
			a.Priority, a.healthy(), b.Priority, b.healthy(), b.place("priority"))
	}
	if a.Master && b.Master {
		p.say(syntax.Note, a.at("state"), pathOf(a.Instance), "use 'state BACKUP' on one or both", "both start with state MASTER (%s); the priority decides", b.place("state"))
	}
	if (a.group == nil) != (b.group == nil) || a.group != nil && len(a.group.Members) != len(b.group.Members) {
		p.say(syntax.Warning, a.at(), pathOf(a.Instance), "make the groups of both directors alike",
			"%s is in %s, the peer's %s is in %s (%s)", a.Name, groupName(a), b.Name, groupName(b), b.place())
	}
}

func groupName(r *router) string {
	if r.group == nil {
		return "no vrrp_sync_group"
	}
	return fmt.Sprintf("vrrp_sync_group %s { %s }", r.group.Name, strings.Join(r.group.Members, " "))
}
