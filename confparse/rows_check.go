package confparse

import (
	"net/netip"
	"strings"

	"keepgo/confparse/syntax"
)

// check is a checker block while it is read.
type check struct {
	*Checker
	text *scope
	timing
	node  *syntax.Node
	hosts []*check // of SMTP_CHECK
	own   bool     // with hosts: the block itself names a target too
	share bool
}

// checkRow is the row of a checker block.
func checkRow(kind CheckKind) row[server] {
	rw := nested(kind.String(), "{ ... }", keywords(checkRows(kind)...).ending(checkEnd), func(s *stmt, sv *server) *check {
		c := s.r.newCheck(kind, s.n)
		sv.checks = append(sv.checks, c)
		return c
	}, checkDocs[kind])
	return rw.since(checkReleases[kind].first)
}

// newCheck makes what a checker block fills.
func (r *reader) newCheck(kind CheckKind, n *syntax.Node) *check {
	c := r.spare.checks.take()
	*c = check{Checker: &Checker{Pos: n.Words[0].Pos, Kind: kind}, node: n, share: true}
	switch kind {
	case HTTPCheck, SSLCheck:
		c.HTTP = &HTTP{Protocol: "1.0"}
	case MiscCheck:
		c.Misc = &Misc{}
	case SMTPCheck:
		c.SMTP = &Dialogue{Helo: "smtpchecker.keepalived.org"}
	case DNSCheck:
		c.DNS = &Question{Type: "SOA", Name: "."}
	case UDPCheck:
		c.UDP = &Datagram{MaxReply: 255}
	case FileCheck, BFDCheck:
		c.Watch = &Watch{}
	}
	return c
}

var checkDocs = [...]string{
	TCPCheck:  "Connects to a TCP port.",
	HTTPCheck: "Fetches pages over HTTP.",
	SSLCheck:  "Fetches pages over HTTPS.",
	SMTPCheck: "Talks to a mail server.",
	DNSCheck:  "Asks a name server.",
	MiscCheck: "Runs a command.",
	UDPCheck:  "Sends a datagram.",
	PingCheck: "Sends an ICMP echo request.",
	FileCheck: "Reads a number from a track_file.",
	BFDCheck:  "Follows a BFD session.",
}

// checkRows are the keywords of a checker block.
func checkRows(kind CheckKind) [][]row[check] {
	type C = check
	retry, before := "1", "1"
	switch kind {
	case MiscCheck:
		retry = "0"
	case HTTPCheck, SSLCheck:
		before = "3"
	case DNSCheck:
		retry, before = "3", "delay_loop"
	}
	chain := "that of the real_server, of the virtual_server, else "
	shared := append(timingRows(func(c *C) *timing { return &c.timing }, 0, boolean().or(chain+"off"),
		timingDefaults{chain + retry, chain + before, chain + "delay_loop", chain + "5", chain + "60", 4294}),
		field("log_all_failures", boolean().or("checker_log_all_failures"), func(c *C) *bool { return &c.LogAll }, "Logs every failed attempt.").since("2.0.11"))
	since := checkReleases[kind]
	common := append(released(shared, since.first, since.named), ownCheckRows(chain)...)
	connect := append(released(connectRows(), since.first, since.named), throughRow())
	switch kind {
	case MiscCheck:
		return [][]row[C]{dropRow(common, "connect_timeout"), miscRows()}
	case PingCheck: // IPVS balances no echo requests
		connect = dropRow(connect, "through_vip")
	case HTTPCheck:
		return [][]row[C]{common, connect, httpRows(false)}
	case SSLCheck:
		return [][]row[C]{common, connect, httpRows(true)}
	case FileCheck:
		return [][]row[C]{watchRows()}
	case BFDCheck:
		return [][]row[C]{sessionRows()}
	}
	return [][]row[C]{common, connect, askRows(kind, common)}
}

// ownCheckRows are what every check can say that keepalived does not know.
func ownCheckRows(chain string) []row[check] {
	type C = check
	return []row[C]{
		riseRow(func(c *C) *timing { return &c.timing }, chain+"1"),
		field("share_probe", boolean().or("on"), func(c *C) *bool { return &c.share }, "One probe answers for every equal check.").ours(),
	}
}

// throughRow is the keyword that has a probe take the way of the clients.
func throughRow() row[check] {
	return field("through_vip", flag().in("servers by DR or TUN"), func(c *check) *bool { return &c.Through }, "Asks at the virtual address, by the way that clients' packets take to this server.").ours()
}

// askRows are what the checkers say that speak a protocol of their own.
func askRows(kind CheckKind, common []row[check]) []row[check] {
	type C = check
	switch kind {
	case SMTPCheck:
		host := keywords(released(common, "1.1.8", hostReleases), released(connectRows(), "1.1.8", hostReleases), []row[C]{throughRow()})
		return []row[C]{
			field("helo_name", text("string").or("smtpchecker.keepalived.org"), func(c *C) *string { return &c.SMTP.Helo }, "How the check names itself.").since("1.1.8"),
			nested("host", "{ ... }", host, func(s *stmt, c *C) *C {
				h := s.r.newCheck(SMTPCheck, s.n)
				c.hosts = append(c.hosts, h)
				return h
			}, "Another target, checked by itself.").or("the real server").since("1.1.8"),
		}
	case DNSCheck:
		return []row[C]{
			field("type", questionType(), func(c *C) *string { return &c.DNS.Type }, "The type of the question.").since("1.3.0"),
			action("name", "<DOMAIN>", questionName, "The name asked for.").in("labels of up to 63 letters").or(".").since("1.3.0"),
		}
	case UDPCheck:
		length := number[int](0, 65535)
		return []row[C]{
			action("payload", "<HEX>", func(s *stmt, c *C) {
				if _, ok := s.value("hex digits"); ok {
					c.UDP.Payload, _, _ = s.pattern(s.n.Words[1:], false)
				}
				s.rest()
			}, "What is sent.").in("hex digits").or("32 bytes of text").since("2.2.0"),
			action("require_reply", "[<HEX>]", func(s *stmt, c *C) {
				c.UDP.RequireReply = true
				c.UDP.Reply, c.UDP.Mask, _ = s.pattern(s.rest(), true)
			}, "An answer is needed, perhaps one that begins like this; x stands for any digit.").or("not required").since("2.1.0"),
			field("min_reply_length", length.or(0), func(c *C) *int { return &c.UDP.MinReply }, "The shortest answer that counts.").since("2.2.0"),
			field("max_reply_length", length.or(255), func(c *C) *int { return &c.UDP.MaxReply }, "The longest answer that counts.").since("2.2.0"),
		}
	}
	return nil
}

// questionType is a type of DNS records, in any case.
func questionType() kind[string] {
	types := []string{"A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"}
	k := oneOf("type", types...).or("SOA")
	read := k.read
	k.read = func(s *stmt) (string, bool) {
		if s.i < len(s.n.Words) {
			if upper := strings.ToUpper(s.n.Words[s.i].Text); contains(types, upper) {
				s.i++
				return upper, true
			}
		}
		return read(s)
	}
	return k
}

// questionName is a domain name: RFC 1035 section 2.3.4.
func questionName(s *stmt, c *check) {
	w, ok := s.value("a domain name")
	if !ok {
		return
	}
	if len(w.Text) > 255 {
		s.fail(w, "", "a domain name has at most 255 characters")
		return
	}
	if w.Text != "." {
		for label := range strings.SplitSeq(strings.TrimSuffix(w.Text, "."), ".") {
			if len(label) == 0 || len(label) > 63 {
				s.fail(w, "", "'%s' is not a domain name: a label has 1 to 63 characters", clip(w.Text))
				return
			}
		}
	}
	c.DNS.Name = w.Text
}

// watchRows are the keywords of FILE_CHECK.
func watchRows() []row[check] {
	type C = check
	return []row[C]{
		action("track_file", "<NAME>", func(s *stmt, c *C) { c.Watch.Name = s.refer("track_file") }, "The track_file it reads.").in("a track_file").since("2.1.0"),
		action("weight", "<N> [reverse|noreverse]", func(s *stmt, c *C) {
			const most = 1<<31 - 1
			if n, ok := number[int](-most, most).read(s); ok {
				c.Watch.Weight = n
			}
			if w, ok := s.next(); ok {
				if c.Watch.Reverse = w.Text == "reverse"; !c.Watch.Reverse && w.Text != "noreverse" {
					s.fail(w, "reverse, noreverse, or nothing", "unknown word '%s' after 'weight'", clip(w.Text))
				}
			}
		}, "What the number in the file is multiplied with; 0 is down unless the number is 0.").in("-2147483647 to 2147483647").or("that of the track_file").since("2.1.0"),
	}
}

// sessionRows are the keywords of BFD_CHECK.
func sessionRows() []row[check] {
	type C = check
	return []row[C]{
		action("name", "<BFD INSTANCE>", func(s *stmt, c *C) { c.Watch.Name = s.refer("bfd_instance") }, "The session it follows.").in("a bfd_instance").since("2.0.0"),
		field("alpha", boolean().or("alpha of the real_server"), func(c *C) *bool { return &c.alpha }, "The server is down until the session is up.").since("2.0.0"),
	}
}

// checkEnd puts the hosts of an SMTP_CHECK in its place: each is a check of
// its own, and the block itself only if it says where to connect.
func checkEnd(r *reader, c *check, _ *syntax.Node) {
	if len(c.hosts) > 0 && r.has(c, "connect_ip", "connect_port", "bindto", "bind_port", "bind_if", "fwmark", "through_vip") {
		c.own = true
	}
	for _, h := range c.hosts {
		h.SMTP.Helo = c.SMTP.Helo
	}
}

// refer reads the name of something defined elsewhere.
func (s *stmt) refer(kind string) string {
	w, ok := s.value("a name")
	if ok {
		s.refers(kind, w)
	}
	return w.Text
}

// refers keeps that a word names something defined elsewhere.
func (s *stmt) refers(kind string, w syntax.Word) {
	s.r.refs = append(s.r.refs, reference{kind: kind, word: w, path: s.r.path()})
}

func dropRow[T any](rows []row[T], name string) []row[T] {
	var out []row[T]
	for _, rw := range rows {
		if rw.Name != name {
			out = append(out, rw)
		}
	}
	return out
}

// connectRows are the options of a connection.
func connectRows() []row[check] {
	type C = check
	return []row[C]{
		field("connect_ip", ip(0).in("of the real server's family").or("the real server's address"), func(c *C) *netip.Addr { return &c.Addr }, "Where to connect.").since("1.2.13"),
		field("connect_port", port().or("the real server's port"), func(c *C) *uint16 { return &c.Port }, "The port to connect to.").since("1.1.0"),
		field("bindto", ip(0).in("an address of this host").or("none"), func(c *C) *netip.Addr { return &c.BindAddr }, "The source address.").since("1.1.2"),
		field("bind_port", port().or("chosen by the kernel"), func(c *C) *uint16 { return &c.BindPort }, "The source port.").since("1.2.13"),
		field("bind_if", link().or("none"), func(c *C) *string { return &c.BindIf }, "The interface of the connection; link-local addresses need it.").since("1.3.7"),
		field("fwmark", number[uint32](0, 1<<32-1).or(0), func(c *C) *uint32 { return &c.FWMark }, "The mark of its packets.").since("1.2.13"),
	}
}
