package confparse_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"keepgo/confparse"
)

// fact is a row of the list of keywords.
type fact struct{ block, keyword, args, rng, def, since, status string }

func facts(t *testing.T) []fact {
	t.Helper()
	var all []fact
	for _, c := range rows(t, keywordList) {
		all = append(all, fact{c[0], c[1], c[2], c[3], c[4], c[5], c[6]})
	}
	return all
}

// row finds the row of the table for a fact: a keyword of a block, a word of a
// line, what begins a line, or what stands before all keywords.
func (f fact) row() *confparse.Keyword {
	if f.block == "(preprocessor)" {
		return confparse.TextBlock().Keyword(f.keyword)
	}
	b, item := confparse.Top(), (*confparse.Keyword)(nil)
	if f.block != "/" {
		for _, kw := range strings.Split(f.block, " > ") {
			k := b.Keyword(kw)
			if k == nil && kw == "sorry_server_lvs_method" {
				return nil
			}
			switch {
			case k == nil:
				return nil
			case k.Block != nil:
				b = k.Block
			case k.Options != nil:
				b = k.Options
			default:
				return nil
			}
			item = k.Item
		}
	}
	if strings.HasPrefix(f.keyword, "<") {
		return item
	}
	return b.Keyword(f.keyword)
}

// ours are facts that the table states in another way, and why.
var ours = map[string]string{
	"global_defs > vrrp_rlimit_rttime: default":              "a garbage collection may take longer than 10 ms",
	"global_defs > checker_rlimit_rttime: default":           "a garbage collection may take longer than 10 ms",
	"global_defs > bfd_rlimit_rttime: default":               "a garbage collection may take longer than 10 ms",
	"virtual_server > lvs_sched: args":                       "a reference to another row there",
	"virtual_server > lb_kind: args":                         tunnelWords,
	"virtual_server > lvs_method: args":                      tunnelWords,
	"virtual_server > sorry_server_lvs_method: args":         tunnelWords,
	"virtual_server > real_server > lvs_method: args":        tunnelWords,
	"static_routes > nexthop > encap: args":                  "a reference to another row there",
	"vrrp_instance > virtual_routes > nexthop > encap: args": "a reference to another row there",
	"/ > use_pid_dir: default":                               "the table has no prose about other keywords here",
}

const tunnelWords = "the options are written out, and the port is an option of its own"

var (
	placeholder = regexp.MustCompile(`<[^<>]*>`)
	bounds      = regexp.MustCompile(`^(-?[\d.]+)(?:\.\.| to | - |-)(-?[\d.]+)?`)
	remark      = regexp.MustCompile(` *\(.*\)$`)
	number      = regexp.MustCompile(`^-?\d+$`)
)

// shape is the form of arguments without the names in them.
func shape(args string) string {
	if i := strings.IndexByte(args, '{'); i >= 0 {
		args = args[:i] + "{}"
	}
	return strings.ReplaceAll(placeholder.ReplaceAllString(args, "<>"), " | ", "|")
}

// limits are the numbers of a range; hi is "" where it is open.
func limits(rng string) (lo, hi string, ok bool) {
	rng = strings.TrimPrefix(rng, "at least ")
	m := bounds.FindStringSubmatch(rng)
	if m == nil {
		m = regexp.MustCompile(`^([\d.]+) s$`).FindStringSubmatch(rng)
		if m == nil {
			return "", "", false
		}
		return m[1], "", true
	}
	return strings.TrimRight(m[1], "."), m[2], true
}

// same compares two numbers.
func same(a, b string) bool {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && x == y
}

var release = regexp.MustCompile(`\d+\.\d+\.\d+`)

// plain is a default as far as two texts can be compared.
func plain(def string) string {
	def = remark.ReplaceAllString(def, "")
	switch def {
	case "false", "no", "unset", "none", "off", "":
		return ""
	case "true":
		return "on"
	}
	return def
}

// differences are what a row says otherwise than the list.
func (f fact) differences(k *confparse.Keyword) map[string][2]string {
	d := map[string][2]string{}
	if want := release.FindString(f.since); want != release.FindString(k.Since) || strings.HasPrefix(f.since, "after") != strings.HasPrefix(k.Since, "after") {
		d["since"] = [2]string{f.since, k.Since}
	}
	if shape(f.args) != shape(k.Args) {
		d["args"] = [2]string{f.args, k.Args}
	}
	if lo, hi, ok := limits(f.rng); ok {
		ourLo, ourHi, ok := limits(k.Range)
		if !ok || !same(lo, ourLo) || hi != "" && !same(hi, ourHi) {
			d["range"] = [2]string{f.rng, k.Range}
		}
	} else if f.rng != "" && k.Range == "" {
		d["range"] = [2]string{f.rng, k.Range}
	}
	want, have := plain(f.def), plain(k.Default)
	switch {
	case want == "" && f.def != "" && k.Default != "" && have != "":
		if !strings.Contains(f.def, "(") && f.def != "unset" {
			d["default"] = [2]string{f.def, k.Default}
		}
	case want == have, want == "":
	case have == "", number.MatchString(want) && want != strings.Fields(have)[0]:
		d["default"] = [2]string{f.def, k.Default}
	}
	return d
}

// TestEveryKeyword: no keyword of keepalived is unknown, wherever it stands,
// and the table states the facts of each.
func TestEveryKeyword(t *testing.T) {
	for _, f := range facts(t) {
		if strings.Contains(f.status, "documented but not implemented") {
			continue
		}
		k := f.row()
		if k == nil {
			t.Errorf("%s: no row for %s", f.block, f.keyword)
			continue
		}
		for what, d := range f.differences(k) {
			name := f.block + " > " + f.keyword + ": " + what
			if ours[name] == "" {
				t.Errorf("%s: the list has %q, the table %q", name, d[0], d[1])
			}
		}
		if alias := regexp.MustCompile(`^(deprecated )?alias of (\S+)$`).FindStringSubmatch(f.status); alias != nil {
			if k.Alias == "" || k.Old != (alias[1] != "") {
				t.Errorf("%s > %s is an %s; the table has alias %q, old %v", f.block, f.keyword, f.status, k.Alias, k.Old)
			}
		}
	}
}
