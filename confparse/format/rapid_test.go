package format_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// values are what may stand where the table has one of these.
var values = map[string][]string{
	"<N>":     {"1", "2", "51", "100", "007", "0", "-5", "99999", "x"},
	"<SECS>":  {"1", "0.5", "10", "3.25", "1s"},
	"<IP>":    {"10.0.0.1", "10.0.0.2", "2001:db8::1", "224.0.0.9", "10.0.0.300"},
	"<IF>":    {"eth0", "eth1", "eth0:1"},
	"<PORT>":  {"80", "443", "http"},
	"<BOOL>":  {"on", "off", "maybe"},
	"<NAME>":  {"A", "B", `"A B"`, `"A"`, "$A"},
	"<ROUTE>": {"10.0.0.0/8 via 10.0.0.1", "default via 10.0.0.2 dev eth0"},
	"<RULE>":  {"from 10.0.0.1 table 5", "to 10.0.0.2"},
	"":        {"eth0", "A", "MASTER", "PASS", "rr", "DR", "TCP", "fwmark", "weight", "reverse", "10.0.0.7/24", "dev", "=", "include", "@x", "$Z", "$_PWD"},
	"script":  {"/bin/a", `"/bin/a b  c"`, `'/bin/a   b'`, `"/bin/a 'b c' \"d\""`, `/bin/a\ b`, `"x"y`, `a\#b`, `"a#b"`, `"a\\"`, `"{"`, `\"`, "“x”"},
}

// drawWord draws one word for an argument of the table.
func drawWord(t *rapid.T, arg string) string {
	pool := values[""]
	switch {
	case rapid.IntRange(0, 9).Draw(t, "odd") == 0:
		pool = values["script"]
	case values[arg] != nil:
		pool = values[arg]
	case strings.Contains(arg, "SCRIPT"), strings.Contains(arg, "COMMAND"), strings.Contains(arg, "PATTERN"), strings.Contains(arg, "PASS"):
		pool = values["script"]
	case strings.Contains(arg, "<IP>"):
		pool = values["<IP>"]
	case strings.Contains(arg, "|"):
		pool = strings.Split(arg, "|")
	}
	return rapid.SampledFrom(pool).Draw(t, "word")
}

// writer writes a random configuration in a random layout.
type writer struct {
	t *rapid.T
	b strings.Builder
}

func (w *writer) pick(of ...string) { w.b.WriteString(rapid.SampledFrom(of).Draw(w.t, "layout")) }

func (w *writer) arguments(args string) {
	for _, arg := range strings.Fields(args) {
		arg = strings.Trim(arg, "[]")
		if strings.ContainsAny(arg, "{}") || arg == "..." {
			continue
		}
		if rapid.IntRange(0, 9).Draw(w.t, "leave out") > 0 {
			w.pick(" ", " ", "  ", "\t")
			w.b.WriteString(drawWord(w.t, arg))
		}
	}
}

func (w *writer) block(b confparse.Block, depth int) {
	for range rapid.IntRange(0, 5).Draw(w.t, "statements") {
		w.pick("", "  ", "\t", "@lb1 ", "\n", "! x\n", "\n\n\n")
		if b.Lines() {
			w.b.WriteString(drawWord(w.t, rapid.SampledFrom([]string{"<IP>", "<NAME>", "<IF>", ""}).Draw(w.t, "line")))
			w.arguments(" ")
		} else {
			w.statement(b, depth)
		}
		w.pick("\n", "\n", "\n", " # c\n", "\r\n", "  \n")
	}
}

func (w *writer) statement(b confparse.Block, depth int) {
	k := rapid.SampledFrom(b.Keywords()).Draw(w.t, "keyword")
	w.pick(k.Name, k.Name, k.Name, k.Name, k.Name, k.Name, "unknown")
	w.arguments(k.Args)
	if k.Block == nil {
		return
	}
	w.pick(" {", "{", "\n{", " {\n", " { # c\n", "  # c\n{\n")
	if depth > 0 {
		w.pick("\n", " ")
		w.block(k.Block, depth-1)
	}
	w.pick("}", "\n}", "\n }")
}

// drawConfig draws the text of a configuration.
func drawConfig(t *rapid.T) []byte {
	w := &writer{t: t}
	w.pick("", "$A=A\n", "$A=10.0.0.1 \\\n   dev eth0\n", "$A=\"a  b\"\n", "\n\n# c\n")
	w.block(confparse.Top(), 3)
	w.pick("", "\n", "\n\n", "# end")
	return []byte(w.b.String())
}

// TestDumpKeepsMeaning: any tree means what its normal form means.
func TestDumpKeepsMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawConfig(t)
		cfg, _ := confparse.Load(file(text), "k.conf", env())
		tree, _ := syntax.Parse(file(text), "k.conf", env())
		roundTrip(t, cfg, tree)
	})
}

// scraps are what text of a hostile or hasty writer is made of.
var scraps = []string{"\n", "\n", "\n", "\r\n", " ", " ", "  ", "\t", "{", "}", "{\n", "\n}\n", " {", "\"", "'", "\\", "\\\n", "#", "!", "=",
	"$A", "$A=", "${A}", "${_PWD}", "$_PWD", "$_HASH", "@lb1 ", "@x ", "@^lb1 ", "~SEQ(A,1,2) ", "~LST(A, b, {c}) ", "include x", "include_check", "{{ x }}",
	"\u201c", "\u00a0", "\uff03", "\v", "\f", "a", "10.0.0.1", "global_defs", "router_id", "script_user", "vrrp_instance", "notify_master",
	"virtual_ipaddress", "vrrp_sync_group", "group", "authentication", "auth_pass", "vrrp_script", "script"}

func drawScraps(t *rapid.T) []byte {
	return []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(scraps), 0, 40).Draw(t, "scraps"), ""))
}

// TestScraps: neither form changes the meaning of any text at all.
func TestScraps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawScraps(t)
		cfg, _ := confparse.Load(file(text), "k.conf", env())
		tree, _ := syntax.Parse(file(text), "k.conf", env())
		roundTrip(t, cfg, tree)
		if !strings.Contains(string(text), "\x00") {
			tidy(t, file(text), "k.conf", text)
		}
	})
}
