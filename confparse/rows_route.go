package confparse

import "strings"

// Routes and rules are kept as their words; this much is checked of them.

// routeArgs are the words of a route and how many values follow each.
var routeArgs = map[string]int{"to": 0, "inet": 0, "inet6": 0, "default6": 0, "src": 1, "as": 1, "via": 1, "gw": 1,
	"or": 1, "from": 1, "tos": 1, "dsfield": 1, "table": 1, "protocol": 1, "scope": 1, "metric": 1, "priority": 1,
	"preference": 1, "dev": 1, "oif": 1, "onlink": 0, "encap": 0, "expires": 1, "mtu": 1, "hoplimit": 1, "advmss": 1,
	"rtt": 1, "rttvar": 1, "reordering": 1, "window": 1, "cwnd": 1, "ssthresh": 1, "realms": 1, "rto_min": 1,
	"initcwnd": 1, "initrwnd": 1, "features": 1, "quickack": 1, "congctl": 1, "pref": 1, "ttl-propagate": 1,
	"fastopen_no_cookie": 1, "add": 0, "prepend": 0, "append": 0, "nexthop": 0, "weight": 1, "no_track": 0, "vrf": 1,
	"track_group": 1}

// routeTypes may stand before the destination of a route.
var routeTypes = []string{"unicast", "local", "broadcast", "multicast", "throw", "unreachable", "prohibit", "blackhole", "nat"}

// ruleArgs are the words of a rule and how many values follow each.
var ruleArgs = map[string]int{"inet": 0, "inet6": 0, "from": 1, "to": 1, "table": 1, "lookup": 1, "not": 0,
	"preference": 1, "order": 1, "priority": 1, "tos": 1, "dsfield": 1, "fwmark": 1, "realms": 1,
	"suppress_prefixlength": 1, "sup_pl": 1, "suppress_ifgroup": 1, "sup_group": 1, "iif": 1, "dev": 1, "oif": 1,
	"tunnel-id": 1, "uidrange": 1, "l3mdev": 0, "protocol": 1, "ipproto": 1, "sport": 1, "dport": 1, "type": 0,
	"goto": 1, "nop": 0, "blackhole": 0, "unreachable": 0, "prohibit": 0, "no_track": 0, "track_group": 1}

// keepLine keeps a line as its words.
func keepLine(s *stmt, into *[]Line) {
	l := Line{Pos: s.n.Words[0].Pos}
	for _, w := range s.n.Words {
		l.Words = append(l.Words, w.Text)
	}
	s.rest()
	*into = append(*into, l)
}

func routeLine(s *stmt, into *[]Line) {
	if !s.destination() || !s.lineWords("in a route", routeArgs) {
		s.rest()
		return
	}
	keepLine(s, into)
}

// destination passes over what stands before the options of a route.
func (s *stmt) destination() bool {
	for {
		w, ok := s.next()
		if !ok {
			break
		}
		dest := w.Text == "default" || w.Text == "default6" || w.Text == "any" || w.Text == "all" || isAddress(w.Text)
		if dest {
			return true
		}
		switch {
		case w.Text == "src" || w.Text == "via" && s.i < len(s.n.Words): // the old order: src IP [to] DEST
			s.next()
		case contains(routeTypes, w.Text), routeArgs[w.Text] == 0 && hasWord(routeArgs, w.Text):
		case hasWord(routeArgs, w.Text):
			s.next()
		default:
			s.strangeOrAddress(w.Text, "in a route", routeArgs)
			return false
		}
	}
	s.fail(s.n.Words[0], "begin with a network, as in '10.0.0.0/8 via ...', or 'default'", "route has no destination")
	return false
}

func hasWord(args map[string]int, w string) bool {
	_, ok := args[w]
	return ok
}

// strangeOrAddress reports the word just taken.
func (s *stmt) strangeOrAddress(text, what string, args map[string]int) {
	w := s.n.Words[s.i-1]
	if text != "" && text[0] >= '0' && text[0] <= '9' {
		host, _, _ := strings.Cut(text, "/")
		why, hint := notAddr(host)
		s.fail(w, hint, "%s", why)
		return
	}
	var names []string
	for n := range args {
		names = append(names, n)
	}
	s.strange(w, what, sorted(names))
}

// lineWords checks the options of a route or a rule.
func (s *stmt) lineWords(what string, args map[string]int) bool {
	for w, ok := s.next(); ok; w, ok = s.next() {
		n, known := args[w.Text]
		switch {
		case w.Text == "encap": // its options are a language of their own
			s.rest()
			return true
		case !known && !isAddress(w.Text) && !contains(routeTypes, w.Text):
			s.strangeOrAddress(w.Text, what, args)
			return false
		case n == 0:
			continue
		}
		v, ok := s.next()
		if ok && (v.Text == "inet" || v.Text == "inet6" || v.Text == "to" || v.Text == "lock") {
			v, ok = s.next()
		}
		if !ok {
			s.fail(w, "", "'%s' needs %s", w.Text, needs(w.Text))
			return false
		}
		if (w.Text == "via" || w.Text == "gw" || w.Text == "src" || w.Text == "or") && !isAddress(v.Text) {
			why, hint := notAddr(v.Text)
			s.fail(v, hint, "%s", why)
			return false
		}
		if (w.Text == "dev" || w.Text == "oif" || w.Text == "iif") && !s.link(v) {
			return false
		}
	}
	return true
}

func ruleLine(s *stmt, into *[]Line) {
	if s.lineWords("in a rule", ruleArgs) {
		keepLine(s, into)
	}
}
