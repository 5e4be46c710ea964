package lsp

import (
	"encoding/json"
	"slices"
	"strings"
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

// complete is what is offered at a place.
func (c *client) complete(name string, at position) []string {
	c.t.Helper()
	var list completionList
	c.result("textDocument/completion", c.at(name, at), &list)
	labels := []string{}
	for _, i := range list.Items {
		labels = append(labels, i.Label)
	}
	return labels
}

func TestHover(t *testing.T) {
	c := dial(t).start()
	c.open("a.conf", good)
	for _, one := range []struct{ marked, want string }{
		{"    pri|ority $PRIO", "**priority** `<N>` in vrrp_instance\n\nWho wins: the higher, the likelier master; 255 owns the address.\n\n- range: 1-255\n- default: 100\n- status: done"},
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
	text := "vrrp_instance A {\n use_vmac\n native_ipv6\n vmac_garp_intvl 3\n virtual_ipaddress {\n 192.0.2.1 dev eth0\n }\n}\n" +
		"virtual_server 192.0.2.1 80 {\n lb_kind DR\n}\n$A=${B}0\n$B=$C\n~SEQ(i,1,3) vrrp_instance L$i {\n}\n${A} ${_PWD} $i $NONE\n"
	c.open("a.conf", text)
	for place, want := range map[position]string{
		{1, 3}:   "- status: not yet: it is read and has no effect",
		{2, 3}:   "- status: no effect: the addresses tell the family",
		{3, 3}:   "- deprecated: use garp_extra_if",
		{5, 12}:  "dev <IF> in virtual_ipaddress",
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

func TestCompletion(t *testing.T) {
	c := dial(t).start()
	rest := "vrrp_script chk_a {\n}\nvrrp_script chk_b {\n}\nvrrp_instance VI_1 {\n interface eth0\n}\nvrrp_instance VI_2 {\n interface eth1\n}\n" +
		"virtual_server_group web {\n}\n$PRIO=100\n~SEQ(i,1,2) vrrp_instance LOOP_$i {\n}\n"
	all := []string{"virtual_router_id", "priority", "track_script"}
	for _, one := range []struct {
		text      string // a | is where the cursor stands
		want, not []string
	}{
		{"|", []string{"vrrp_instance", "virtual_server", "include"}, []string{"priority"}},
		{"vrrp_instance X {\n pri|\n}\n", all, []string{"vrrp_instance", "auth_pass"}},
		{"vrrp_instance X {\n authentication {\n  a|\n }\n}\n", []string{"auth_type", "auth_pass"}, all},
		{"vrrp_instance X {\n authentication {\n  auth_type |\n }\n}\n", []string{"PASS", "AH"}, []string{"auth_type"}},
		{"vrrp_instance X {\n state |\n}\n", []string{"MASTER", "BACKUP"}, all},
		{"vrrp_instance X {\n state M|\n}\n", []string{"MASTER"}, all},
		{"vrrp_instance X {\n interface |\n}\n", []string{"eth0", "eth1"}, all},
		{"vrrp_instance X {\n smtp_alert |\n}\n", []string{"on", "false"}, all},
		{"vrrp_instance X {\n priority $|\n}\n", []string{"$PRIO"}, []string{"MASTER"}},
		{"vrrp_instance X {\n priority ${|}\n}\n", []string{"${PRIO}", "${_ENV}"}, nil},
		{"vrrp_instance X {\n track_script {\n  |\n }\n}\n", []string{"chk_a", "chk_b"}, all},
		{"vrrp_instance X {\n track_script { chk_a |\n }\n}\n", []string{"weight", "reverse"}, []string{"chk_a"}},
		{"vrrp_instance X {\n track_interface {\n  |\n }\n}\n", []string{"eth0", "eth1"}, all},
		{"vrrp_instance X {\n virtual_ipaddress {\n  192.0.2.1 |\n }\n}\n", []string{"dev", "label"}, all},
		{"vrrp_instance X {\n virtual_ipaddress {\n  192.0.2.1 dev |\n }\n}\n", []string{"eth0"}, []string{"label"}},
		{"vrrp_sync_group G {\n group { V| }\n}\n", []string{"VI_1", "VI_2", "LOOP_1", "LOOP_2"}, []string{"LOOP_$i", "chk_a"}},
		{"global_defs {\n lvs_sync_daemon eth0 |\n}\n", []string{"VI_1"}, []string{"chk_a"}},
		{"virtual_server |", []string{"fwmark", "group"}, []string{"web"}},
		{"virtual_server group |", []string{"web"}, []string{"fwmark"}},
		{"virtual_server 192.0.2.1 80 {\n lvs_sched |\n}\n", []string{"rr", "wlc", "twos"}, []string{"NAT"}},
		{"virtual_server 192.0.2.1 80 {\n lb_kind |\n}\n", []string{"NAT", "DR", "TUN"}, []string{"gre"}},
		{"virtual_server 192.0.2.1 80 {\n lb_kind TUN |\n}\n", []string{"type", "gre"}, []string{"NAT"}},
		{"virtual_server 192.0.2.1 80 {\n protocol |\n}\n", []string{"TCP", "UDP", "SCTP"}, nil},
		{"virtual_server 192.0.2.1 80 {\n real_server 192.0.2.2 80 {\n  HTTP_GET {\n   url {\n    |\n", []string{"path", "digest"}, []string{"connect_port", "weight"}},
		{"virtual_server 192.0.2.1 80 {\n real_server 192.0.2.2 80 {\n  HTTP_GET {\n   http_protocol |\n", []string{"1.0C", "1.1"}, nil},
		// broken text: what follows belongs to other blocks
		{"vrrp_instance X {\n pri|\n", all, []string{"script"}},
		{"vrrp_instance X {\n track_script {\n  |\n", []string{"chk_a"}, all},
		{"vrrp_instance X {\n authentication {\n  auth_type PASS\n priority 5\n |\n}\n", all, []string{"auth_pass"}},
		{"vrrp_instance X {\n virtual_ipaddress {\n 192.0.2.1\n priority 100\n st|\n", all, []string{"dev"}},
		{"vrrp_instance X {\n}\n}\nvrrp_instance Y {\n |\n}\n", all, nil},
		{"vrrp_instance X\n{\n |\n}\n", all, nil},
		{"@lb1 vrrp_instance X {\n |\n}\n", all, nil},
		{"vrrp_instance X { # {\n ! }\n |\n}\n", all, nil},
		{"vrrp_instance X {\n notify \"/a } b\" { |\n", nil, all},
		// nothing to say
		{"# vrrp_|\n", nil, []string{"vrrp_instance"}},
		{"vrrp_instance |", nil, []string{"VI_1", "priority"}},
		{"no_such_block {\n |\n}\n", nil, all},
	} {
		for _, tail := range []string{"", rest} {
			text, at := mark(one.text + "\n")
			if tail == "" {
				text = rest + text
				at.Line += strings.Count(rest, "\n")
			} else {
				text += rest
			}
			c.open("a.conf", text)
			labels := c.complete("a.conf", at)
			for _, w := range one.want {
				if !slices.Contains(labels, w) {
					t.Errorf("at %q (before others: %v): no %s in %v", one.text, tail != "", w, labels)
				}
			}
			for _, w := range one.not {
				if slices.Contains(labels, w) {
					t.Errorf("at %q (before others: %v): %s is offered", one.text, tail != "", w)
				}
			}
		}
	}
}

func TestCompletionReplacesTheWord(t *testing.T) {
	c := dial(t).start(object{"capabilities": object{"textDocument": object{"completion": object{"completionItem": object{"snippetSupport": true}}}}})
	edit := func(text, label, trigger string) string {
		t.Helper()
		s, at := mark(text)
		c.open("a.conf", s)
		p := c.at("a.conf", at)
		p["context"] = object{"triggerCharacter": trigger}
		var list completionList
		c.result("textDocument/completion", p, &list)
		for _, i := range list.Items {
			if i.Label == label {
				return newText(s).change(newText(s).offset(i.TextEdit.Range.Start, utf16Encoding), newText(s).offset(i.TextEdit.Range.End, utf16Encoding), i.TextEdit.NewText).s
			}
		}
		return ""
	}
	for _, one := range [][4]string{
		{"$P=1\n# ü\nvrrp_instance A {\n  state M|\n}", "MASTER", "", "$P=1\n# ü\nvrrp_instance A {\n  state MASTER\n}"},
		{"$P=1\nvrrp_instance A {\n  priority ${P|}\n}", "${P}", "", "$P=1\nvrrp_instance A {\n  priority ${P}\n}"},
		{"$P=1\nvrrp_instance A {\n  priority $|\n}", "$P", "$", "$P=1\nvrrp_instance A {\n  priority $P\n}"},
		{"vrrp_i|", "vrrp_instance", "", "vrrp_instance ${1:NAME} {\n\t$0\n}"},
		{"  |", "vrrp_instance", " ", ""},
		{"vrrp_instance A {|", "priority", "{", ""},
	} {
		if got := edit(one[0], one[1], one[2]); got != one[3] {
			t.Errorf("%s at %q: %q, want %q", one[1], one[0], got, one[3])
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
