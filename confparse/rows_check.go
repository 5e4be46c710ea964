package confparse

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"keepgo/confparse/syntax"
)

// check is a checker block while it is read.
type check struct {
	*Checker
	timing
	node *syntax.Node
}

// checkRow is the row of a checker block.
func checkRow(kind CheckKind) row[server] {
	rw := nested(kind.String(), "{ ... }", keywords(checkRows(kind)...), func(s *stmt, sv *server) *check {
		c := &check{Checker: &Checker{Pos: s.n.Words[0].Pos, Kind: kind}, node: s.n}
		switch kind {
		case HTTPCheck, SSLCheck:
			c.HTTP = &HTTP{Protocol: "1.0"}
		case MiscCheck:
			c.Misc = &Misc{}
		}
		sv.checks = append(sv.checks, c)
		return c
	}, checkDocs[kind])
	switch kind {
	case TCPCheck, HTTPCheck, SSLCheck, MiscCheck:
	default:
		rw.Status = NotYet
	}
	return rw
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
	common := append(timingRows(func(c *C) *timing { return &c.timing }, 0, boolean()),
		field("log_all_failures", boolean().or("checker_log_all_failures"), func(c *C) *bool { return &c.LogAll }, "Logs every failed attempt."))
	switch kind {
	case MiscCheck:
		return [][]row[C]{dropRow(common, "connect_timeout"), miscRows()}
	case HTTPCheck:
		return [][]row[C]{common, connectRows(), httpRows()}
	case SSLCheck:
		return [][]row[C]{common, connectRows(), httpRows(), {later[C]("tls_compliant", "[<BOOL>]", "Closes TLS by the book.")}}
	case SMTPCheck:
		return [][]row[C]{common, connectRows(), {
			later[C]("helo_name", "<NAME>", "How the check names itself.").or("smtpchecker.keepalived.org"),
			laterBlock("host", "{ ... }", "Another target of the same check.", append(laterAll(common), laterAll(connectRows())...)...).many(),
		}}
	case DNSCheck:
		return [][]row[C]{common, connectRows(), {
			later[C]("type", "<TYPE>", "The type of the question.").or("SOA"),
			later[C]("name", "<NAME>", "The name asked for.").or(".")}}
	case UDPCheck:
		return [][]row[C]{common, connectRows(), {
			later[C]("payload", "<HEX>", "What is sent."),
			later[C]("require_reply", "[<HEX>]", "An answer is needed, perhaps one that begins like this."),
			later[C]("min_reply_length", "<N>", "The shortest answer that counts."),
			later[C]("max_reply_length", "<N>", "The longest answer that counts.")}}
	case FileCheck:
		return [][]row[C]{{
			action("track_file", "<NAME>", func(s *stmt, _ *C) { s.refer("track_file") }, "The track_file it reads.").notYet(),
			later[C]("weight", "<N> [reverse|noreverse]", "What the number in the file is multiplied with.")}}
	case BFDCheck:
		return [][]row[C]{{
			action("name", "<NAME>", func(s *stmt, _ *C) { s.refer("bfd_instance") }, "The session it follows.").notYet(),
			later[C]("alpha", "[<BOOL>]", "The server is down until the session is up.")}}
	}
	return [][]row[C]{common, connectRows()}
}

// refer reads the name of something defined elsewhere.
func (s *stmt) refer(kind string) {
	if w, ok := s.value("a name"); ok {
		s.r.refs[w.Pos] = reference{kind: kind, word: w, path: s.r.path()}
		s.r.order = append(s.r.order, w.Pos)
	}
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

// laterAll makes rows known and without effect.
func laterAll[T any](rows []row[T]) []row[T] {
	out := make([]row[T], len(rows))
	for i, rw := range rows {
		rw.read, rw.Status = nil, NotYet
		out[i] = rw
	}
	return out
}

// connectRows are the options of a connection.
func connectRows() []row[check] {
	type C = check
	return []row[C]{
		field("connect_ip", ip(0), func(c *C) *netip.Addr { return &c.Addr }, "Where to connect."),
		field("connect_port", port(), func(c *C) *uint16 { return &c.Port }, "The port to connect to."),
		field("bindto", ip(0), func(c *C) *netip.Addr { return &c.BindAddr }, "The source address."),
		field("bind_port", port(), func(c *C) *uint16 { return &c.BindPort }, "The source port."),
		field("bind_if", link(), func(c *C) *string { return &c.BindIf }, "The interface of the connection."),
		field("fwmark", number[uint32](0, 1<<32-1).or(0), func(c *C) *uint32 { return &c.FWMark }, "The mark of its packets."),
	}
}

func miscRows() []row[check] {
	type C = check
	return []row[C]{
		action("misc_path", "<COMMAND> [<USER> [<GROUP>]]", func(s *stmt, c *C) {
			if cmd, ok := command().read(s); ok {
				cmd.User, cmd.Group = or(cmd.User, c.Misc.Command.User), or(cmd.Group, c.Misc.Command.Group)
				c.Misc.Command = *cmd
			}
		}, "The command; exit status 0 is good."),
		field("misc_timeout", seconds(0, 4294).or("delay_loop of the virtual_server"), func(c *C) *time.Duration { return &c.Timeout }, "How long it may run."),
		field("misc_dynamic", flag(), func(c *C) *bool { return &c.Misc.Dynamic }, "Exit status 2 to 255 sets the weight to the status less 2."),
		action("user", "<USER> [<GROUP>]", func(s *stmt, c *C) { identity(&c.Misc.Command.User, &c.Misc.Command.Group, s) }, "Who it runs as."),
	}
}

func httpRows() []row[check] {
	type C = check
	return []row[C]{
		field("retry", number[int](0, 1<<32-1), func(c *C) *int { return &c.retry }, "How many more failures make a server bad.").old("nb_get_retry"),
		field("virtualhost", text("name"), func(c *C) *string { return &c.HTTP.VirtualHost }, "The Host header."),
		field("http_protocol", choice("http_protocol", []string{"1.0", "1.0C", "1.0c", "1.1"}, []string{"1.0", "1.0C", "1.0C", "1.1"}).or("1.0"), func(c *C) *string { return &c.HTTP.Protocol }, "The version of HTTP; C closes the connection."),
		field("enable_sni", boolean(), func(c *C) *bool { return &c.HTTP.SNI }, "Names the host in the TLS handshake."),
		action("sni_name", "[<NAME>]", func(s *stmt, c *C) {
			c.HTTP.SNI = true
			if w, ok := s.next(); ok {
				c.HTTP.SNIName = w.Text
			}
		}, "The name in the TLS handshake."),
		field("fast_recovery", boolean(), func(c *C) *bool { return &c.HTTP.FastRecovery }, "Does not wait between the pages after a failure."),
		nested("url", "{ path ... }", keywords(urlRows()).ending(urlEnd), func(s *stmt, c *C) *URL {
			c.HTTP.URLs = append(c.HTTP.URLs, URL{Pos: s.n.Words[0].Pos})
			return &c.HTTP.URLs[len(c.HTTP.URLs)-1]
		}, "A page and what it must be."),
	}
}

func urlRows() []row[URL] {
	type U = URL
	return []row[U]{
		field("path", text("path"), func(u *U) *string { return &u.Path }, "The path of the page."),
		action("digest", "<HEX>", func(s *stmt, u *U) {
			w, ok := s.value("32 hex digits")
			if ok && len(w.Text) != 32 {
				s.fail(w, "see genhash", "digest must have 32 hex digits, found %d", len(w.Text))
			} else if ok && strings.Trim(strings.ToLower(w.Text), "0123456789abcdef") != "" {
				s.fail(w, "see genhash", "digest has letters that are no hex digits")
			} else if ok {
				u.Digest = strings.ToLower(w.Text)
			}
		}, "The MD5 digest of the page.").in("32 hex digits"),
		action("status_code", "<N>[-<M>] ...", statusCodes, "The HTTP status codes that are good.").in("100-599").or("200-299"),
		field("virtualhost", text("name"), func(u *U) *string { return &u.VirtualHost }, "The Host header."),
		action("regex", "<PATTERN>", func(s *stmt, u *U) {
			if _, ok := s.value("a pattern"); ok {
				if f := syntax.Fields(s.n.Raw); len(f) > 1 {
					u.Regex = f[1]
				}
			}
			s.rest()
		}, "What the page must match."),
		field("regex_no_match", flag(), func(u *U) *bool { return &u.RegexNegate }, "The page must not match."),
		later[U]("regex_options", "<OPTION> ...", "Options of the pattern."),
		later[U]("regex_min_offset", "<N>", "Where a match may begin at the earliest."),
		later[U]("regex_max_offset", "<N>", "Where a match may begin at the latest."),
		later[U]("regex_stack", "<START> <MAX>", "The stack of the matcher.").without("matching needs no such stack"),
		later[U]("tls_compliant", "[<BOOL>]", "Closes TLS by the book."),
	}
}

func statusCodes(s *stmt, u *URL) {
	if s.i == len(s.n.Words) {
		s.value("100-599")
		return
	}
	for _, w := range s.rest() {
		first, last, isRange := strings.Cut(w.Text, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.Atoi(first)
		b, err2 := strconv.Atoi(last)
		switch {
		case err1 != nil || err2 != nil:
			s.fail(w, "", "status_code: '%s' is not a number", clip(w.Text))
		case a < 100 || b > 599 || a > b:
			s.fail(w, "", "status_code %s is out of range 100-599", w.Text)
		default:
			u.Status = append(u.Status, StatusRange{a, b})
		}
	}
}

func urlEnd(r *reader, u *URL, n *syntax.Node) {
	if u.Path == "" {
		r.found(syntax.Failure, n.Words[0].Pos, 3, r.path(), "", "url has no path")
	}
	if u.RegexNegate && u.Regex == "" {
		r.found(syntax.Warning, n.Words[0].Pos, 3, r.path(), "", "regex_no_match has no effect without regex")
	}
}
