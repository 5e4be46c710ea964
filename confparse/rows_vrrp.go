package confparse

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"keepgo/confparse/syntax"
)

// instanceRows are the keywords of vrrp_instance.
func instanceRows() []row[Instance] {
	type I = Instance
	return slices.Concat(identityRows(), unicastRows(), garpRows(), trackRows(), linkRows(), notifyRows(), []row[I]{
		laterBlock("auth_hmac", "{ key active_key time_window anti_replay mode }", "Signs the adverts.",
			later[I]("key", "<ID> <VALUE>", "A shared key.").many(),
			later[I]("active_key", "<ID>", "The key that signs."),
			later[I]("time_window", "<SECS>", "How far clocks may differ."),
			later[I]("anti_replay", "time|monotonic", "How old adverts are told."),
			later[I]("mode", "enforce|permissive|receive-only", "What happens to unsigned adverts.")),
	})
}

// identityRows say what the virtual router is.
func identityRows() []row[Instance] {
	type I = Instance
	expired := later[I]("timer_expired_backup", "[<N>]", "A master that was late itself becomes backup.")
	return []row[I]{
		field("state", choice("state", []string{"MASTER", "BACKUP"}, []bool{true, false}).or("BACKUP"), func(i *I) *bool { return &i.Master }, "What the instance wants to be when it starts."),
		field("interface", link(), func(i *I) *string { return &i.Interface }, "The interface that adverts are sent on."),
		field("virtual_router_id", number[uint8](1, 255), func(i *I) *uint8 { return &i.VRID }, "The number of the virtual router on its network."),
		field("priority", number[uint8](1, 255).or(100), func(i *I) *uint8 { return &i.Priority }, "Who wins: the higher, the likelier master; 255 owns the address."),
		field("version", number[uint8](2, 3).or("vrrp_version"), func(i *I) *uint8 { return &i.Version }, "The version of VRRP."),
		field("advert_int", seconds(0.01, 255).or(1), func(i *I) *time.Duration { return &i.AdvertInt }, "The time between two adverts."),
		within("authentication", "{ auth_type auth_pass }", keywords(authRows()), "The password of VRRPv2."),
		addressList("virtual_ipaddress", func(i *I) *[]Address { return &i.Addresses }, "The addresses that the adverts name and the master holds."),
		addressList("virtual_ipaddress_excluded", func(i *I) *[]Address { return &i.Excluded }, "Addresses that the master holds and the adverts do not name."),
		field("no_virtual_ipaddress", flag(), func(i *I) *bool { return &i.NoAddress }, "The instance needs no virtual address."),
		list("virtual_routes", "{ <ROUTE> ... }", func(s *stmt, i *I) { routeLine(s, &i.Routes) }, "Routes that the master holds.", routeWords[I]()...).notYet(),
		list("virtual_rules", "{ <RULE> ... }", func(s *stmt, i *I) { ruleLine(s, &i.Rules) }, "Routing rules that the master holds.", ruleWords[I]()...).notYet(),

		field("nopreempt", flag(), func(i *I) *bool { return &i.NoPreempt }, "Leaves a master of lower priority alone."),
		field("preempt", unset(), func(i *I) *bool { return &i.NoPreempt }, "Takes over from a master of lower priority."),
		field("preempt_delay", seconds(0, 1000).or(0), func(i *I) *time.Duration { return &i.PreemptDelay }, "How long such a master is left alone."),
		field("down_timer_adverts", number[int](1, 100).or("vrrp_down_timer_adverts"), func(i *I) *int { return &i.DownTimerAdverts }, "How many adverts a backup may miss."),
		expired, expired.old("thread_timer_expired"),
	}
}

// unicastRows say where adverts come from and go to.
func unicastRows() []row[Instance] {
	type I = Instance
	return []row[I]{
		source("mcast_src_ip", multicastSource, "The source of multicast adverts."),
		source("unicast_src_ip", unicastSource, "The source of unicast adverts."),
		field("mcast_dst_ip", multicast(0), func(i *I) *netip.Addr { return &i.Group }, "Where multicast adverts are sent."),
		field("track_src_ip", flag(), func(i *I) *bool { return &i.TrackSource }, "The instance is at fault while its source address is missing."),
		list("unicast_peer", "{ <IP> [min_ttl <N>] [max_ttl <N>] ... }", peerLine, "The routers that adverts are sent to.", word[I]("min_ttl", "<N>", "The least TTL of what a peer sends."), word[I]("max_ttl", "<N>", "The largest TTL of what a peer sends.")),
		field("unicast_ttl", number[uint8](0, 255).or(255), func(i *I) *uint8 { return &i.UnicastTTL }, "The TTL of unicast adverts."),
		field("check_unicast_src", boolean().or("vrrp_check_unicast_src"), func(i *I) *bool { return &i.CheckPeer }, "Hears adverts of configured peers only."),
		later[I]("unicast_fault_no_peer", "", "The instance is at fault without peers."),
		later[I]("old_unicast_checksum", "[never]", "The checksum of keepalived before 1.3.7."),
		field("v3_checksum_as_v2", boolean(), func(i *I) *bool { return &i.V3ChecksumAsV2 }, "Leaves the pseudo header out of the checksum of VRRPv3 over IPv4."),
	}
}

// garpRows say how neighbours are told, and how strictly the protocol is kept.
func garpRows() []row[Instance] {
	type I = Instance
	garp := seconds(0, 4294)
	extra := later[I]("garp_extra_if", "[all] <SECS>", "Repeats gratuitous ARP on the other interfaces.")
	return []row[I]{
		field("garp_master_delay", garp.or("vrrp_garp_master_delay"), func(i *I) *time.Duration { return &i.GARP.Delay }, "When the second burst of gratuitous ARP follows; 0 for none."),
		field("garp_master_repeat", number[int](0, 1<<31-1).or("vrrp_garp_master_repeat"), func(i *I) *int { return &i.GARP.Repeat }, "How many gratuitous ARP of each address make a burst."),
		field("garp_master_refresh", garp.or("vrrp_garp_master_refresh"), func(i *I) *time.Duration { return &i.GARP.Refresh }, "How often a master repeats gratuitous ARP."),
		field("garp_master_refresh_repeat", number[int](0, 1<<31-1).or("vrrp_garp_master_refresh_repeat"), func(i *I) *int { return &i.GARP.RefreshRepeat }, "How many gratuitous ARP of each address are sent then."),
		field("garp_lower_prio_delay", garp.or("vrrp_garp_lower_prio_delay"), func(i *I) *time.Duration { return &i.GARP.LowerDelay }, "When the second burst follows after a rival was heard."),
		field("garp_lower_prio_repeat", number[int](0, 1<<31-1).or("vrrp_garp_lower_prio_repeat"), func(i *I) *int { return &i.GARP.LowerRepeat }, "How many gratuitous ARP answer a rival."),
		extra, extra.old("vmac_garp_intvl"),
		field("lower_prio_no_advert", boolean().or("vrrp_lower_prio_no_advert"), func(i *I) *bool { return &i.LowerPriorityNoAdvert }, "Leaves adverts of lower priority without an answer."),
		field("higher_prio_send_advert", boolean().or("vrrp_higher_prio_send_advert"), func(i *I) *bool { return &i.HigherPrioritySend }, "Sends one more advert before giving way."),
		field("skip_check_adv_addr", boolean().or("vrrp_skip_check_adv_addr"), func(i *I) *bool { return &i.SkipAddressCheck }, "Compares the addresses of a master once only."),
		field("owner_ignore_adverts", boolean().or("vrrp_owner_ignore_adverts"), func(i *I) *bool { return &i.OwnerIgnoresAdverts }, "An address owner drops all adverts."),
		field("accept", flag(), func(i *I) *bool { return &i.Accept }, "The master takes packets for its virtual addresses."),
		field("no_accept", unset(), func(i *I) *bool { return &i.Accept }, "The master drops packets for its virtual addresses."),
		field("strict_mode", boolean().or("vrrp_strict"), func(i *I) *bool { return &i.Strict }, "Holds the instance to the letter of the RFC."),
	}
}

// trackRows say what the instance depends on.
func trackRows() []row[Instance] {
	type I = Instance
	return []row[I]{
		field("dont_track_primary", flag(), func(i *I) *bool { return &i.DontTrackPrimary }, "The instance does not mind its own interface being down."),
		trackLinks(func(i *I) *[]Track { return &i.TrackInterfaces }),
		trackScripts(func(i *I) *[]Track { return &i.TrackScripts }),
		trackLater[I]("track_file", "track_file", "Files whose number changes the priority."),
		trackLater[I]("track_process", "vrrp_track_process", "Processes that must run."),
		trackLater[I]("track_bfd", "bfd_instance", "BFD sessions that must be up."),
	}
}

// linkRows say what the instance does to its interface.
func linkRows() []row[Instance] {
	type I = Instance
	return []row[I]{
		action("use_vmac", "[[name] <IF>] [<MAC>] [netlink_notify_msg] [group <GROUP>]", useVMAC, "The addresses answer with the virtual MAC address.").notYet(),
		later[I]("use_vmac_addr", "", "The same for addresses on other interfaces."),
		later[I]("vmac_xmit_base", "", "Adverts go out through the interface below the VMAC."),
		later[I]("use_ipvlan", "[[name] <IF>] [<IP>] [bridge|private|vepa] [group <GROUP>]", "Runs on an ipvlan interface."),
		later[I]("native_ipv6", "", "Makes the instance one of IPv6.").without("the addresses tell the family"),
		later[I]("vrf", "<VRF>", "The VRF of a unicast instance."),
		later[I]("promote_secondaries", "", "Keeps the other addresses of a network when its first one goes."),
		later[I]("linkbeat_use_polling", "", "Polls the link state of the interface."),
		later[I]("kernel_rx_buf_size", "<BYTES>", "The receive buffer of the instance."),
		later[I]("debug", "<N>", "A level that keepalived only stores.").without("keepalived has none for it either"),
		later[I]("lvs_sync_daemon_interface", "<IF>", "Ties the connection sync to the instance.").without("use lvs_sync_daemon in global_defs"),
		gone[I]("lvs_sync_daemon_inteface", "is the old spelling; use 'lvs_sync_daemon <IF> <INSTANCE>' in global_defs"),
	}
}

// notifyRows say who is told.
func notifyRows() []row[Instance] {
	type I = Instance
	return []row[I]{
		notifyRow("notify_master", func(n *Notify) **Command { return &n.Master }, instanceNotify, "Runs on becoming master."),
		notifyRow("notify_backup", func(n *Notify) **Command { return &n.Backup }, instanceNotify, "Runs on becoming backup."),
		notifyRow("notify_fault", func(n *Notify) **Command { return &n.Fault }, instanceNotify, "Runs on a fault."),
		notifyRow("notify_stop", func(n *Notify) **Command { return &n.Stop }, instanceNotify, "Runs when VRRP stops."),
		notifyRow("notify", func(n *Notify) **Command { return &n.Any }, instanceNotify, "Runs on every change, with its name and priority."),
		notifyRow("notify_master_rx_lower_pri", func(n *Notify) **Command { return &n.LowerPriority }, instanceNotify, "Runs when a master hears a lower priority."),
		action("notify_deleted", "[<SCRIPT> [<USER> [<GROUP>]]]", notifyDeleted, "Runs when a reload takes the instance away."),
		field("smtp_alert", boolean().or("smtp_alert_vrrp"), func(i *I) *bool { return &i.SMTPAlert }, "Sends mails about the instance."),
		field("notify_priority_changes", boolean().or("vrrp_notify_priority_changes"), func(i *I) *bool { return &i.NotifyPriorityChanges }, "Tells the FIFOs of changes of the priority too."),
	}
}

// An instance may name a source for multicast and one for unicast; which of
// them is used is decided when its peers are known.
const (
	multicastSource = iota
	unicastSource
)

// sources are the source addresses an instance names.
type sources [2]netip.Addr

func source(name string, which int, doc string) row[Instance] {
	return action(name, "<IP>", func(s *stmt, i *Instance) {
		if a, ok := ip(0).read(s); ok {
			all := s.r.sources[i]
			all[which] = a
			s.r.sources[i] = all
		}
	}, doc)
}

func authRows() []row[Instance] {
	type I = Instance
	return []row[I]{
		field("auth_type", choice("auth_type", []string{"PASS", "AH"}, []AuthType{AuthPass, AuthAH}), func(i *I) *AuthType { return &i.AuthType }, "How adverts prove themselves."),
		action("auth_pass", "<PASSWORD>", authPass, "The password; 8 bytes count."),
	}
}

func authPass(s *stmt, i *Instance) {
	w, ok := s.value("up to 8 characters")
	if !ok {
		return
	}
	if w.Cut != 0 {
		s.warn(w, `quote it: "`+w.Text+string(w.Cut)+`..."`, "'%c' starts a comment: auth_pass is '%s'", w.Cut, w.Text)
	}
	i.AuthPass = w.Text
	if len(w.Text) > 8 {
		s.warn(w, "", "auth_pass: only the first 8 characters ('%s') are used", w.Text[:8])
		i.AuthPass = w.Text[:8]
	}
}

// addressList is the row of a block of addresses.
func addressList(name string, at func(*Instance) *[]Address, doc string) row[Instance] {
	return list(name, "{ <IP>[/<LEN>] [dev <IF>] ... }", func(s *stmt, i *Instance) { virtual(s, i, at(i)) }, doc, addressOptions[Instance]()...)
}

// addressOptions are the words that may follow an address.
func addressOptions[T any]() []row[T] {
	return []row[T]{
		word[T]("dev", "<IF>", "The interface of the address."),
		word[T]("scope", "<SCOPE>", "The scope of the address."),
		word[T]("brd", "<IP>|+|-", "The broadcast address."),
		word[T]("broadcast", "<IP>|+|-", "The broadcast address."),
		word[T]("label", "<LABEL>", "The label of the address."),
		word[T]("peer", "<IP>[/<LEN>]", "The other end of a point-to-point link."),
		word[T]("home", "", "Marks a home address."),
		word[T]("-nodad", "", "Looks for a duplicate of an IPv6 address."),
		later[T]("mngtmpaddr", "", "The kernel makes temporary addresses from it."),
		later[T]("noprefixroute", "", "The kernel adds no route for the prefix."),
		later[T]("autojoin", "", "Joins the multicast group of the address."),
		word[T]("no_track", "", "Nothing happens when the address is taken away."),
		word[T]("preferred_lft", "<SECS>|forever", "How long the address is preferred as a source."),
		later[T]("track_group", "<GROUP>", "The instances at fault with its interface."),
		later[T]("use_vmac", "", "The address answers with the virtual MAC address."),
	}
}

func instanceNotify(i *Instance) *Notify { return &i.Notify }

// notifyRow is the row of a script that tells of changes.
func notifyRow[T any](name string, at func(*Notify) **Command, in func(*T) *Notify, doc string) row[T] {
	return field(name, command(), func(o *T) **Command { return at(in(o)) }, doc)
}

func notifyDeleted(s *stmt, i *Instance) {
	i.NotifyDeleted = true
	if s.i < len(s.n.Words) {
		s.i++
		i.Notify.Deleted, _ = s.command()
	}
}

// peerOption is one option of a unicast_peer line.
type peerOption struct {
	Min string `parser:"  'min_ttl' @Word"`
	Max string `parser:"| 'max_ttl' @Word"`
}

var peerParser = grammarOf[peerOption]()

func peerLine(s *stmt, i *Instance) {
	w, _ := s.next()
	a, ok := s.addr(w)
	if !ok {
		return
	}
	p := Peer{Addr: a, MaxTTL: 255}
	if s.i < len(s.n.Words) {
		options(s, peerParser, "after a peer", []string{"min_ttl", "max_ttl"}, func(o *peerOption, w syntax.Word) {
			i.CheckPeer = true
			w.Text = o.Min + o.Max
			n, ok := s.whole(w, 0, 255, "0-255")
			if ok && o.Min != "" {
				p.MinTTL = uint8(n)
			} else if ok {
				p.MaxTTL = uint8(n)
			}
		})
	}
	for k := range i.Peers[:min(len(i.Peers), maxDuplicateSearch)] {
		if i.Peers[k].Addr == a {
			s.fail(w, "", "peer %s is listed twice", a)
			return
		}
	}
	s.r.peers[i] = append(s.r.peers[i], peerPlace{a, w})
	i.Peers = append(i.Peers, p)
}

// peerPlace is where a peer was named.
type peerPlace struct {
	addr netip.Addr
	word syntax.Word
}

// trackOption is one option of a track_* line.
type trackOption struct {
	Weight string `parser:"  'weight' @Word"`
	Flag   string `parser:"| @('reverse' | 'noreverse')"`
}

var trackParser = grammarOf[trackOption]()

func trackWords[T any]() []row[T] {
	return []row[T]{
		word[T]("weight", "<N>", "What is added to the priority; 0 is a fault while it is bad."),
		word[T]("reverse", "", "Good and bad change places."),
		word[T]("noreverse", "", "Takes a reverse of the definition back."),
	}
}

func trackLinks[T any](at func(*T) *[]Track) row[T] {
	return list("track_interface", "{ <IF> [weight <N> [reverse]] ... }", func(s *stmt, o *T) {
		if w := s.n.Words[0]; s.link(w) {
			track(s, at(o), "")
		}
	}, "Interfaces that must be up.", trackWords[T]()...)
}

func trackScripts[T any](at func(*T) *[]Track) row[T] {
	return list("track_script", "{ <SCRIPT> [weight <N> [reverse|noreverse]] ... }", func(s *stmt, o *T) {
		track(s, at(o), "vrrp_script")
	}, "Scripts that must succeed.", trackWords[T]()...)
}

func trackLater[T any](name, defined, doc string) row[T] {
	rw := list(name, "{ <NAME> [weight <N> [reverse|noreverse]] ... }", func(s *stmt, _ *T) {
		var none []Track
		track(s, &none, defined)
	}, doc, trackWords[T]()...)
	return rw.notYet()
}

// track reads one line of a track_* block. What the line does not say comes
// from the definition, at the end.
func track(s *stmt, into *[]Track, defined string) {
	name, _ := s.next()
	t := Track{Pos: name.Pos, Name: name.Text}
	ref := reference{kind: defined, word: name, path: s.r.path()}
	if s.i < len(s.n.Words) {
		options(s, trackParser, "after '"+clip(name.Text)+"'", []string{"weight", "reverse", "noreverse"}, func(o *trackOption, w syntax.Word) {
			if o.Flag != "" {
				ref.flag, t.Reverse = o.Flag, o.Flag == "reverse"
				return
			}
			w.Text = o.Weight
			if n, ok := s.trackWeight(w); ok {
				t.Weight, ref.weight = n, true
			}
		})
	}
	s.r.refs[t.Pos] = ref
	s.r.order = append(s.r.order, t.Pos)
	*into = append(*into, t)
}

// trackWeight takes ±254 for ±253, as keepalived does.
func (s *stmt) trackWeight(w syntax.Word) (int, bool) {
	n, err := strconv.Atoi(w.Text)
	if err != nil || n < -254 || n > 254 {
		s.fail(w, "", "weight %s is out of range -253 - 253", clip(w.Text))
		return 0, false
	}
	return max(-253, min(n, 253)), true
}

// reference is a name that must be defined somewhere.
type reference struct {
	kind   string // the keyword of the definition; "" for an interface
	word   syntax.Word
	path   string
	weight bool   // the line names a weight
	flag   string // reverse or noreverse
}

func useVMAC(s *stmt, i *Instance) {
	i.UseVMAC = true
	for w, ok := s.next(); ok; w, ok = s.next() {
		switch {
		case w.Text == "name":
			if w, ok = s.value("an interface name"); ok && s.link(w) {
				i.VMACName = w.Text
			}
		case w.Text == "group":
			s.value("a group")
		case w.Text == "netlink_notify_msg", strings.Count(w.Text, ":") >= 4:
		case w.Text == "true" || w.Text == "on" || w.Text == "yes":
			s.warn(w, "write 'use_vmac' alone", "'%s' is taken as the name of the VMAC interface", w.Text)
			i.VMACName = w.Text
		case s.link(w):
			i.VMACName = w.Text
		}
	}
}

// scriptRows are the keywords of vrrp_script.
func scriptRows() []row[Script] {
	type S = Script
	return []row[S]{
		action("script", "<COMMAND> [<USER> [<GROUP>]]", func(s *stmt, o *S) {
			if c, ok := command().read(s); ok {
				c.User, c.Group = or(c.User, o.Command.User), or(c.Group, o.Command.Group)
				o.Command = *c
			}
		}, "The command whose exit status decides: 0 is good."),
		field("interval", seconds(0.000001, 4294.967295).or(1), func(o *S) *time.Duration { return &o.Interval }, "The time between two runs."),
		field("timeout", seconds(0, 4294.967295).or("interval"), func(o *S) *time.Duration { return &o.Timeout }, "How long a run may take."),
		action("weight", "<N> [reverse]", func(s *stmt, o *S) {
			if w, ok := s.value("-253 - 253"); ok {
				if n, ok := s.trackWeight(w); ok {
					o.Weight = n
				}
			}
			if w, ok := s.next(); ok {
				if o.Reverse = w.Text == "reverse"; !o.Reverse && w.Text != "noreverse" {
					s.fail(w, "reverse, or nothing", "unknown word '%s' after 'weight'", clip(w.Text))
				}
			}
		}, "What is added to the priority; 0 is a fault while the script fails.").in("-253 - 253").or("0"),
		field("rise", number[int](1, 1<<31-1).or(1), func(o *S) *int { return &o.Rise }, "How many successes in a row make it good."),
		field("fall", number[int](1, 1<<31-1).or(1), func(o *S) *int { return &o.Fall }, "How many failures in a row make it bad."),
		action("user", "<USER> [<GROUP>]", func(s *stmt, o *S) { identity(&o.Command.User, &o.Command.Group, s) }, "Who the script runs as."),
		later[S]("init_fail", "", "The script has failed until it succeeds.").without("keepalived overrides it when the script is tracked"),
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// groupRows are the keywords of vrrp_sync_group.
func groupRows() []row[SyncGroup] {
	type G = SyncGroup
	notify := func(g *G) *Notify { return &g.Notify }
	return []row[G]{
		list("group", "{ <INSTANCE> ... }", func(s *stmt, g *G) {
			for _, w := range s.rest() {
				g.Members = append(g.Members, w.Text)
				s.r.members = append(s.r.members, member{g, w, s.r.path()})
			}
		}, "The instances of the group."),
		trackLinks(func(g *G) *[]Track { return &g.TrackInterfaces }),
		trackScripts(func(g *G) *[]Track { return &g.TrackScripts }),
		trackLater[G]("track_file", "track_file", "Files whose number changes the priority."),
		trackLater[G]("track_process", "vrrp_track_process", "Processes that must run."),
		trackLater[G]("track_bfd", "bfd_instance", "BFD sessions that must be up."),
		notifyRow("notify_master", func(n *Notify) **Command { return &n.Master }, notify, "Runs on becoming master."),
		notifyRow("notify_backup", func(n *Notify) **Command { return &n.Backup }, notify, "Runs on becoming backup."),
		notifyRow("notify_fault", func(n *Notify) **Command { return &n.Fault }, notify, "Runs on a fault."),
		notifyRow("notify_stop", func(n *Notify) **Command { return &n.Stop }, notify, "Runs when VRRP stops."),
		notifyRow("notify", func(n *Notify) **Command { return &n.Any }, notify, "Runs on every change."),
		field("smtp_alert", boolean().or("smtp_alert_vrrp"), func(g *G) *bool { return &g.SMTPAlert }, "Sends mails about the group."),
		later[G]("global_tracking", "", "An old switch.").without("tracking is set in the group now"),
		field("sync_group_tracking_weight", flag(), func(g *G) *bool { return &g.TrackWeights }, "Members may have trackers with weights."),
		field("notify_priority_changes", boolean(), func(g *G) *bool { return &g.NotifyPriorityChanges }, "Tells the FIFOs of changes of the priority too."),
	}
}

// member is a name in a sync group and its place.
type member struct {
	group *SyncGroup
	word  syntax.Word
	path  string
}
