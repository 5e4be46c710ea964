package confparse_test

import (
	"strings"
	"testing"

	"keepgo/confparse"
)

const keywordList = "../../shared/keepalived-keywords.tsv"

// TestRows: every row says what it is.
func TestRows(t *testing.T) {
	status := map[confparse.Status]int{}
	visit(confparse.Top(), "", func(path string, k *confparse.Keyword) {
		status[k.Status]++
		if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s > %s: its sentence is %q", path, k.Name, k.Doc)
		}
		if k.Status != confparse.Done && k.Why == "" {
			t.Errorf("%s > %s is without effect and does not say why", path, k.Name)
		}
	})
	t.Logf("done %d, no effect %d, removed %d", status[confparse.Done], status[confparse.NoEffect], status[confparse.Removed])
}

func visit(b confparse.Block, path string, each func(string, *confparse.Keyword)) {
	for _, k := range b.Keywords() {
		each(path, k)
		if k.Block != nil {
			visit(k.Block, path+" > "+k.Name, each)
		}
	}
}
