package confparse

import (
	"strconv"
	"strings"
	"time"

	"keepgo/checker/pcre"
	"keepgo/confparse/syntax"
)

func miscRows() []row[check] {
	type C = check
	return []row[C]{
		action("misc_path", "<COMMAND> [<USER> [<GROUP>]]", func(s *stmt, c *C) {
			if cmd, ok := command().read(s); ok {
				cmd.User, cmd.Group = or(cmd.User, c.Misc.Command.User), or(cmd.Group, c.Misc.Command.Group)
				c.Misc.Command = *cmd
			}
		}, "The command; exit status 0 is good.").in("quote a command with arguments").since("1.1.0"),
		field("misc_timeout", seconds(0, 4294).or("delay_loop of the virtual_server"), func(c *C) *time.Duration { return &c.Timeout }, "How long it may run.").since("1.1.0"),
		field("misc_dynamic", flag(), func(c *C) *bool { return &c.Misc.Dynamic }, "Exit status 2 to 255 sets the weight to the status less 2.").in("the changes of several such checks add up").since("1.1.8"),
		action("user", "<USER> [<GROUP>]", func(s *stmt, c *C) { identity(&c.Misc.Command.User, &c.Misc.Command.Group, s) }, "Who it runs as.").in("names or numbers that exist").or("script_user").since("1.3.0"),
	}
}

func httpRows(tls bool) []row[check] {
	type C = check
	rows := []row[C]{
		field("retry", number[int](0, 1<<32-1), func(c *C) *int { return &c.retry }, "How many more failures make a server bad.").old("nb_get_retry").since("1.1.0"),
		field("virtualhost", text("string").or("virtualhost of the real_server, else of the virtual_server"), func(c *C) *string { return &c.HTTP.VirtualHost }, "The Host header.").since("1.3.6"),
		field("http_protocol", choice("http_protocol", []string{"1.0", "1.0C", "1.0c", "1.1"}, []string{"1.0", "1.0C", "1.0C", "1.1"}).or("1.0"), func(c *C) *string { return &c.HTTP.Protocol }, "The version of HTTP; C closes the connection.").since("2.0.17"),
		field("enable_sni", boolean(), func(c *C) *bool { return &c.HTTP.SNI }, "Names the host in the TLS handshake.").in("SSL_GET only").since("1.4.3"),
		action("sni_name", "[<NAME>]", func(s *stmt, c *C) {
			c.HTTP.SNI = true
			if w, ok := s.next(); ok {
				c.HTTP.SNIName = w.Text
			}
		}, "The name in the TLS handshake.").in("SSL_GET only").or("the virtualhost").since("after 2.4.3"),
		field("fast_recovery", boolean(), func(c *C) *bool { return &c.HTTP.FastRecovery }, "Does not wait between the pages after a failure.").since("2.0.17"),
		nested("url", "{ ... }", keywords(urlRows(tls)).ending(urlEnd), func(s *stmt, c *C) *URL {
			c.HTTP.URLs = append(c.HTTP.URLs, URL{Pos: s.n.Words[0].Pos})
			return &c.HTTP.URLs[len(c.HTTP.URLs)-1]
		}, "A page and what it must be.").in("at least one").since("1.1.0"),
	}
	if tls {
		rows = append(rows, field("tls_compliant", boolean(), func(c *C) *bool { return &c.HTTP.TLSCompliant }, "Closes TLS by the book.").since("2.2.8"))
	}
	return rows
}

func urlRows(tls bool) []row[URL] {
	type U = URL
	rows := []row[U]{
		field("path", text("path"), func(u *U) *string { return &u.Path }, "The path of the page.").since("1.1.0"),
		action("digest", "<HEX>", func(s *stmt, u *U) {
			w, ok := s.value("32 hex digits")
			if ok && len(w.Text) != 32 {
				s.fail(w, "see genhash", "digest must have 32 hex digits, found %d", len(w.Text))
			} else if ok && strings.Trim(strings.ToLower(w.Text), "0123456789abcdef") != "" {
				s.fail(w, "see genhash", "digest has letters that are no hex digits")
			} else if ok {
				u.Digest = strings.ToLower(w.Text)
			}
		}, "The MD5 digest of the page.").in("32 hex digits").since("1.1.0"),
		action("status_code", "<N>[-<M>] ...", statusCodes, "The HTTP status codes that are good.").in("100-599").or("200-299").since("1.1.0"),
		field("virtualhost", text("string").or("that of the checker"), func(u *U) *string { return &u.VirtualHost }, "The Host header.").since("1.3.6"),
		action("regex", "<PATTERN>", func(s *stmt, u *U) {
			if _, ok := s.value("a pattern"); ok {
				if f := syntax.Fields(s.n.Raw); len(f) > 1 {
					u.Regex = f[1]
				}
			}
			s.rest()
		}, "What the page must match.").in("in quotes").since("2.0.7"),
		field("regex_no_match", flag(), func(u *U) *bool { return &u.RegexNegate }, "The page must not match.").since("2.0.7"),
		action("regex_options", "<OPT> ...", func(s *stmt, u *U) {
			if _, ok := s.value("options"); ok {
				s.regexOptions(u)
			}
		}, "Options of the pattern, as in pcre2api(3) in small letters.").in(strings.Join(regexOptions, " ")).since("2.0.7"),
		field("regex_min_offset", number[int](0, 1<<31-1).or(0), func(u *U) *int { return &u.RegexMin }, "Where a match may begin at the earliest.").since("2.0.7"),
		field("regex_max_offset", number[int](1, 1<<31-1).or("anywhere"), func(u *U) *int { return &u.RegexMax }, "Where a match must have begun.").since("2.0.7"),
		action("regex_stack", "<START> <MAX>", func(s *stmt, _ *U) {
			for range 2 {
				if w, ok := s.value("two numbers of bytes"); ok {
					s.whole(w, 0, 1<<31-1, "0-2147483647")
				}
			}
		}, "The stack of the matcher.").in("bytes").or("the matcher's").without("matching needs no such stack").since("2.0.7"),
	}
	if tls {
		rows = append(rows, field("tls_compliant", boolean().or("that of the checker"), func(u *U) *bool { return &u.TLSCompliant }, "Closes TLS by the book.").since("2.2.8"))
	}
	return rows
}

// regexOptions are the options of a pattern that keepalived knows.
var regexOptions = []string{"allow_empty_class", "alt_bsux", "auto_callout", "caseless", "dollar_endonly", "dotall", "dupnames",
	"extended", "firstline", "match_unset_backref", "multiline", "never_ucp", "never_utf", "no_auto_capture", "no_auto_possess",
	"no_dotstar_anchor", "no_start_optimize", "ucp", "ungreedy", "utf", "never_backslash_c", "alt_circumflex", "alt_verbnames",
	"use_offset_limit"}

// regexOptions reads the options from the first on.
func (s *stmt) regexOptions(u *URL) {
	s.i--
	for _, w := range s.rest() {
		if !contains(regexOptions, w.Text) {
			s.fail(w, "", "unknown option '%s' of a pattern", clip(w.Text))
		} else if !contains(u.RegexOptions, w.Text) {
			u.RegexOptions = append(u.RegexOptions, w.Text)
		}
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
	if u.Regex == "" {
		for _, sub := range n.Body {
			if w := sub.Words[0]; strings.HasPrefix(w.Text, "regex_") {
				r.found(syntax.Warning, w.Pos, len(w.Text), r.path(), "", "%s has no effect without regex", w.Text)
			}
		}
		u.RegexNegate, u.RegexOptions, u.RegexMin, u.RegexMax = false, nil, 0, 0
		return
	}
	p := pcre.Pattern{Text: u.Regex, Options: u.RegexOptions, Min: u.RegexMin, Max: u.RegexMax}
	if _, err := p.Compile(time.Second); err != nil {
		at := n.Words[0]
		for _, sub := range n.Body {
			if sub.Words[0].Text == "regex" {
				at = sub.Words[0]
			}
		}
		r.found(syntax.Failure, at.Pos, len(at.Text), r.path(), "the body is not compared", "regex: %w", err)
		u.Regex = ""
	}
}
