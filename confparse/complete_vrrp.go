package confparse

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"keepgo/confparse/syntax"
)

const (
	defaultInterval = time.Second // of a script and of adverts

	// Bounds of the advert interval: one octet of seconds in version 2 (RFC
	// 3768 section 5.3.7), twelve bits of centiseconds in version 3 (RFC 9568
	// section 5.2.7).
	maxAdvert2 = 255 * time.Second
	maxAdvert3 = 40950 * time.Millisecond

	ownerPriority   = 255 // RFC 9568 section 5.2.4
	defaultPriority = 100
)

// unusable marks an instance that cannot run.
func (r *reader) unusable(i *Instance, keyword, why string) {
	r.fail(i, keyword, "", "%s", why)
	if i.Unusable == "" {
		i.Unusable = why
	}
}

// completeInstance applies the defaults of an instance and the rules within it.
func (r *reader) completeInstance(i *Instance) {
	r.inheritInstance(i)
	r.completeFamily(i)
	r.completeRole(i)
	r.completeInterval(i)
	r.completeAuth(i)
	r.completeSource(i)
	r.completeVIPs(i)
	r.completePreempt(i)
	r.completeLink(i)
	r.completeHMAC(i)
	r.completeStrict(i)
	if i.VRID == 0 {
		if !r.has(i, "virtual_router_id") {
			r.fail(i, "", "add 'virtual_router_id 51' or another number of 1-255", "vrrp_instance %s has no virtual_router_id", i.Name)
		}
		i.Unusable = "no virtual_router_id"
	}
	if i.Interface == "" && len(i.Peers) == 0 {
		if !r.has(i, "interface") {
			r.fail(i, "", "add 'interface NAME'", "vrrp_instance %s has no interface", i.Name)
		}
		i.Unusable = "no interface"
	}
}

// inheritInstance takes what the instance does not say from global_defs.
func (r *reader) inheritInstance(i *Instance) {
	g := &r.globals
	def(r, i, "down_timer_adverts", &i.DownTimerAdverts, g.adverts)
	def(r, i, "lower_prio_no_advert", &i.LowerPriorityNoAdvert, g.noAdvert)
	def(r, i, "higher_prio_send_advert", &i.HigherPrioritySend, g.sendHigh)
	def(r, i, "skip_check_adv_addr", &i.SkipAddressCheck, g.skipAddr)
	def(r, i, "strict_mode", &i.Strict, g.strict)
	def(r, i, "owner_ignore_adverts", &i.OwnerIgnoresAdverts, g.ownerDum || i.Strict)
	def(r, i, "notify_priority_changes", &i.NotifyPriorityChanges, g.prioNote)
	def(r, i, "v3_checksum_as_v2", &i.V3ChecksumAsV2, g.checksum)
	def(r, i, "smtp_alert", &i.SMTPAlert, r.alert(g.alert.vrrp, "smtp_alert_vrrp", false))
	if !i.CheckPeer {
		def(r, i, "check_unicast_src", &i.CheckPeer, g.checkSrc)
	}
	r.inheritBetter(i)
	r.inheritGARP(i)
	def(r, i, "advert_int", &i.AdvertInt, defaultInterval)
	if i.AdvertInt == 0 {
		i.AdvertInt = defaultInterval
	}
}

// def sets a value that the text of an object does not.
func def[V any](r *reader, obj any, keyword string, at *V, value V) {
	if !r.has(obj, keyword) {
		*at = value
	}
}

func (r *reader) inheritGARP(i *Instance) {
	g, own := &r.globals.garp, &i.GARP
	def(r, i, "garp_master_delay", &own.Delay, g.Delay)
	def(r, i, "garp_master_repeat", &own.Repeat, g.Repeat)
	def(r, i, "garp_master_refresh", &own.Refresh, g.Refresh)
	def(r, i, "garp_master_refresh_repeat", &own.RefreshRepeat, g.RefreshRepeat)
	def(r, i, "garp_lower_prio_delay", &own.LowerDelay, g.LowerDelay)
	def(r, i, "garp_lower_prio_repeat", &own.LowerRepeat, g.LowerRepeat)
	def(r, i, "garp_extra_if", &own.Extra, g.Extra)
	def(r, i, "garp_extra_if", &own.ExtraAll, g.ExtraAll)
	own.Repeat = max(own.Repeat, 1)
	own.Interval, own.GNAInterval = g.Interval, g.GNAInterval
}

// completeFamily decides the family by the first address, and with it the
// version and the multicast group.
func (r *reader) completeFamily(i *Instance) {
	first := r.firstAddress(i)
	i.IPv6 = first.Is6()
	kept := i.Addresses[:0]
	for _, a := range i.Addresses {
		if a.Prefix.Addr().Is6() == i.IPv6 {
			kept = append(kept, a)
			continue
		}
		r.found(syntax.Failure, a.Pos, len(a.Prefix.String()), "vrrp_instance "+clip(i.Name),
			"move it to 'virtual_ipaddress_excluded' or to its own vrrp_instance",
			"%s address in an %s instance", family(!i.IPv6), family(i.IPv6))
	}
	i.Addresses = kept
	switch {
	case !r.has(i, "version") && i.IPv6, i.IPv6 && i.Strict:
		i.Version = 3
	case i.Version == 0:
		i.Version = r.globals.version
	}
	if i.Group.IsValid() && i.Group.Is6() != i.IPv6 {
		r.fail(i, "mcast_dst_ip", "", "mcast_dst_ip %s is not of the family of the instance", i.Group)
		i.Group = netip.Addr{}
	}
	if !i.Group.IsValid() {
		i.Group = r.globals.Group4
		if i.IPv6 {
			i.Group = r.globals.Group6
		}
	}
}

func family(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

// firstAddress is the first address in the text that tells the family.
func (r *reader) firstAddress(i *Instance) (first netip.Addr) {
	var at syntax.Pos
	look := func(a netip.Addr, pos syntax.Pos) {
		if a.IsValid() && (!first.IsValid() || pos.File == at.File && pos.Line < at.Line) {
			first, at = a, pos
		}
	}
	if len(i.Addresses) > 0 {
		look(i.Addresses[0].Prefix.Addr(), i.Addresses[0].Pos)
	}
	for _, src := range []struct {
		keyword string
		addr    netip.Addr
	}{{"mcast_src_ip", r.sources[i][multicastSource]}, {"unicast_src_ip", r.sources[i][unicastSource]}} {
		if n := r.where(i, src.keyword); n != nil && src.addr.IsValid() {
			look(src.addr, n.Words[0].Pos)
		}
	}
	if n := r.where(i, "unicast_peer"); len(i.Peers) > 0 && n != nil {
		look(i.Peers[0].Addr, n.Words[0].Pos)
	}
	return first
}

// completeRole applies the defaults of priority and state to each other.
func (r *reader) completeRole(i *Instance) {
	if i.Priority == 0 {
		i.Priority = defaultPriority
		if i.Master && !r.has(i, "priority") {
			i.Priority = ownerPriority
			r.note(i, "", "give both routers a priority", "vrrp_instance %s: 'state MASTER' without a priority means priority 255, the address owner", i.Name)
		}
	}
	if !r.has(i, "state") {
		i.Master = i.Priority == ownerPriority
	}
}

// completeInterval fits the advert interval to the version.
func (r *reader) completeInterval(i *Instance) {
	d := i.AdvertInt
	if i.Version == 3 {
		if d > maxAdvert3 {
			r.fail(i, "advert_int", "40.95 s is used", "VRRP version 3 allows at most 40.95 s between adverts")
		}
		i.AdvertInt = min(d.Round(10*time.Millisecond), maxAdvert3)
		return
	}
	i.AdvertInt = min(max(d.Round(time.Second), time.Second), maxAdvert2)
	if i.AdvertInt != d {
		r.fail(i, "advert_int", fmt.Sprintf("use 'vrrp_version 3' for %v s; %v s is used", d.Seconds(), i.AdvertInt.Seconds()),
			"VRRP version 2 needs whole seconds between adverts")
	}
}

// completeAuth clears authentication that cannot work.
func (r *reader) completeAuth(i *Instance) {
	switch {
	case !r.has(i, "authentication"):
		return
	case i.Version == 3 && (i.AuthPass != "" || i.AuthType != AuthNone):
		r.warn(i, "authentication", "the block is ignored", "VRRP version 3 has no authentication")
	case i.AuthType == AuthNone && i.AuthPass != "" && !r.has(i, "auth_type"):
		r.fail(i, "authentication", "add 'auth_type PASS'", "authentication has auth_pass and no auth_type")
	case i.AuthType != AuthNone && i.AuthPass == "" && !r.has(i, "auth_pass") && !r.oneLineAuth(i):
		r.fail(i, "authentication", "add 'auth_pass'; authentication is ignored", "authentication has no auth_pass")
	case i.AuthType == AuthAH && i.IPv6:
		r.fail(i, "auth_type", "it is ignored", "auth_type AH works with IPv4 only")
	case i.AuthType != AuthNone && i.AuthPass != "":
		if i.AuthType == AuthAH && i.Master && i.Priority != ownerPriority {
			r.note(i, "state", "", "with auth_type AH an instance begins as BACKUP")
			i.Master = false
		}
		return
	}
	i.AuthType, i.AuthPass = AuthNone, ""
}

// oneLineAuth says that both keywords stand on one line, which was reported.
func (r *reader) oneLineAuth(i *Instance) bool {
	n := r.where(i, "auth_type")
	return n != nil && len(n.Words) > 2
}

// completeSource decides between multicast and unicast.
func (r *reader) completeSource(i *Instance) {
	kept := i.Peers[:0]
	for _, p := range i.Peers {
		if p.Addr.Is6() == i.IPv6 {
			kept = append(kept, p)
		}
	}
	if len(kept) < len(i.Peers) {
		r.peerFamily(i)
	}
	i.Peers = kept
	if len(i.Peers) == 0 {
		i.Source = r.sources[i][multicastSource]
		r.withoutPeers(i)
		return
	}
	i.Source = r.sources[i][unicastSource]
	if i.IPv6 && !r.has(i, "unicast_ttl") {
		i.UnicastTTL = 0 // the kernel's
	}
	for _, keyword := range []string{"mcast_src_ip", "mcast_dst_ip"} {
		if r.has(i, keyword) {
			r.warn(i, keyword, "use unicast_src_ip", "%s has no effect with unicast_peer", keyword)
		}
	}
	r.ownAddressAsPeer(i)
	if i.Interface == "" && !i.Source.IsValid() && !r.has(i, "interface") {
		r.unusable(i, "", "vrrp_instance "+i.Name+" has no interface, and no unicast_src_ip to do without")
	}
}

func (r *reader) peerFamily(i *Instance) {
	for _, p := range r.peers[i] {
		if p.addr.Is6() == i.IPv6 {
			continue
		}
		what := "the instance is " + family(i.IPv6)
		if r.sources[i][unicastSource].IsValid() {
			what = "unicast_src_ip is " + family(r.sources[i][unicastSource].Is6())
		}
		r.found(syntax.Failure, p.word.Pos, len(p.word.Text), "vrrp_instance "+clip(i.Name)+" > unicast_peer", "",
			"unicast_peer %s is %s, %s", p.addr, family(p.addr.Is6()), what)
	}
}

// withoutPeers tells of unicast keywords without peers.
func (r *reader) withoutPeers(i *Instance) {
	if i.FaultWithoutPeers {
		const why = "there are no unicast peers, and unicast_fault_no_peer is set"
		r.warn(i, "unicast_fault_no_peer", "add a unicast_peer block", "vrrp_instance %s stays in FAULT: %s", clip(i.Name), why)
		i.Unusable = cmp.Or(i.Unusable, why)
	}
	if r.sources[i][unicastSource].IsValid() {
		r.warn(i, "unicast_src_ip", "add a unicast_peer block", "unicast_src_ip without unicast_peer: adverts go to multicast")
		if !i.Source.IsValid() {
			i.Source = r.sources[i][unicastSource]
		}
	}
	if r.has(i, "unicast_ttl") {
		r.warn(i, "unicast_ttl", "", "unicast_ttl without unicast_peer has no effect")
		i.UnicastTTL = 255
	}
}

func (r *reader) ownAddressAsPeer(i *Instance) {
	for _, p := range r.peers[i] {
		if p.addr == i.Source {
			r.found(syntax.Failure, p.word.Pos, len(p.word.Text), "vrrp_instance "+clip(i.Name)+" > unicast_peer",
				"name the other routers here", "%s is this node's unicast_src_ip (line %d)", p.addr, r.line(i, "unicast_src_ip"))
		}
	}
}

// maxPacketAddresses is what the count field of an advert holds: RFC 9568
// section 5.2.5. The MTU of the interface may allow fewer.
const maxPacketAddresses = 255

func (r *reader) completeVIPs(i *Instance) {
	for _, list := range [][]Address{i.Addresses, i.Excluded} {
		for k := range list {
			if list[k].Interface == "" {
				list[k].Interface = i.Interface
			}
		}
	}
	n := len(i.Addresses)
	switch {
	case n > maxPacketAddresses:
		r.note(i, "virtual_ipaddress", "use virtual_ipaddress_excluded",
			"%d addresses; only the first %d fit in one VRRP advert, the others are treated as excluded", n, maxPacketAddresses)
		i.Excluded = append(i.Excluded, i.Addresses[maxPacketAddresses:]...)
		i.Addresses = i.Addresses[:maxPacketAddresses]
	case n == 0 && !i.NoAddress && !r.saidSomethingAbout(i, "virtual_ipaddress"):
		r.warn(i, "virtual_ipaddress", "", "vrrp_instance %s has no virtual address", i.Name)
		if i.Version == 3 && i.Unusable == "" {
			i.Unusable = "VRRP version 3 needs a virtual address, or no_virtual_ipaddress"
		}
	}
}

// saidSomethingAbout says that a block has lines, so that whatever is wrong
// with them was reported.
func (r *reader) saidSomethingAbout(i *Instance, keyword string) bool {
	n := r.scope(i).at(keyword)
	return n != nil && len(n.Body) > 0
}

// completePreempt clears what cannot work with the initial state.
func (r *reader) completePreempt(i *Instance) {
	stateLine := func() string {
		if n := r.line(i, "state"); r.has(i, "state") {
			return fmt.Sprintf(" (line %d)", n)
		}
		return ""
	}
	switch {
	case i.NoPreempt && i.Priority == ownerPriority:
		r.warn(i, "nopreempt", "use priority 254 or less", "nopreempt has no effect with priority 255")
		i.NoPreempt = false
	case i.NoPreempt && i.Master:
		r.warn(i, "nopreempt", "use 'state BACKUP' on both nodes", "nopreempt has no effect with 'state MASTER'%s", stateLine())
		i.NoPreempt = false
	}
	if i.PreemptDelay == 0 {
		return
	}
	switch {
	case i.Master:
		r.warn(i, "preempt_delay", "use 'state BACKUP' on both nodes", "preempt_delay has no effect with 'state MASTER'%s", stateLine())
	case i.NoPreempt:
		r.warn(i, "preempt_delay", "", "preempt_delay has no effect with nopreempt")
	default:
		return
	}
	i.PreemptDelay = 0
}

// completeStrict applies what strict mode enforces.
func (r *reader) completeStrict(i *Instance) {
	if !i.Strict {
		return
	}
	r.strictConflicts(i)
	owner := i.Priority == ownerPriority
	if i.Master != owner {
		r.warn(i, "state", "", "strict mode: state MASTER goes with priority 255 and with nothing else")
		i.Master = owner
	}
	i.AuthType, i.AuthPass = AuthNone, ""
	i.PreemptDelay, i.DownTimerAdverts = 0, 3
	i.LowerPriorityNoAdvert, i.HigherPrioritySend = true, false
	i.GARP.LowerDelay, i.GARP.LowerRepeat = 0, 0
	if !owner && (!r.has(i, "accept") || i.Version == 2) {
		i.Accept = false
		r.note(i, "", "write 'accept' in the instance, or drop strict mode",
			"strict mode: the master drops every packet to its virtual addresses")
	}
	if len(i.Addresses) == 0 && i.Unusable == "" {
		i.Unusable = "strict mode needs a virtual address"
	}
	if i.NoAddress {
		r.warn(i, "no_virtual_ipaddress", "", "no_virtual_ipaddress has no effect in strict mode")
		i.NoAddress = false
	}
	if i.IPv6 && len(i.Addresses) > 0 && !i.Addresses[0].Prefix.Addr().IsLinkLocalUnicast() {
		r.fail(i, "virtual_ipaddress", "put the link-local address first", "strict mode: the first address of an IPv6 instance is a link-local one (RFC 9568 section 5.2.9)")
	}
}

func (r *reader) strictConflicts(i *Instance) {
	what := ""
	if len(i.Peers) > 0 {
		what = fmt.Sprintf("unicast_peer (line %d)", r.line(i, "unicast_peer"))
		i.Unusable = "strict mode forbids unicast_peer"
	}
	if i.AuthType != AuthNone {
		if what != "" {
			what += " and "
		}
		what += fmt.Sprintf("authentication (line %d)", r.line(i, "authentication"))
	}
	if what == "" {
		return
	}
	if r.has(i, "strict_mode") {
		r.fail(i, "strict_mode", "", "strict_mode forbids %s", what)
	} else {
		r.fail(&r.globals, "vrrp_strict", "", "vrrp_strict forbids %s", what)
	}
}
