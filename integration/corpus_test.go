package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/confparse/syntax"
	"keepgo/internal/netlab"
)

// corpus is a collection of real configuration files beside the repository.
const corpus = "../../shared/corpus"

// tableFiles between them use every kind of service, scheduler, forwarding
// method, flag and number of the IPVS table.
var tableFiles = []string{
	"001-upstream-ipv6.conf", "004-upstream-fwmark.conf", "007-upstream-quorum.conf", "008-upstream-sample.conf",
	"021-lvs-nat-7layer-org.conf", "048-lvs-nat-sync-zh.conf", "327-kdt-lvs-dr-nfs-vmac-sync-ipv6.conf",
	"137-lvs-nat-nginx-sync-zh.conf", "158-lvs-nat-sip.conf", "262-issue1186-lvs-dr-nat-tun-fwmark.conf",
	"263-issue1226-lvs-nat.conf", "274-issue1576-lvs-nat.conf", "282-issue1809-lvs-tun-k8s.conf",
	"283-issue1809-lvs-tun.conf", "303-issue667-lvs-dr-ipv6.conf", "306-issue754-lvs-nat-routes.conf",
	"310-issue876-lvs-tun-sync-ipv6.conf", "333-kdt-lvs-nat-vmac-ipv6.conf",
	"269-issue1495-lvs-dr-tun.conf", "281-issue1804-lvs-dr-vmac-sync-fwmark-ipv6.conf", "300-issue616-lvs-nat.conf",
	"305-issue713-lvs-nat-tun-fwmark.conf", "316-kdt-lvs-dr-bfd-sip-vmac-sync.conf",
	"288-issue1904-lvs-tun.conf",
}

// knownDifferent are files for which the tables are not equal yet, and why.
var knownDifferent = map[string]string{
	"305-issue713-lvs-nat-tun-fwmark.conf": "a mark takes the family of its first real server, not ip_family or each server",
	"333-kdt-lvs-nat-vmac-ipv6.conf":       "a mark of a group that virtual servers of both families share is programmed for both",
}

// tableTime is how long both daemons may take to fill their tables in a guest.
const tableTime = 15 * time.Second

// TestIPVSTableEqualsKeepalived starts both daemons with the services of one
// file, its checks left out so that the table stands still, and compares what
// each has told its kernel.
func TestIPVSTableEqualsKeepalived(t *testing.T) {
	needsIPVS(t)
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("needs the collection of configuration files: %v", err)
	}
	for _, file := range tableFiles {
		t.Run(strings.TrimSuffix(file, ".conf"), func(t *testing.T) {
			if why := knownDifferent[file]; why != "" {
				t.Skip("known to differ: " + why)
			}
			text := servicesOnly(t, file)
			lab := must(netlab.New())(t)
			t.Cleanup(func() { lab.Close() })
			theirTable, _ := runServices(t, lab, theirs, text)
			ourTable, log := runServices(t, lab, ours, text)
			var want, got []string
			equal := func() bool {
				want, got = theirTable(), ourTable()
				return len(want) > 0 && slices.Equal(want, got)
			}
			if !netlab.Until(tableTime, equal) {
				t.Errorf("only keepalived has\n%s\nonly keepgo has\n%s\nkeepgo's log\n%s",
					strings.Join(without(want, got), "\n"), strings.Join(without(got, want), "\n"), log())
			}
		})
	}
}

// runServices runs a daemon without its VRRP half on a host of its own.
func runServices(t *testing.T, lab *netlab.Lab, which daemon, text string) (read func() []string, log func() string) {
	t.Helper()
	w := &world{t: t, lab: lab}
	d := &director{Host: must(lab.Host(string(which)))(t), w: w, daemon: which}
	d.configure(text)
	d.start("-C")
	return func() []string { return table(t, d.Host) }, func() string { return d.proc.LogTail(20) }
}

var checkers = []string{"TCP_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK", "MISC_CHECK", "UDP_CHECK",
	"PING_CHECK", "FILE_CHECK", "BFD_CHECK"}

// servicesOnly is a file's virtual servers and their groups, without checks.
func servicesOnly(t *testing.T, file string) string {
	t.Helper()
	tree, _ := syntax.Parse(os.DirFS(corpus), file, syntax.Env{})
	var b strings.Builder
	for _, n := range tree.Nodes {
		if len(n.Words) > 0 && strings.HasPrefix(n.Words[0].Text, "virtual_server") {
			render(&b, n)
		}
	}
	if b.Len() == 0 {
		t.Fatalf("%s has no virtual_server", filepath.Join(corpus, file))
	}
	return b.String()
}

func render(b *strings.Builder, n *syntax.Node) {
	if len(n.Words) > 0 && slices.Contains(checkers, n.Words[0].Text) {
		return
	}
	b.WriteString(n.Raw)
	if n.Braces {
		b.WriteString(" {\n")
		for _, c := range n.Body {
			render(b, c)
		}
		b.WriteString("}")
	}
	fmt.Fprintln(b)
}

func sortedLines(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = slices.DeleteFunc(lines, func(s string) bool { return s == "" })
	slices.Sort(lines)
	return lines
}

// without is what is in one list and not in the other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}
