package lsp

import (
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const good = `# über den Brücken 𝄞
$PRIO=100
global_defs { enable_script_security
    script_user root
}
vrrp_script chk {
    script "/bin/true"
    interval 2
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority $PRIO
    virtual_ipaddress {
        192.0.2.100/24
    }
    track_script {
        chk
    }
}
`

func TestDiagnosticsComeAndGo(t *testing.T) {
	c := dial(t).start()
	wrong := strings.Replace(good, "priority $PRIO", "priority 300", 1)
	c.open("a.conf", wrong)
	d := c.faulty("a.conf")
	if len(d) != 1 || d[0].Severity != 1 || d[0].Source != "keepgo" || underlined(wrong, d[0].Range) != "300" ||
		d[0].Message != "priority 300 is out of range 1-255\n100 is used" {
		t.Fatalf("%+v", d)
	}
	// as an editor does it: one letter after the other
	at := d[0].Range
	c.change("a.conf", 2, object{"range": span{at.Start, position{at.Start.Line, at.Start.Character + 1}}, "text": ""})
	c.published("a.conf", "a leading zero", func(d []diagnostic) bool {
		return len(d) == 1 && strings.Contains(d[0].Message, "0 is reserved") || len(d) == 1 && strings.Contains(d[0].Message, "00")
	})
	c.change("a.conf", 3,
		object{"range": span{at.Start, at.Start}, "text": "1"})
	c.clean("a.conf")
	// a new fault, and the file is closed
	c.change("a.conf", 4, object{"text": "no_such_keyword\n"})
	c.faulty("a.conf")
	c.close("a.conf")
	c.clean("a.conf")
	if err := c.leave(); err != nil {
		t.Error(err)
	}
}

func TestUTF16(t *testing.T) {
	c := dial(t).start()
	text := "vrrp_script \"𝄞ü\" { # 𝄞\n script \"/bin/tr𝄞e\" nö𝄞 group extra extra\n}\n"
	c.open("a.conf", text)
	for _, d := range c.faulty("a.conf") {
		got := underlined(text, d.Range)
		if strings.Contains(d.Message, "extra word") && got != "extra" {
			t.Errorf("%+v underlines %q", d, got)
		}
	}
	// 𝄞 has two units: the second 'extra' of the line is replaced
	row := strings.Split(text, "\n")[1]
	col := newText(row).position(strings.LastIndex(row, "extra"), utf16Encoding).Character
	c.change("a.conf", 2, object{"range": span{position{1, col}, position{1, col + 5}}, "text": "𝄞𝄞"},
		object{"range": span{position{1, col + 4}, position{1, col + 4}}, "text": " $X"})
	text = strings.Replace(text, "extra extra", "extra 𝄞𝄞 $X", 1)
	d := c.published("a.conf", "$X", func(d []diagnostic) bool {
		return slices.ContainsFunc(d, func(d diagnostic) bool { return strings.Contains(d.Message, "$X is not defined") })
	})
	for _, d := range d {
		if strings.Contains(d.Message, "$X is not") && underlined(text, d.Range) != "$X" {
			t.Errorf("%+v underlines %q", d, underlined(text, d.Range))
		}
	}
}

// wrong are the errors among diagnostics.
func wrong(list []diagnostic) []diagnostic {
	return slices.DeleteFunc(slices.Clone(list), func(d diagnostic) bool { return d.Severity != 1 })
}

func TestIncludes(t *testing.T) {
	c := dial(t).start()
	c.write("keepalived.conf", "include conf.d/*.conf\n")
	c.write("conf.d/on-disk.conf", strings.Replace(good, "PRIO=100", "PRIO=400", 1))
	main := "include conf.d/*.conf\n# nothing else\n"
	c.open("keepalived.conf", main)
	if d := c.faulty("conf.d/on-disk.conf"); len(d) != 1 || d[0].Range.Start.Line != 13 {
		t.Errorf("an included file on the disk: %+v", d)
	}
	// A file that exists in the editor alone is included as well. It is wrong
	// only together with the other.
	other := "vrrp_sync_group G {\n group { VI_1 VI_9 }\n}\n"
	c.open("conf.d/unsaved.conf", other)
	d := wrong(c.faulty("conf.d/unsaved.conf"))
	if len(d) != 1 || underlined(other, d[0].Range) != "VI_9" {
		t.Errorf("an included buffer: %+v", d)
	}
	// The buffer wins over the disk.
	c.open("conf.d/on-disk.conf", strings.Replace(good, "VI_1", "VI_9", 1))
	c.clean("conf.d/on-disk.conf")
	if d := wrong(c.faulty("conf.d/unsaved.conf")); underlined(other, d[0].Range) != "VI_1" {
		t.Errorf("after the other file changed: %+v", d)
	}
	// The names of one file are known in the other.
	var places []location
	c.result("textDocument/definition", c.at("conf.d/unsaved.conf", position{1, 15}), &places)
	if len(places) != 1 || places[0].URI != c.uri("conf.d/on-disk.conf") || places[0].Range.Start != (position{9, 14}) {
		t.Errorf("definition in another file: %+v", places)
	}
	c.result("textDocument/definition", c.at("keepalived.conf", position{0, 12}), &places)
	if len(places) != 2 || places[0].URI != c.uri("conf.d/on-disk.conf") {
		t.Errorf("definition of an include line: %+v", places)
	}
	// A file that is included no more is alone with its faults, and without a
	// buffer it has none.
	c.change("keepalived.conf", 2, object{"text": "\n"})
	c.published("conf.d/unsaved.conf", "two missing instances", func(d []diagnostic) bool { return len(wrong(d)) == 2 })
	c.close("conf.d/unsaved.conf")
	c.clean("conf.d/unsaved.conf")
}

func TestFilesChangeOnTheDisk(t *testing.T) {
	c := dial(t).start()
	c.open("a.conf", good+"include b.conf\n")
	c.faulty("a.conf")
	c.write("b.conf", "")
	c.notify("textDocument/didSave", object{"textDocument": object{"uri": c.uri("b.conf")}})
	c.clean("a.conf")
	c.write("b.conf", "nonsense\n")
	c.notify("workspace/didChangeWatchedFiles", object{"changes": []object{}})
	c.faulty("b.conf")
	c.close("a.conf")
	c.clean("b.conf")
}

func TestIncludeWithinABlock(t *testing.T) {
	c := dial(t).start(object{"initializationOptions": object{}})
	c.write("lb.conf", "vrrp_instance VI_1 {\n include common.conf\n include tracks.conf\n}\nvrrp_script chk {\n}\n")
	c.write("common.conf", "priority 100\n")
	c.open("common.conf", "prio\n")
	c.faulty("common.conf")
	if labels := c.complete("common.conf", position{0, 4}); slices.Contains(labels, "virtual_router_id") {
		t.Errorf("nothing says that the file stands in an instance: %v", labels)
	}
	c.open("lb.conf", "vrrp_instance VI_1 {\n track_script {\n include tracks.conf\n }\n include {common,more}.conf\n}\nvrrp_script chk {\n}\n")
	c.open("tracks.conf", "\n")
	if labels := c.complete("common.conf", position{0, 4}); !slices.Contains(labels, "virtual_router_id") {
		t.Errorf("a file included in an instance: %v", labels)
	}
	if labels := c.complete("tracks.conf", position{0, 0}); !slices.Equal(labels, []string{"chk"}) {
		t.Errorf("a file included in a list: %v", labels)
	}
}

func TestMainOfTheSettings(t *testing.T) {
	c := dial(t)
	c.write("main.conf", "$PRIO=1\n@web1 include part.conf\n@lb1 nonsense\n")
	c.start(object{"initializationOptions": object{"main": c.path("main.conf"), "configId": "web1"}})
	c.open("part.conf", "vrrp_instance A {\n priority $P\n}\n")
	c.faulty("part.conf")
	if labels := c.complete("part.conf", position{1, 12}); !slices.Equal(labels, []string{"$PRIO"}) {
		t.Errorf("variables of the main file: %v", labels)
	}
}

func TestHover(t *testing.T) {
	c := dial(t).start()
	c.open("a.conf", good)
	for _, one := range []struct{ marked, want string }{
		{"    pri|ority $PRIO", "**priority** `<N>` in vrrp_instance\n\nWho wins: the higher, the likelier master; 255 owns the address.\n\n- range: 1-255\n- default: 100\n"},
		{"    inter|val 2", "**interval** `<SECS>` in vrrp_script"},
		{"vrrp_in|stance VI_1", "**vrrp_instance** `<NAME> { ... }`"},
		{"priority $PR|IO", "**$PRIO** = `100`\n\nDefined in line 2."},
		{"        ch|k\n", "**vrrp_script chk**\n\nDefined in line 6.\n\n```keepalived\nvrrp_script chk {\n    script \"/bin/true\"\n    interval 2\n}\n"},
		{"vrrp_instance VI|_1", "Defined in line 10."},
	} {
		plain := strings.Replace(one.marked, "|", "", 1)
		i := strings.Index(good, plain)
		if i < 0 {
			t.Fatalf("%q is not in the text", plain)
		}
		at := newText(good).position(i+strings.Index(one.marked, "|"), utf16Encoding)
		var h hover
		c.result("textDocument/hover", c.at("a.conf", at), &h)
		if !strings.Contains(h.Contents.Value, one.want) || h.Contents.Kind != markdown {
			t.Errorf("hover at %q: %q, want %q", one.marked, h.Contents.Value, one.want)
		}
	}
	if a := c.ask("textDocument/hover", c.at("a.conf", position{0, 4})); string(a.Result) != "null" {
		t.Errorf("hover on a comment: %s", a.Result)
	}
}

func TestHoverTellsTheStatus(t *testing.T) {
	c := dial(t).start(object{"capabilities": object{}}) // no Markdown
	text := "vrrp_instance A {\n vmac_xmit_base\n native_ipv6\n vmac_garp_intvl 3\n virtual_ipaddress {\n 192.0.2.1 dev eth0\n }\n}\n" +
		"virtual_server 192.0.2.1 80 {\n  lb_kind TUN type gre\n}\n$A=${B}0\n$B=$C\n~SEQ(i,1,3) vrrp_instance L$i {\n}\n${A} ${_PWD} $i $NONE\n"
	c.open("a.conf", text)
	for place, want := range map[position]string{
		{2, 3}:   "- status: no effect: the addresses tell the family",
		{3, 3}:   "- deprecated: use garp_extra_if",
		{5, 12}:  "dev <IF> in virtual_ipaddress",
		{5, 3}:   "<IP>[/<LEN>] first word of the line in virtual_ipaddress",
		{9, 16}:  "type ipip|gue|gre in lb_kind",
		{9, 3}:   "- same as: lvs_method",
		{13, 28}: "$i takes its values from ~SEQ(i,1,3)",
		{15, 2}:  "$A = ${B}0",
		{15, 7}:  "The directory of this file.",
		{15, 14}: "$i takes its values",
		{15, 17}: "$NONE is not defined.",
	} {
		var h hover
		c.result("textDocument/hover", c.at("a.conf", place), &h)
		if !strings.Contains(h.Contents.Value, want) || h.Contents.Kind != plaintext || strings.ContainsAny(h.Contents.Value, "`*") {
			t.Errorf("hover at %v: %+v, want %q", place, h.Contents, want)
		}
	}
}

func TestTheSameFindingIsToldOnce(t *testing.T) {
	c := dial(t).start()
	c.open("a.conf", good+"~SEQ(i,1,50) no_such_keyword\n")
	if d := wrong(c.faulty("a.conf")); len(d) != 1 {
		t.Errorf("%+v", d)
	}
}

func TestValueAtThePlace(t *testing.T) {
	c := dial(t).start()
	c.open("a.conf", "$A=1\n# $A\n$A=2\n# $A\n")
	for line, want := range map[int]string{1: "`1`", 3: "`2`"} {
		var h hover
		c.result("textDocument/hover", c.at("a.conf", position{line, 3}), &h)
		if !strings.Contains(h.Contents.Value, want) {
			t.Errorf("line %d: %s, want %s", line, h.Contents.Value, want)
		}
	}
}

func TestDefinitionsAndReferences(t *testing.T) {
	text := `$NAME=VI_1
vrrp_script chk {
}
track_file tf {
}
bfd_instance bfd {
}
vrrp_track_process proc {
}
virtual_server_group web {
}
global_defs {
    lvs_sync_daemon eth0 VI_1
}
vrrp_instance VI_1 {
    track_script {
        chk weight 5
    }
    track_file { tf }
    track_process { proc }
    track_bfd { bfd }
    interface ${NAME}
}
vrrp_sync_group G {
    group {
        VI_1
    }
}
virtual_server group web {
}
`
	c := dial(t).start()
	c.open("a.conf", text)
	for use, def := range map[string]string{
		"eth0 V|I_1": "VI_1 {", "  V|I_1": "VI_1 {", "ch|k weight": "chk {", "{ t|f }": "tf {", "{ pro|c }": "proc {",
		"{ bf|d }": "bfd {", "group we|b": "web {", "${NA|ME}": "$NAME", "$|{NAME}": "$NAME",
	} {
		i := strings.Index(text, strings.Replace(use, "|", "", 1)) + strings.Index(use, "|")
		var places []location
		c.result("textDocument/definition", c.at("a.conf", newText(text).position(i, utf16Encoding)), &places)
		want := newText(text).position(strings.Index(text, def), utf16Encoding)
		if len(places) != 1 || places[0].Range.Start != want {
			t.Errorf("definition of %q: %+v, want %v", use, places, want)
		}
	}
	refs := func(declaration bool, at position) (lines []int) {
		p := c.at("a.conf", at)
		p["context"] = object{"includeDeclaration": declaration}
		var places []location
		c.result("textDocument/references", p, &places)
		for _, l := range places {
			lines = append(lines, l.Range.Start.Line)
		}
		return lines
	}
	if got := refs(true, position{14, 15}); !slices.Equal(got, []int{12, 14, 25}) {
		t.Errorf("references with the definition: %v", got)
	}
	if got := refs(false, position{14, 15}); !slices.Equal(got, []int{12, 25}) {
		t.Errorf("references: %v", got)
	}
	if got := refs(true, position{0, 2}); !slices.Equal(got, []int{0, 21}) {
		t.Errorf("references of a variable: %v", got)
	}
	if got := refs(false, position{0, 2}); !slices.Equal(got, []int{21}) {
		t.Errorf("uses of a variable: %v", got)
	}
}

func TestSymbols(t *testing.T) {
	c := dial(t).start()
	c.open("a.conf", good+"virtual_server 192.0.2.1 80 {\n real_server 192.0.2.2 80 {\n  TCP_CHECK {\n  }\n")
	var list []documentSymbol
	c.result("textDocument/documentSymbol", object{"textDocument": object{"uri": c.uri("a.conf")}}, &list)
	var names []string
	var walk func(string, []documentSymbol)
	walk = func(indent string, list []documentSymbol) {
		for _, s := range list {
			names = append(names, indent+s.Name)
			walk(indent+" ", s.Children)
		}
	}
	walk("", list)
	want := []string{"global_defs", "vrrp_script chk", "vrrp_instance VI_1", " virtual_ipaddress", " track_script", "virtual_server 192.0.2.1 80",
		" real_server 192.0.2.2 80", "  TCP_CHECK", "$PRIO"}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	if r := list[2].Range; r != (span{position{9, 0}, position{20, 1}}) {
		t.Errorf("range of VI_1: %v", r)
	}
}

func TestDocumentsThatAreNoFiles(t *testing.T) {
	c := dial(t).start()
	doc := object{"uri": "untitled:Untitled-1", "version": 1, "text": "nonsense\n"}
	c.notify("textDocument/didOpen", object{"textDocument": doc})
	for {
		a := c.next()
		var p publishParams
		if err := json.Unmarshal(a.Params, &p); err != nil {
			t.Fatal(err)
		}
		if p.URI == "untitled:Untitled-1" && len(p.Diagnostics) == 1 {
			break
		}
	}
	c.notify("textDocument/didChange", object{"textDocument": object{"uri": "file:///not/open"}, "contentChanges": []object{}})
	if a := c.next(); a.Method != "window/logMessage" || !strings.Contains(string(a.Params), "is not open") {
		t.Errorf("a change of what is not open: %+v", a)
	}
}

func TestIncludeOfAPipe(t *testing.T) {
	c := dial(t).start()
	if err := syscall.Mkfifo(c.path("pipe.conf"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.open("a.conf", good+"include pipe.conf\ninclude /dev/zero\n")
	if d := wrong(c.faulty("a.conf")); len(d) != 2 || !strings.Contains(d[0].Message, "is a pipe, a socket or a device") {
		t.Errorf("%+v", d)
	}
}

func TestFormatting(t *testing.T) {
	c := dial(t).start()
	form := func(text string) (string, answer) {
		t.Helper()
		c.open("a.conf", text)
		a := c.ask("textDocument/formatting", object{"textDocument": object{"uri": c.uri("a.conf")}, "options": object{"tabSize": 4}})
		var edits []textEdit
		if err := json.Unmarshal(a.Result, &edits); err != nil && a.Error == nil {
			t.Fatal(err)
		}
		for _, e := range edits {
			tx := newText(text)
			text = tx.change(tx.offset(e.Range.Start, utf16Encoding), tx.offset(e.Range.End, utf16Encoding), e.NewText).s
		}
		return text, a
	}
	ordered := "# 𝄞\nglobal_defs {\n    router_id a\n}\n\nvrrp_instance A {\n    # ü\n    state BACKUP\n}\n"
	for _, text := range []string{
		ordered,
		"# 𝄞\nglobal_defs {\nrouter_id   a  \n}\n\n\n\nvrrp_instance A {\n    # ü\n    state BACKUP\n}\n",
		strings.ReplaceAll(ordered, "    ", "\t"),
		strings.ReplaceAll(ordered, "\n", "\r\n"),
		strings.TrimSuffix(ordered, "\n"),
	} {
		if got, a := form(text); got != ordered {
			t.Errorf("%q becomes %q: %+v", text, got, a.Error)
		}
	}
	if _, a := form(ordered); string(a.Result) != "[]" {
		t.Errorf("text in order: %s", a.Result)
	}
	if _, a := form("global_defs {\n"); a.Error == nil || a.Error.Code != codeFailed || !strings.Contains(a.Error.Message, "never closed") {
		t.Errorf("braces that do not match: %+v", a)
	}
	if _, a := form(strings.Replace(ordered, "router_id a", "router_id    a", 1)); strings.Contains(string(a.Result), "vrrp_instance") {
		t.Errorf("the edit is larger than the change: %s", a.Result)
	}
}
