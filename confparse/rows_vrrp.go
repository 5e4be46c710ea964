package confparse

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"keepgo/confparse/syntax"
)

// instanceRows are the keywords of vrrp_instance.
func instanceRows() []row[Instance] {
	type I = Instance
	return slices.Concat(identityRows(), unicastRows(), garpRows(), ownWayRows(), trackRows(), linkRows(), notifyRows(), []row[I]{
		nested("auth_hmac", "{ key active_key time_window anti_replay mode }", keywords(hmacRows()).ending(hmacEnd), func(_ *stmt, i *I) *HMAC {
			if i.HMAC == nil {
				i.HMAC = &HMAC{Mode: "enforce"}
			}
			return i.HMAC
		}, "Signs the adverts.").since("2.4.0"),
	})
}

// identityRows say what the virtual router is.
func identityRows() []row[Instance] {
	type I = Instance
	expired := action("timer_expired_backup", "[<N>]", func(s *stmt, i *I) {
		if n, ok := optional(number[uint8](1, 254), 0).read(s); ok {
			i.TimerExpiredBackup, i.HighestOther = true, n
		}
	}, "A master that was late itself becomes backup; the number is the highest priority of the others.").in("1-254").or("off").since("2.2.8")
	return []row[I]{
		field("state", choice("state", []string{"MASTER", "BACKUP"}, []bool{true, false}).or("BACKUP"), func(i *I) *bool { return &i.Master }, "What the instance wants to be when it starts.").since("1.1.0"),
		field("interface", link(), func(i *I) *string { return &i.Interface }, "The interface that adverts are sent on.").since("1.1.0"),
		field("virtual_router_id", number[uint8](1, 255), func(i *I) *uint8 { return &i.VRID }, "The number of the virtual router on its network.").since("1.1.0"),
		field("priority", number[uint8](1, 255).or(100), func(i *I) *uint8 { return &i.Priority }, "Who wins: the higher, the likelier master; 255 owns the address.").since("1.1.0"),
		field("version", number[uint8](2, 3).or("vrrp_version"), func(i *I) *uint8 { return &i.Version }, "The version of VRRP.").since("1.2.17"),
		field("advert_int", seconds(0.01, 255).or(1), func(i *I) *time.Duration { return &i.AdvertInt }, "The time between two adverts.").since("1.1.0"),
		within("authentication", "{ auth_type auth_pass }", keywords(authRows()), "The password of VRRPv2.").in("version 2 only").since("1.1.0"),
		addressList("virtual_ipaddress", func(i *I) *[]Address { return &i.Addresses }, "The addresses that the adverts name and the master holds.").since("1.1.0"),
		addressList("virtual_ipaddress_excluded", func(i *I) *[]Address { return &i.Excluded }, "Addresses that the master holds and the adverts do not name.").in("of both families").since("1.1.0"),
		field("no_virtual_ipaddress", flag(), func(i *I) *bool { return &i.NoAddress }, "The instance needs no virtual address.").since("2.2.8"),
		list("virtual_routes", "{ <ROUTE> ... }", func(s *stmt, i *I) { routeLine(s, &i.Routes) }, "Routes that the master holds.", routeWords[I]()...).item("<DEST>", destArgs, destRange, "unicast", destDoc).since("1.1.0"),
		list("virtual_rules", "{ <RULE> ... }", func(s *stmt, i *I) { ruleLine(s, &i.Rules) }, "Routing rules that the master holds.", ruleWords[I]()...).since("1.2.20"),

		field("nopreempt", flag().in("with state BACKUP and priority 254 or less"), func(i *I) *bool { return &i.NoPreempt }, "Leaves a master of lower priority alone.").since("1.1.8"),
		field("preempt", unset().or("on"), func(i *I) *bool { return &i.NoPreempt }, "Takes over from a master of lower priority.").since("1.1.0"),
		field("preempt_delay", seconds(0, 1000).or(0), func(i *I) *time.Duration { return &i.PreemptDelay }, "How long such a master is left alone.").since("1.1.8"),
		field("down_timer_adverts", number[int](1, 100).or("vrrp_down_timer_adverts"), func(i *I) *int { return &i.DownTimerAdverts }, "How many adverts a backup may miss.").since("2.2.3"),
		expired, expired.old("thread_timer_expired").since("2.3.2"),
	}
}

// unicastRows say where adverts come from and go to.
func unicastRows() []row[Instance] {
	type I = Instance
	return []row[I]{
		source("mcast_src_ip", multicastSource, "The source of multicast adverts.").in("of the instance's family").or("the first address of the interface; IPv6 the link-local one").since("1.1.0"),
		source("unicast_src_ip", unicastSource, "The source of unicast adverts.").in("of the instance's family").or("the first address of the interface").since("1.2.10"),
		field("mcast_dst_ip", multicast(0), func(i *I) *netip.Addr { return &i.Group }, "Where multicast adverts are sent.").or("vrrp_mcast_group4, vrrp_mcast_group6").since("2.2.5"),
		field("track_src_ip", flag(), func(i *I) *bool { return &i.TrackSource }, "The instance is at fault while its source address is missing.").since("2.0.0"),
		list("unicast_peer", "{ <IP> [min_ttl <N>] [max_ttl <N>] ... }", peerLine, "The routers that adverts are sent to.",
			word[I]("min_ttl", "<N>", "The least TTL of what a peer sends.").in("0-255").or("0"),
			word[I]("max_ttl", "<N>", "The largest TTL of what a peer sends.").in("0-255").or("255")).
			or("multicast").item("<IP>", "[min_ttl <N>] [max_ttl <N>]", "of the instance's family, each once", "", "A peer.").since("1.2.8"),
		field("unicast_ttl", number[uint8](0, 255).or("255 (IPv6 kernel default)"), func(i *I) *uint8 { return &i.UnicastTTL }, "The TTL of unicast adverts.").since("2.1.0"),
		field("check_unicast_src", flag().or("vrrp_check_unicast_src"), func(i *I) *bool { return &i.CheckPeer }, "Hears adverts of configured peers only.").since("2.1.0"),
		field("unicast_fault_no_peer", flag(), func(i *I) *bool { return &i.FaultWithoutPeers }, "The instance is at fault without peers.").since("2.2.5"),
		action("old_unicast_checksum", "[never]", func(s *stmt, i *I) {
			i.OldUnicastChecksum = AlwaysOldChecksum
			if s.switched("never") {
				i.OldUnicastChecksum = NeverOldChecksum
			}
		}, "The checksum of keepalived before 1.3.7 for unicast adverts of version 3.").or("told by what is heard").since("1.3.7"),
		field("v3_checksum_as_v2", boolean().or("v3_checksum_as_v2 of global_defs"), func(i *I) *bool { return &i.V3ChecksumAsV2 }, "Leaves the pseudo header out of the checksum of VRRPv3 over IPv4.").since("2.2.8"),
	}
}

// garpRows say how neighbours are told, and how strictly the protocol is kept.
func garpRows() []row[Instance] {
	type I = Instance
	garp := seconds(0, 4294)
	extra := action("garp_extra_if", "[all] <SECS>", func(s *stmt, i *I) { extraGARP(s, &i.GARP, 0) }, "Repeats gratuitous ARP on the other interfaces; all means not on VMACs alone.").
		in("0-86400").or("vrrp_garp_extra_if").since("2.2.3")
	return []row[I]{
		field("garp_master_delay", garp.or("vrrp_garp_master_delay"), func(i *I) *time.Duration { return &i.GARP.Delay }, "When the second burst of gratuitous ARP follows; 0 for none.").since("1.1.0"),
		field("garp_master_repeat", number[int](0, 1<<31-1).or("vrrp_garp_master_repeat"), func(i *I) *int { return &i.GARP.Repeat }, "How many gratuitous ARP of each address make a burst.").in("1-2147483647; 0 counts as 1").since("1.2.14"),
		field("garp_master_refresh", garp.or("vrrp_garp_master_refresh"), func(i *I) *time.Duration { return &i.GARP.Refresh }, "How often a master repeats gratuitous ARP.").since("1.2.10"),
		field("garp_master_refresh_repeat", number[int](0, 1<<31-1).or("vrrp_garp_master_refresh_repeat"), func(i *I) *int { return &i.GARP.RefreshRepeat }, "How many gratuitous ARP of each address are sent then.").in("1-2147483647; 0 counts as 1").since("1.2.14"),
		field("garp_lower_prio_delay", garp.or("vrrp_garp_lower_prio_delay"), func(i *I) *time.Duration { return &i.GARP.LowerDelay }, "When the second burst follows after a rival was heard.").since("1.2.20"),
		field("garp_lower_prio_repeat", number[int](0, 1<<31-1).or("vrrp_garp_lower_prio_repeat"), func(i *I) *int { return &i.GARP.LowerRepeat }, "How many gratuitous ARP answer a rival.").since("1.2.20"),
		extra, extra.old("vmac_garp_intvl").since("2.2.0"),
		field("lower_prio_no_advert", boolean().or("vrrp_lower_prio_no_advert"), func(i *I) *bool { return &i.LowerPriorityNoAdvert }, "Leaves adverts of lower priority without an answer.").since("1.2.20"),
		field("higher_prio_send_advert", boolean().or("vrrp_higher_prio_send_advert"), func(i *I) *bool { return &i.HigherPrioritySend }, "Sends one more advert before giving way.").since("1.3.5"),
		field("skip_check_adv_addr", boolean().or("vrrp_skip_check_adv_addr"), func(i *I) *bool { return &i.SkipAddressCheck }, "Compares the addresses of a master once only.").since("1.2.20"),
		field("owner_ignore_adverts", boolean().or("vrrp_owner_ignore_adverts"), func(i *I) *bool { return &i.OwnerIgnoresAdverts }, "An address owner drops all adverts.").since("2.3.3"),
		field("accept", flag().or("on; in strict mode on at priority 255 only"), func(i *I) *bool { return &i.Accept }, "The master takes packets for its virtual addresses.").since("1.2.17"),
		field("no_accept", unset(), func(i *I) *bool { return &i.Accept }, "The master drops packets for its virtual addresses.").since("1.3.0"),
		field("strict_mode", boolean().or("vrrp_strict"), func(i *I) *bool { return &i.Strict }, "Holds the instance to the letter of the RFC.").since("1.2.20"),
	}
}

// trackRows say what the instance depends on.
func trackRows() []row[Instance] {
	type I = Instance
	return append([]row[I]{
		field("dont_track_primary", flag(), func(i *I) *bool { return &i.DontTrackPrimary }, "The instance does not mind its own interface being down.").since("1.1.8"),
	}, trackLists(func(i *I) *tracks {
		return &tracks{&i.TrackInterfaces, &i.TrackScripts, &i.TrackFiles, &i.TrackProcesses, &i.TrackBFDs}
	})...)
}

// notifyRows say who is told.
func notifyRows() []row[Instance] {
	type I = Instance
	return []row[I]{
		notifyRow("notify_master", func(n *Notify) **Command { return &n.Master }, instanceNotify, "Runs on becoming master.").since("1.1.0"),
		notifyRow("notify_backup", func(n *Notify) **Command { return &n.Backup }, instanceNotify, "Runs on becoming backup.").since("1.1.0"),
		notifyRow("notify_fault", func(n *Notify) **Command { return &n.Fault }, instanceNotify, "Runs on a fault.").since("1.1.0"),
		notifyRow("notify_stop", func(n *Notify) **Command { return &n.Stop }, instanceNotify, "Runs when VRRP stops.").since("1.1.13"),
		notifyRow("notify", func(n *Notify) **Command { return &n.Any }, instanceNotify, "Runs on every change, with its name and priority.").since("1.1.2"),
		notifyRow("notify_master_rx_lower_pri", func(n *Notify) **Command { return &n.LowerPriority }, instanceNotify, "Runs when a master hears a lower priority.").since("2.0.6"),
		action("notify_deleted", "[<SCRIPT> [<USER> [<GROUP>]]]", notifyDeleted, "Runs when a reload takes the instance away.").since("2.1.0"),
		field("smtp_alert", boolean().or("smtp_alert_vrrp"), func(i *I) *bool { return &i.SMTPAlert }, "Sends mails about the instance.").since("1.1.0"),
		field("notify_priority_changes", boolean().or("that of the group, else vrrp_notify_priority_changes"), func(i *I) *bool { return &i.NotifyPriorityChanges }, "Tells the FIFOs of changes of the priority too.").since("2.0.16"),
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
		field("auth_type", choice("auth_type", []string{"PASS", "AH"}, []AuthType{AuthPass, AuthAH}), func(i *I) *AuthType { return &i.AuthType }, "How adverts prove themselves.").since("1.1.0"),
		action("auth_pass", "<PASSWORD>", authPass, "The password.").in("8 bytes count").since("1.1.0"),
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

// tracks are the lists of trackers of an instance or a group.
type tracks struct{ links, scripts, files, processes, bfds *[]Track }

// trackLists are the blocks of trackers.
func trackLists[T any](at func(*T) *tracks) []row[T] {
	const args = "{ <NAME> [weight <N> [reverse|noreverse]] ... }"
	named := func(name, defined, sign string, limit int64, into func(*tracks) *[]Track, doc string) row[T] {
		return list(name, args, func(s *stmt, o *T) { track(s, into(at(o)), defined, limit) }, doc, trackWords[T](limit, "that of the "+defined)...).
			item(sign, "[weight <N> [reverse|noreverse]]", "a "+defined, "weight of the "+defined, "The name of a "+defined+".")
	}
	links := list("track_interface", "{ <IF> [weight <N> [reverse]] ... }", func(s *stmt, o *T) {
		if w := s.n.Words[0]; s.link(w) {
			track(s, at(o).links, "", 253)
		}
	}, "Interfaces that must be up.", trackWords[T](253, "0")...).since("1.1.0")
	return []row[T]{
		links.item("<IF>", "[weight <N> [reverse]]", "an interface", "weight 0", "An interface."),
		named("track_script", "vrrp_script", "<SCRIPT>", 253, func(t *tracks) *[]Track { return t.scripts }, "Scripts that must succeed.").since("1.1.13"),
		named("track_file", "track_file", "<FILE>", 254, func(t *tracks) *[]Track { return t.files }, "Files whose number changes the priority.").since("2.0.0"),
		named("track_process", "vrrp_track_process", "<PROCESS>", 254, func(t *tracks) *[]Track { return t.processes }, "Processes that must run.").since("2.0.11"),
		named("track_bfd", "bfd_instance", "<BFD>", 253, func(t *tracks) *[]Track { return t.bfds }, "BFD sessions that must be up.").since("2.0.0"),
	}
}

func trackWords[T any](limit int64, def string) []row[T] {
	rows := []row[T]{
		word[T]("weight", "<N>", "What is added to the priority; 0 is a fault while it is bad.").in(fmt.Sprintf("-%d to %d", limit, limit)).or(def),
		word[T]("reverse", "", "Good and bad change places.").or("off"),
	}
	if def == "0" { // of an interface, which has no definition
		return rows
	}
	rows[1].Default = def
	return append(rows, word[T]("noreverse", "", "Takes a reverse of the definition back."))
}

// track reads one line of a track_* block. What the line does not say comes
// from the definition, at the end.
func track(s *stmt, into *[]Track, defined string, limit int64) {
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
			if n, ok := s.trackWeight(w, limit); ok {
				t.Weight, ref.weight = n, true
			}
		})
	}
	s.r.tracks[t.Pos] = int32(len(s.r.refs))
	s.r.refs = append(s.r.refs, ref)
	*into = append(*into, t)
}

// trackWeight reads a weight of ±limit; it takes ±254 for ±253, as keepalived
// does.
func (s *stmt) trackWeight(w syntax.Word, limit int64) (int, bool) {
	n, err := strconv.ParseInt(w.Text, 10, 64)
	if err != nil || n < -max(limit, 254) || n > max(limit, 254) {
		s.fail(w, "", "weight %s is out of range -%d - %d", clip(w.Text), limit, limit)
		return 0, false
	}
	return int(max(-limit, min(n, limit))), true
}

// reference is a name that must be defined somewhere.
type reference struct {
	kind   string // the keyword of the definition; "" for an interface
	word   syntax.Word
	path   string
	weight bool   // the line names a weight
	flag   string // reverse or noreverse
}
