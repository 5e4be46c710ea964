package lsp

import (
	"slices"
	"strings"
	"testing"
)

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
		{"global_defs {\n lvs_sync_daemon eth0 inst |\n}\n", []string{"VI_1"}, []string{"maxlen"}},
		{"global_defs {\n lvs_sync_daemon eth0 VI_1 |\n}\n", []string{"id", "maxlen"}, []string{"VI_1"}},
		{"virtual_server 192.0.2.1 80 {\n lb_kind TUN type |\n}\n", []string{"gre"}, []string{"NAT"}},
		{"vrrp_instance X {\n use_vmac name |\n}\n", []string{"eth0"}, []string{"group"}},
		{"virtual_server |", []string{"fwmark", "group"}, []string{"web"}},
		{"virtual_server group |", []string{"web"}, []string{"fwmark"}},
		{"virtual_server 192.0.2.1 80 {\n lvs_sched |\n}\n", []string{"rr", "wlc", "twos"}, []string{"NAT"}},
		{"virtual_server 192.0.2.1 80 {\n lb_kind |\n}\n", []string{"NAT", "DR", "TUN"}, []string{"gre"}},
		{"virtual_server 192.0.2.1 80 {\n lb_kind TUN |\n}\n", []string{"type", "csum"}, []string{"NAT"}},
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
