package confparse_test

import (
	"strings"
	"testing"

	"keepgo/confparse"
)

const keywordList = "../../shared/keepalived-keywords.tsv"

// inline are blocks of the list whose keywords are words inside one line; the
// grammar of that line knows them.
var inline = map[string]bool{
	"global_defs > lvs_sync_daemon": true, "global_defs > lvs_timeouts": true, "global_defs > include_check": true,
	"vrrp_instance > use_vmac": true, "vrrp_instance > use_ipvlan": true,
	"virtual_server > lvs_method": true, "virtual_server > real_server > lvs_method": true,
	"virtual_server > sorry_server_lvs_method": true, "(preprocessor)": true,
}

// find follows a path of block keywords through the table.
func find(path string) confparse.Block {
	b := confparse.Top()
	if path == "/" {
		return b
	}
	for _, kw := range strings.Split(path, " > ") {
		k := b.Keyword(kw)
		if k == nil || k.Block == nil {
			return nil
		}
		b = k.Block
	}
	return b
}

// TestEveryKeyword: no keyword of keepalived is unknown.
func TestEveryKeyword(t *testing.T) {
	for _, c := range rows(t, keywordList) {
		path, kw := c[0], c[1]
		if inline[path] || strings.HasPrefix(kw, "<") || strings.Contains(c[6], "documented but not implemented") {
			continue
		}
		if strings.HasSuffix(path, "> encap") || strings.HasSuffix(path, "> nexthop") {
			continue // languages of their own inside a route
		}
		b := find(path)
		if b == nil {
			t.Errorf("no block %s", path)
			continue
		}
		if b.Keyword(kw) == nil {
			t.Errorf("%s: no row for %s", path, kw)
		}
	}
}

// TestRows: every row says what it is.
func TestRows(t *testing.T) {
	status := map[confparse.Status]int{}
	visit(confparse.Top(), "", func(path string, k *confparse.Keyword) {
		status[k.Status]++
		if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s > %s: its sentence is %q", path, k.Name, k.Doc)
		}
		if k.Status != confparse.Done && k.Status != confparse.NotYet && k.Why == "" {
			t.Errorf("%s > %s is without effect and does not say why", path, k.Name)
		}
	})
	t.Logf("done %d, not yet %d, no effect %d, removed %d", status[confparse.Done], status[confparse.NotYet],
		status[confparse.NoEffect], status[confparse.Removed])
}

func visit(b confparse.Block, path string, each func(string, *confparse.Keyword)) {
	for _, k := range b.Keywords() {
		each(path, k)
		if k.Block != nil {
			visit(k.Block, path+" > "+k.Name, each)
		}
	}
}
