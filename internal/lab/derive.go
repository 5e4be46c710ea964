package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/ipvsctl"
)

// side says whose file is derived.
type side struct {
	name    string
	second  bool                        // state BACKUP, lower priority, addresses exchanged
	partner func(netip.Addr) netip.Addr // the other director's address for one of either
	config  *confparse.Config
	flag    func(script string) string // the file whose being there makes a vrrp_script fail
	added   []more                     // to the instance called first
	first   string
	block   string // name of the block being written
	plane   string // what balances, "" where the file says
	index   int    // of the director
	pages   map[pageID]*page
	watched func(name string) string // the file that a track_file looks at
	page    *page                    // of the url block being written; nil outside
}

// leftOut are the statements that reach out of the lab: scripts that act on the
// machine, mail, and what the lab arranges itself.
var leftOut = map[string]bool{
	"notify": true, "notify_master": true, "notify_backup": true, "notify_fault": true, "notify_stop": true,
	"notify_deleted": true, "notify_master_rx_lower_pri": true,
	"quorum_up": true, "quorum_down": true, "notify_up": true, "notify_down": true,
	"notify_fifo": true, "notify_fifo_script": true, "vrrp_notify_fifo": true, "vrrp_notify_fifo_script": true,
	"lvs_notify_fifo": true, "lvs_notify_fifo_script": true, "startup_script": true, "shutdown_script": true,
	"track_process": true, "vrrp_track_process": true, "track_bfd": true, "bfd_instance": true, "BFD_CHECK": true, "init_file": true,
	"smtp_alert": true, "script_user": true, "enable_script_security": true, "router_id": true,
	"net_namespace": true, "net_namespace_ipvs": true, "vrrp_startup_delay": true, "vrrp_delay_after_boot": true,
}

// Check scripts are replaced, for what they look at is not in the lab: by one
// that succeeds, those of vrrp_script until the lab makes a file of the name.
const (
	succeeds = "/bin/true"
	unless   = "/usr/bin/test ! -e "
)

// derive writes one director's file. Everything is kept but what would act on
// the machine outside; the second director's differs as the two files of a pair
// do. Includes, definitions and conditions are already applied in the tree.
func derive(nodes []*syntax.Node, s side) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n    router_id %s\n    script_user root\n}\n", s.name)
	s.write(&b, nodes, nil, "")
	return b.String()
}

// write renders statements, the block keywords around them in path.
func (s side) write(b *strings.Builder, nodes []*syntax.Node, path []string, indent string) {
	for _, n := range nodes {
		if len(n.Words) == 0 && !n.Braces {
			continue
		}
		key := keyword(n)
		if leftOut[key] || s.second && innermost(path) == "vrrp_instance" && (key == "state" || key == "priority") {
			continue
		}
		if s.page != nil && s.page.lacks != "" && (strings.HasPrefix(key, "regex") || key == "status_code") {
			continue
		}
		line, body := statement(n), n.Body
		if text, ok := s.replace(n, path); ok {
			line = text
		}
		if key == "unicast_peer" && s.second {
			body = s.peers(n.Body)
		}
		b.WriteString(indent + line)
		if n.Braces {
			b.WriteString(" {\n")
			inner := s
			if len(n.Words) > 1 {
				inner.block = n.Words[1].Text
			}
			if key == "url" {
				inner.page = s.pages[pageID{n.Words[0].Pos, valueOf(n.Body, "path")}]
			}
			inner.write(b, body, append(path[:len(path):len(path)], key), indent+"    ")
			if key == "vrrp_instance" && inner.block == s.first {
				s.add(b, indent+"    ")
			}
			if key == "vrrp_instance" && s.second {
				fmt.Fprintf(b, "%s    state BACKUP\n%[1]s    priority %d\n", indent, s.priority(n))
			}
			b.WriteString(indent + "}")
		}
		b.WriteString("\n")
	}
}

// add writes the addresses that the user's file does not have.
func (s side) add(b *strings.Builder, indent string) {
	for _, m := range s.added {
		dev := ""
		if l := m.link[s.index]; l != "" {
			dev = " dev " + l
		}
		fmt.Fprintf(b, "%s%s {\n%[1]s    %[3]s/%[4]d%[5]s\n%[1]s}\n", indent, m.block, m.addr, m.addr.BitLen(), dev)
	}
}

// valueOf is the first value of a keyword among statements, "" if it is not
// there.
func valueOf(nodes []*syntax.Node, key string) string {
	for _, n := range nodes {
		if keyword(n) == key && len(n.Words) > 1 {
			return n.Words[1].Text
		}
	}
	return ""
}

func keyword(n *syntax.Node) string {
	if len(n.Words) == 0 {
		return ""
	}
	return n.Words[0].Text
}

// replace is the other text of a statement that differs in this director's
// file.
func (s side) replace(n *syntax.Node, path []string) (string, bool) {
	block, key := innermost(path), keyword(n)
	switch {
	case key == "script" && block == "vrrp_script" && s.flag != nil:
		return fmt.Sprintf(`script "%s%s"`, unless, s.flag(s.block)), true
	case key == "file" && (block == "track_file" || block == "vrrp_track_file") && s.watched != nil:
		return key + " " + s.watched(s.block), true
	case key == "digest" && block == "url" && s.page != nil:
		return key + " " + s.page.digest(), true
	case block == "virtual_server" && (key == "lvs_sched" || key == "lb_algo") && s.plane == planeNFT && len(n.Words) > 1:
		return key + " " + ipvsctl.WithoutCounts(n.Words[1].Text), true
	case key == "script" && block == "vrrp_script", key == "misc_path":
		return key + " " + succeeds, true
	case block != "vrrp_instance" || !s.second || len(n.Words) < 2:
		return "", false
	}
	if key == "unicast_src_ip" || key == "mcast_src_ip" {
		if a, err := netip.ParseAddr(n.Words[1].Text); err == nil {
			return key + " " + s.partner(a).String(), true
		}
	}
	return "", false
}

// innermost is the block that statements stand in.
func innermost(path []string) string {
	if len(path) == 0 {
		return ""
	}
	return path[len(path)-1]
}

// peers is the second director's unicast_peer block: what the first calls a
// peer, with the addresses exchanged.
func (s side) peers(body []*syntax.Node) []*syntax.Node {
	var out []*syntax.Node
	for _, line := range body {
		n := *line
		if a, err := netip.ParseAddr(keyword(line)); err == nil {
			n.Raw, n.Words = "", slices.Clone(line.Words)
			n.Words[0].Text = s.partner(a).String()
		}
		out = append(out, &n)
	}
	return out
}

// lowered is by how much the second director's priority is below the first's.
const lowered = 50

// priority is the second director's for the instance that a block describes.
func (s side) priority(n *syntax.Node) uint8 {
	p := uint8(100) // keepalived's default
	for _, in := range s.config.Instances {
		if len(n.Words) > 1 && in.Name == n.Words[1].Text {
			p = in.Priority
		}
	}
	return lower(p)
}

// lower is a priority for the partner of a director that has p.
func lower(p uint8) uint8 {
	if p > lowered {
		return p - lowered
	}
	return max(1, p/2)
}

// statement is a statement's line as it was written, or its words put together
// again.
func statement(n *syntax.Node) string {
	if n.Raw != "" {
		return n.Raw
	}
	words := make([]string, len(n.Words))
	for i, w := range n.Words {
		words[i] = w.Text
		if w.Quoted || strings.ContainsAny(w.Text, " \t!#{}") || w.Text == "" {
			words[i] = `"` + w.Text + `"`
		}
	}
	return strings.Join(words, " ")
}
