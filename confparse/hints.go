package confparse

import (
	"net/netip"
	"sort"
	"strconv"
	"strings"

	"keepgo/confparse/syntax"
)

// unknown reports a statement whose keyword its block does not know. The
// whole statement is skipped with its block.
func (s *stmt) unknown() {
	if s.oddity() {
		return
	}
	why, hint, sev := "unknown keyword '"+clip(s.name())+"'", "", syntax.Failure
	if s.r.unknown++; s.r.unknown <= maxExplained {
		why, hint = s.explain()
		if oldName(s.name()) {
			sev = syntax.Warning
		}
	}
	if s.n.Braces && s.n.End.Line > 0 {
		hint = s.ignored(hint)
	}
	s.tell(sev, s.n.Words[0], hint, "%s", why)
}

// ignored adds to a hint that the statement is skipped with its block.
func (s *stmt) ignored(hint string) string {
	lines := "its whole block, lines " + strconv.Itoa(s.n.Words[0].Pos.Line) + "-" + strconv.Itoa(s.n.End.Line) + ", is ignored"
	switch {
	case hint == "":
		return lines
	case strings.HasSuffix(hint, "?"):
		return hint + " I" + lines[1:]
	}
	return hint + "; " + lines
}

// maxExplained is how many unknown keywords get an explanation: a search
// through the whole table each.
const maxExplained = 200

// oldName says that a keyword is a deprecated name somewhere.
func oldName(kw string) (old bool) {
	walk("", root(), func(_ string, b Block) {
		if k := b.Keyword(kw); k != nil && k.Old && !b.Lines() {
			old = true
		}
	})
	return old
}

// place names the block a statement stands in.
func (s *stmt) place() string {
	if n := len(s.r.open); n > 0 {
		return s.r.open[n-1].Words[0].Text
	}
	return ""
}

// explain says what may have been meant by an unknown keyword.
func (s *stmt) explain() (why, hint string) {
	kw, in := s.name(), s.place()
	why = "unknown keyword '" + clip(kw) + "'"
	if len(kw) > 60 {
		why += " (" + strconv.Itoa(len(kw)) + " characters)"
	} else if in != "" {
		why += " in " + in
	}
	if bare := strings.TrimRight(kw, ":;="); bare != kw && s.known(bare) {
		return why, s.colon(bare)
	}
	if s.within.Keyword(strings.ToLower(kw)) != nil {
		return why, "keywords are case-sensitive: '" + strings.ToLower(kw) + "'"
	}
	if homes := homesOf(kw); len(homes) > 0 {
		return s.misplaced(homes)
	}
	if name, rest := glued(s.within, kw); name != "" {
		return why, "did you mean '" + name + " " + rest + "'?"
	}
	if in == "vrrp_sync_group" && len(s.n.Words) == 1 && !s.n.Braces && nearestKeyword(kw, s.within) == "" {
		return why, "list instances in 'group { ... }'"
	}
	if near := nearestKeyword(kw, s.within); near != "" {
		return why, "did you mean '" + near + "'?" + s.stays(near)
	}
	if near := nearestKeyword(kw, nil); near != "" {
		return why, "did you mean '" + near + "'? It belongs in " + strings.Join(homesOf(near), " or ")
	}
	return why, ""
}

// stays names the default that is used while a keyword is misspelled.
func (s *stmt) stays(near string) string {
	if k := s.within.Keyword(near); k != nil && k.Default != "" && !s.n.Braces {
		return " (" + near + " stays " + k.Default + ")"
	}
	return ""
}

func (s *stmt) known(kw string) bool { return s.within.Keyword(kw) != nil }

// colon says how a statement in the manner of YAML is written.
func (s *stmt) colon(bare string) string {
	if k := s.within.Keyword(bare); k.Block != nil && !s.n.Braces {
		return "write '" + bare + " NAME {'"
	}
	return strings.TrimRight("write '"+bare+" "+wordAt(s.n, 1), " ") + "'"
}

// misplaced says where a keyword belongs.
func (s *stmt) misplaced(homes []string) (why, hint string) {
	kw, in := s.name(), s.place()
	where := strings.Join(homes, " or ")
	if len(homes) > 3 {
		where = strings.Join(homes[:3], ", ") + " and others"
	}
	if near := cousin(kw, s.within); near != "" && near != kw {
		hint = "here you may mean '" + near + "'"
	}
	if homes[0] == "url" || homes[0] == "authentication" {
		where = "an '" + homes[0] + " { }' block"
		if homes[0] == "url" {
			where = "'url { }'"
		}
	}
	if in == "" {
		return "'" + kw + "' is not a top-level keyword; it belongs in " + where, hint
	}
	return "'" + kw + "' belongs in " + where + ", not in " + in, hint
}

// cousins are keywords that are mistaken for each other across blocks.
var cousins = map[string][]string{
	"router_id":    {"virtual_router_id"},
	"interface":    {"default_interface"},
	"nb_get_retry": {"retry"},
	"priority":     {"weight"},
}

func cousin(kw string, b Block) string {
	for _, c := range cousins[kw] {
		if b.Keyword(c) != nil {
			return c
		}
	}
	return ""
}

// homesOf lists the blocks that know a keyword, in the order of the table.
func homesOf(kw string) []string {
	var homes []string
	seen := map[string]bool{}
	walk("", root(), func(name string, b Block) {
		if b.Lines() || seen[name] {
			return
		}
		if k := b.Keyword(kw); k != nil && k.Status != Removed && name != "" && len(homes) < 8 {
			seen[name] = true
			homes = append(homes, name)
		}
	})
	return homes
}

// walk visits every block of the table.
func walk(name string, b Block, visit func(name string, b Block)) {
	visit(name, b)
	for _, k := range b.Keywords() {
		if k.Block != nil {
			walk(k.Name, k.Block, visit)
		}
	}
}

// glued finds a keyword that its value was glued to.
func glued(b Block, kw string) (name, rest string) {
	for _, k := range b.Keywords() {
		if tail, ok := strings.CutPrefix(kw, k.Name); ok && len(tail) > 1 && len(k.Name) > len(name) {
			if tail[0] == '_' || tail[0] == '-' || tail[0] == ':' || tail[0] == '=' {
				name, rest = k.Name, tail[1:]
			}
		}
	}
	return name, rest
}

// nearestKeyword finds the keyword of a block, or with nil of any block, that
// a word was probably meant to be.
func nearestKeyword(kw string, b Block) string {
	var names []string
	add := func(_ string, b Block) {
		for _, k := range b.Keywords() {
			if k.Status != Removed {
				names = append(names, k.Name)
			}
		}
	}
	if b != nil {
		add("", b)
	} else {
		walk("", root(), func(name string, b Block) {
			if !b.Lines() {
				add(name, b)
			}
		})
		sort.Strings(names)
	}
	if near := nearest(strings.ReplaceAll(kw, "-", "_"), names); near != "" {
		return near
	}
	return nearestCase(kw, names)
}

// nearestCase is nearest without regard to upper and lower case.
func nearestCase(word string, names []string) string {
	lower := make([]string, len(names))
	for i := range names {
		lower[i] = strings.ToLower(names[i])
		if lower[i] == strings.ToLower(word) {
			return names[i]
		}
	}
	near := nearest(strings.ToLower(word), lower)
	for i := range lower {
		if lower[i] == near {
			return names[i]
		}
	}
	return synonyms[strings.ToLower(word)]
}

// synonyms are words of other programs for ours.
var synonyms = map[string]string{"slave": "BACKUP", "standby": "BACKUP", "primary": "MASTER",
	"secondary": "BACKUP", "active": "MASTER", "roundrobin": "rr", "round-robin": "rr",
	"leastconn": "lc", "wroundrobin": "wrr", "tunnel": "TUN", "masq": "NAT", "gatewaying": "DR"}

// nearest finds the name that differs from word by few letters: at most one
// in three, and at most two for short ones.
func nearest(word string, names []string) string {
	if len(word) > 60 || len(word) < 2 {
		return ""
	}
	best, limit := "", max(1, min(3, len(word)/3))
	for _, name := range names {
		if d := Distance(word, name, limit); d <= limit && name != word {
			best, limit = name, d-1
		}
	}
	return best
}

// Distance is the number of letters to insert, delete, replace or swap with
// their neighbour (Damerau and Levenshtein) to make one word of another; beyond
// limit it may be any number above that.
func Distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}

// oddity reports a line that is no statement at all but a trace of another
// language or tool.
func (s *stmt) oddity() bool {
	w := s.n.Words[0]
	kw := w.Text
	switch {
	case strings.HasPrefix(kw, "//"), strings.HasPrefix(kw, "/*"), kw == "*/":
		s.fail(w, "", "comments start with '#' or '!', not '%s'", kw[:2])
	case strings.HasPrefix(kw, ";"), strings.HasPrefix(kw, "--"):
		s.fail(w, "", "comments start with '#' or '!', not '%s'", kw[:1])
	case strings.HasPrefix(kw, "<<<<<<<"), strings.HasPrefix(kw, ">>>>>>>"), kw == "=======":
		s.fail(w, "resolve the conflict", "git conflict marker")
	case strings.HasPrefix(kw, "```"):
		s.fail(w, "delete it", "Markdown fence")
	case strings.HasPrefix(kw, "[") && strings.Contains(kw, "@"), kw == "$", strings.HasSuffix(kw, "#"):
		s.fail(w, "delete the line", "this looks like a shell prompt")
	case kw == "EOF" || kw == "EOT":
		s.fail(w, "delete it", "unknown keyword '%s' (rest of a here-document?)", kw)
	case kw == "export" || kw == "set" || kw == "local":
		s.fail(w, "a definition is '"+definitionOf(wordAt(s.n, 1))+"'", "unknown keyword '%s'", kw)
	default:
		return false
	}
	return true
}

func definitionOf(assignment string) string {
	if assignment == "" {
		return "$NAME=value"
	}
	return "$" + strings.TrimPrefix(assignment, "$")
}

// notAddr says why a word is no IP address.
func notAddr(text string) (why, hint string) {
	why = "'" + clip(text) + "' is not an IP address"
	switch {
	case strings.HasPrefix(text, "<") && strings.HasSuffix(text, ">"):
		return "'" + clip(text) + "' is a placeholder, not an IP address", ""
	case strings.Count(text, "::") > 1:
		return why + " ('::' twice)", ""
	case strings.Count(text, ":") == 1:
		host, _, _ := strings.Cut(text, ":")
		if _, err := netip.ParseAddr(host); err == nil {
			return why, "no port here: '" + host + "'"
		}
	}
	octets := strings.Split(text, ".")
	if reason := badOctet(octets); reason != "" {
		return why + " (" + reason + ")", ""
	}
	if strings.Trim(text, "0123456789.") == "" && len(octets) < 4 {
		return "'" + text + "' is not an IP address: it is not a full IPv4 address (" +
			strconv.Itoa(len(octets)) + " octets)", ""
	}
	if strings.ContainsAny(text, "ghijklmnopqrstuvwxyz") && strings.Contains(text, ".") && len(octets) != 4 {
		return "'" + clip(text) + "' is a host name; an IP address is needed", ""
	}
	return why, ""
}

var ordinals = [...]string{"first", "second", "third", "fourth"}

// badOctet says what is wrong with one of four octets.
func badOctet(octets []string) string {
	if len(octets) != 4 {
		return ""
	}
	for i, o := range octets {
		if n, err := strconv.Atoi(o); err == nil && n > 255 {
			return "octet " + o + " is above 255"
		}
		if k := strings.IndexFunc(o, func(r rune) bool { return r < '0' || r > '9' }); k >= 0 && len(o) <= 3 {
			return "letter '" + o[k:k+1] + "' in the " + ordinals[i] + " octet"
		}
	}
	return ""
}

// Grammar is the table of keywords as the builder of the tree asks for it:
// with it, syntax.Parse finds in text whose braces do not match the statements
// that Load finds.
func Grammar() syntax.Grammar { return grammar{} }

// grammar answers the builder of the tree from the table.
type grammar struct{}

// Allows says that a keyword may begin a statement in a block.
func (grammar) Allows(path []string, keyword string) bool {
	b := blockAt(path)
	switch {
	case b == nil:
		return false
	case b.Lines():
		return !knownAround(path, keyword)
	}
	return b.Keyword(keyword) != nil
}

// Opens says that a keyword begins a block.
func (grammar) Opens(path []string, keyword string) bool {
	b := blockAt(path)
	if b == nil || b.Lines() {
		return false
	}
	k := b.Keyword(keyword)
	return k != nil && k.Block != nil
}

// knownAround says that a block around a list knows a keyword.
func knownAround(path []string, keyword string) bool {
	for n := range path {
		if b := blockAt(path[:n]); b != nil && b.Keyword(keyword) != nil {
			return true
		}
	}
	return false
}

// blockAt follows block keywords through the table.
func blockAt(path []string) Block {
	var b Block = root()
	for _, kw := range path {
		k := b.Keyword(kw)
		if k == nil || k.Block == nil {
			return nil
		}
		b = k.Block
	}
	return b
}

var _ syntax.Grammar = grammar{}
