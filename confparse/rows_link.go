package confparse

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"keepgo/confparse/syntax"
)

// linkRows say what the instance does to its interface.
func linkRows() []row[Instance] {
	type I = Instance
	return []row[I]{
		action("use_vmac", "[[name] <IFNAME>] [<MAC>] [netlink_notify_msg] [group <GROUP>]", useVMAC, "The addresses answer with the virtual MAC address.").
			in("a MAC address of 5 or 6 octets, for one host").or("vrrp.<VRID>, 00:00:5e:00:01|02:<VRID>").
			options(option("name", "<IFNAME>", "The interface; the word may be left out.").in("up to 15 characters").or("vrrp.<VRID>"),
				option("netlink_notify_msg", "", "Provokes a message of the kernel about the interface below.").or("off"),
				option("group", "<GROUP>", "The link group of the interface.").in("a name or a number").or("that of the interface below")).
			item("<MAC>", "aa:bb:cc:dd:ee[:ff]", "of one host, and none that VRRP gives itself", "that of RFC 9568 section 7.3", "The address of the interface; to 5 octets the VRID is added.").since("1.2.3"),
		field("use_vmac_addr", flag(), func(i *I) *bool { return &i.VMAC.Addresses }, "The same for addresses on other interfaces.").since("2.2.0"),
		field("vmac_xmit_base", flag(), func(i *I) *bool { return &i.VMAC.XmitBase }, "Adverts go out through the interface below the VMAC.").since("1.2.10"),
		action("use_ipvlan", "[[name] <IFNAME>] [<IP>] [bridge|private|vepa] [group <GROUP>]", useIPVLAN, "Runs on an ipvlan interface.").or("mode bridge").
			options(option("name", "<IFNAME>", "The interface; the word may be left out.").in("up to 15 characters").or("vrrp.<VRID>"),
				option("bridge", "", "The interfaces below one hear each other.").or("default"), option("private", "", "They do not."), option("vepa", "", "The switch carries what they say to each other."),
				option("group", "<GROUP>", "The link group of the interface.").or("that of the interface below")).
			item("<IP>", "address of the instance family", "", "none", "An address of the interface, and the source of adverts.").since("2.0.17"),
		inert[I]("native_ipv6", "Makes the instance one of IPv6.", "the addresses tell the family").or("told by the addresses").since("1.2.1"),
		field("vrf", link().in("unicast instances without an interface"), func(i *I) *string { return &i.VRF }, "The VRF of a unicast instance.").since("2.2.5"),
		field("promote_secondaries", flag(), func(i *I) *bool { return &i.PromoteSecondaries }, "Keeps the other addresses of a network when its first one goes.").since("1.3.0"),
		field("linkbeat_use_polling", flag(), func(i *I) *bool { return &i.LinkbeatPolling }, "Polls the link state of the interface.").since("2.0.0"),
		field("kernel_rx_buf_size", number[int](0, 1<<31-1).in("0 or above").or("vrrp_rx_bufs_policy"), func(i *I) *int { return &i.ReceiveBuffer }, "The receive buffer of the instance.").bytes().since("2.0.3"),
		field("debug", number[int](0, 4).or(0), func(i *I) *int { return &i.DebugLevel }, "A level that keepalived only stores.").without("keepalived has none for it either").since("1.1.0"),
		field("lvs_sync_daemon_interface", link(), func(i *I) *string { return &i.LVSSyncInterface }, "Sends IPVS connections to the other director while MASTER; lvs_sync_daemon in global_defs says more.").since("1.1.0"),
		gone[I]("lvs_sync_daemon_inteface", "<IF>", "is the old spelling; use 'lvs_sync_daemon <IF> <INSTANCE>' in global_defs"),
	}
}

// useVMAC reads what stands behind use_vmac in any order.
func useVMAC(s *stmt, i *Instance) {
	i.UseVMAC = true
	for w, ok := s.next(); ok; w, ok = s.next() {
		switch {
		case w.Text == "name":
			if w, ok = s.value("an interface name"); ok && s.link(w) {
				i.VMACName = w.Text
			}
		case w.Text == "group":
			w, _ = s.value("a group")
			i.VMAC.Group = w.Text
		case w.Text == "netlink_notify_msg":
			i.VMAC.Notify = true
		case strings.Count(w.Text, ":") >= 4:
			i.VMAC.MAC = s.mac(w)
		case w.Text == "true" || w.Text == "on" || w.Text == "yes":
			s.warn(w, "write 'use_vmac' alone", "'%s' is taken as the name of the VMAC interface", w.Text)
			i.VMACName = w.Text
		case s.link(w):
			i.VMACName = w.Text
		}
	}
}

// mac reads a MAC address of five or six octets. One of a group, or one that
// RFC 9568 section 7.3 gives away, is refused.
func (s *stmt) mac(w syntax.Word) []byte {
	var mac []byte
	for octet := range strings.SplitSeq(w.Text, ":") {
		b, err := hex.DecodeString(strings.Repeat("0", max(0, 2-len(octet))) + octet)
		if err != nil || len(b) != 1 {
			s.fail(w, "", "'%s' is not a MAC address", clip(w.Text))
			return nil
		}
		mac = append(mac, b...)
	}
	switch {
	case len(mac) > 6:
		s.fail(w, "", "'%s' is not a MAC address", clip(w.Text))
	case mac[0]&1 != 0:
		s.fail(w, "", "MAC address %s is one of a group", w.Text)
	case string(mac[:4]) == "\x00\x00\x5e\x00" && (mac[4] == 1 || mac[4] == 2):
		s.fail(w, "leave it out", "MAC address %s is one that VRRP gives by itself", w.Text)
	default:
		return mac
	}
	return nil
}

// useIPVLAN reads what stands behind use_ipvlan in any order.
func useIPVLAN(s *stmt, i *Instance) {
	v := &IPVLAN{Mode: "bridge"}
	i.IPVLAN = v
	for w, ok := s.next(); ok; w, ok = s.next() {
		switch {
		case w.Text == "bridge" || w.Text == "private" || w.Text == "vepa":
			v.Mode = w.Text
		case w.Text == "name":
			if w, ok = s.value("an interface name"); ok && s.link(w) {
				v.Name = w.Text
			}
		case w.Text == "group":
			w, _ = s.value("a group")
			v.Group = w.Text
		case isAddress(w.Text):
			v.Addr, _ = s.prefix(w)
		case s.link(w):
			v.Name = w.Text
		}
	}
}

// hmacRows are the keywords of auth_hmac.
func hmacRows() []row[HMAC] {
	type H = HMAC
	return []row[H]{
		action("key", "<ID> <VALUE>", hmacKey, "A shared key: text, hex:DIGITS or file:PATH.").in("1-255; 32-64 bytes").many().since("2.4.0"),
		action("active_key", "<ID>", func(s *stmt, h *H) {
			if n, ok := number[uint8](1, 255).read(s); ok {
				h.Active = n
			}
		}, "The key that signs.").in("1-255").since("2.4.0"),
		field("time_window", ticks("<SECS>", time.Second, 1, 300).or("3 advert intervals, 5-300"), func(h *H) *time.Duration { return &h.Window }, "How far clocks may differ.").since("2.4.0"),
		field("anti_replay", choice("anti_replay", []string{"time", "monotonic"}, []bool{false, true}).or("time"), func(h *H) *bool { return &h.Monotonic }, "How old adverts are told.").since("2.4.0"),
		field("mode", oneOf("mode", "enforce", "permissive", "receive-only").or("enforce"), func(h *H) *string { return &h.Mode }, "What happens to unsigned adverts.").since("2.4.0"),
	}
}

func hmacKey(s *stmt, h *HMAC) {
	id, ok := number[uint8](1, 255).read(s)
	if !ok {
		s.rest()
		return
	}
	w, ok := s.value("a key")
	if !ok {
		return
	}
	n := len(w.Text)
	if digits, isHex := strings.CutPrefix(w.Text, "hex:"); isHex {
		b, err := hex.DecodeString(digits)
		if n = len(b); err != nil {
			s.fail(w, "", "key %d is not made of hex digits", id)
			return
		}
	}
	if !strings.HasPrefix(w.Text, "file:") && (n < 32 || n > 64) {
		s.fail(w, "", "key %d has %d bytes; 32 to 64 are needed", id, n)
		return
	}
	for _, k := range h.Keys[:min(len(h.Keys), maxDuplicateSearch)] {
		if k.ID == id {
			s.fail(w, "", "key %d is defined twice", id)
			return
		}
	}
	h.Keys = append(h.Keys, HMACKey{ID: id, Value: w.Text})
}

func hmacEnd(r *reader, h *HMAC, n *syntax.Node) {
	if h.has(h.Active) {
		return
	}
	why := "auth_hmac has no active_key: adverts are not signed"
	if h.Active != 0 {
		why = fmt.Sprintf("auth_hmac has no key %d: adverts are not signed", h.Active)
	}
	r.found(syntax.Failure, n.Words[0].Pos, len("auth_hmac"), r.path(), "add 'active_key' with the number of a 'key'", "%s", why)
}

// addressList is the row of a block of addresses.
func addressList(name string, at func(*Instance) *[]Address, doc string) row[Instance] {
	return list(name, "{ <IP>[/<LEN>] [dev <IF>] ... }", func(s *stmt, i *Instance) { virtual(s, i, at(i)) }, doc, addressOptions[Instance]()...).item("<IP>[/<LEN>]", "first word of the line", "IPv4 or IPv6", "/32 or /128", "The address.")
}

// addressOptions are the words that may follow an address.
func addressOptions[T any]() []row[T] {
	return []row[T]{
		word[T]("dev", "<IF>", "The interface of the address.").in("an interface").or("the instance's; of static ones default_interface").since("1.1.0"),
		word[T]("scope", "<SCOPE>", "The scope of an IPv4 address.").in("a name or 0-255").or("global").since("1.1.0"),
		word[T]("brd", "<IP>|+|-", "The broadcast address of IPv4; + has all bits of the host set, - none.").in("IPv4 only").or("none").since("1.1.3"),
		word[T]("brd", "<IP>|+|-", "The broadcast address.").in("IPv4 only").or("none").alias("broadcast").since("1.1.3"),
		word[T]("label", "<LABEL>", "The label of an IPv4 address.").in("up to 15 characters").or("none").since("1.1.14"),
		word[T]("peer", "<IP>[/<LEN>]", "The other end of a point-to-point link.").in("of the same family").or("none").since("2.0.0"),
		word[T]("home", "", "Marks a home address.").in("IPv6").or("off").since("1.3.6"),
		word[T]("-nodad", "", "Looks for a duplicate of the address.").in("IPv6").or("off").since("1.3.6"),
		word[T]("mngtmpaddr", "", "The kernel makes temporary addresses from it.").in("IPv6 with a prefix of 64").or("off").since("1.3.6"),
		word[T]("noprefixroute", "", "The kernel adds no route for the prefix.").or("off").since("1.3.6"),
		word[T]("autojoin", "", "Joins the multicast group that the address is.").in("multicast addresses").or("off").since("1.3.6"),
		word[T]("no_track", "", "Nothing happens when the address is taken away.").or("tracked").since("2.0.3"),
		word[T]("preferred_lft", "<SECS>|forever", "How long the address is preferred as a source.").in("0-4294967295 or forever").or("forever; 0 for IPv6 /128").since("2.0.20"),
		word[T]("track_group", "<TRACK_GROUP>", "The instances at fault with its interface.").in("a track_group; needs dev").or("none").since("2.0.3"),
		word[T]("use_vmac", "", "The address answers with the virtual MAC address.").or("off").since("2.2.0"),
	}
}
