package integration

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/guest"
	"keepgo/internal/lb"
	"keepgo/internal/netlab"
)

// corpus is a collection of real configuration files beside the repository.
const corpus = "../../shared/corpus"

// knownDifferent are files for which the tables are not equal, and why.
var knownDifferent = map[string]string{
	"019-lvs-dr-nginx.conf":                  "nothing of it can stand: no server",
	"111-fragment-topecongiro-etc.conf":      "nothing of it can stand: no server",
	"208-lvs-nat-nginx-zh.conf":              "behind a misspelt block keepalived loses the server that it is of",
	"261-issue1173-lvs-dr.conf":              "30,000 servers are more than keepalived adds in the time of a test",
	"284-issue1819-lvs-nat-ipv6-routes.conf": "nothing of it can stand: definitions are missing",
	"285-issue1819-lvs-nat-routes.conf":      "nothing of it can stand: definitions are missing",
	"296-issue2067-lvs-dr.conf":              "keepalived dies of it, freeing memory twice",
	"305-issue713-lvs-nat-tun-fwmark.conf":   "a mark takes the family of its first real server, not ip_family or each server",
	"333-kdt-lvs-nat-vmac-ipv6.conf":         "a mark of a group that virtual servers of both families share is programmed for both",
	"341-kdt-lvs-nat.conf":                   "keepalived loses the prefix length of a mark in a group",
}

// stale are files that keepalived 2.2.7 does not come to by a reload as it does
// by a start, or does not leave so, and why.
var stale = map[string]string{
	"300-issue616-lvs-nat.conf":                     "it leaves services of its groups, without a server, when they go",
	"301-issue616-lvs-nat.conf":                     "it leaves services of its groups, without a server, when they go",
	"264-issue1246-lvs-nat.conf":                    "it leaves services of the old group, without a server",
	"302-issue634-lvs-tun-mysql.conf":               "it leaves services of a group that is gone, without a server",
	"317-kdt-lvs-dr-nat-tun-bfd-sip-vmac-sync.conf": "its servers without a port get port 0, after a start that of their service",
}

// tableTime is how long both daemons may take to fill their tables in a guest.
const tableTime = 90 * time.Second

// parts are the files by the first digit of their number: each takes a guest of
// its own, because the time of one is bounded and a busy host makes it slow.
var parts = []string{"0", "1", "2", "3"}

// inParts boots a guest for each part of a test, or for one unless all are asked
// for.
func inParts(t *testing.T, name string) {
	t.Helper()
	needsRoot(t)
	needsCorpus(t)
	these := parts
	if !*wholeCorpus {
		these = parts[1:2]
	}
	for _, part := range these {
		t.Run(name+part, func(t *testing.T) { guest.Tests(t, "^"+name+"$/^"+part) })
	}
}

// TestCorpusGuest boots a kernel with IPVS for the tests of this file.
func TestCorpusGuest(t *testing.T) {
	t.Parallel()
	inParts(t, "TestCorpusTables")
}

// wholeCorpus asks for what takes minutes in a guest.
var wholeCorpus = flag.Bool("corpus", false, "program the tables of all files of the collection, and lead them through deaths and reloads as well")

// TestCorpusReloadGuest does so for those that take as long again.
func TestCorpusReloadGuest(t *testing.T) {
	if !*wholeCorpus {
		t.Skip("takes minutes: go test -timeout 60m ./integration -run CorpusReloadGuest -args -corpus")
	}
	inParts(t, "TestCorpusReloads")
	inParts(t, "TestCorpusServers")
}

func needsCorpus(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("needs the collection of configuration files: %v", err)
	}
}

// tableFiles are the files with virtual servers, but for those whose services
// are the same as another's.
func tableFiles(t *testing.T) (files, texts []string) {
	t.Helper()
	needsCorpus(t)
	seen := map[string]bool{}
	for _, path := range must(filepath.Glob(filepath.Join(corpus, "*.conf")))(t) {
		file := filepath.Base(path)
		if text := services(file, ""); text != "" && !seen[text] {
			seen[text] = true
			files, texts = append(files, file), append(texts, text)
		}
	}
	return files, texts
}

// rivals are both daemons with the same services, each on a host of its own.
type rivals struct {
	t          *testing.T
	their, our *director
	want, got  []string // their tables, as last read
}

// newRivals runs both without their VRRP halves.
func newRivals(t *testing.T, text string) *rivals {
	t.Helper()
	lab := must(netlab.New())(t)
	t.Cleanup(func() { lab.Close() })
	w := &world{t: t, lab: lab}
	r := &rivals{t: t}
	for _, which := range []daemon{theirs, ours} {
		d := &director{Host: must(lab.Host(string(which)))(t), w: w, daemon: which}
		d.configure(text)
		d.start("-C")
		r.their, r.our = r.our, d // theirs came first
	}
	return r
}

// agree waits until what both told their kernels is equal, and has a line that
// marks the state. It tells whether that was so.
func (r *rivals) agree(has string) bool {
	return netlab.Until(tableTime, func() bool {
		r.want, r.got = table(r.t, r.their.Host), table(r.t, r.our.Host)
		return len(r.want) > 0 && slices.Equal(r.want, r.got) && strings.Contains(strings.Join(r.want, "\n"), has)
	})
}

// differ fails with the difference.
func (r *rivals) differ(t *testing.T, when string) {
	t.Helper()
	t.Errorf("%s: only keepalived has\n%s\nonly keepgo has\n%s\nkeepalived's log\n%s\nkeepgo's log\n%s", when,
		strings.Join(without(r.want, r.got), "\n"), strings.Join(without(r.got, r.want), "\n"), r.their.proc.LogTail(8), r.our.proc.LogTail(20))
}

// TestCorpusTables starts both daemons with the services of each file, its
// checks left out so that the table stands still, and compares what each has
// told its kernel.
func TestCorpusTables(t *testing.T) {
	needsIPVS(t)
	files, texts := tableFiles(t)
	for i, file := range files {
		t.Run(strings.TrimSuffix(file, ".conf"), func(t *testing.T) {
			if why := knownDifferent[file]; why != "" {
				t.Skip("known to differ: " + why)
			}
			if r := newRivals(t, texts[i]); !r.agree("") {
				r.differ(t, "after the start")
			}
		})
	}
}

// marker is a service that tells which configuration stands.
func marker(i int) string {
	return fmt.Sprintf("virtual_server fwmark %d {\n    lvs_sched rr\n    lvs_method NAT\n    real_server 192.0.2.1 80 {\n    }\n}\n", 70000+i)
}

// faulty tells of a text with a fault, which is taken at a start and refused at a
// reload.
func faulty(text string) bool {
	cfg, list := confparse.Load(fstest.MapFS{"f": {Data: []byte(text)}}, "f", syntax.Env{})
	_, more := lb.Build(cfg)
	return slices.ContainsFunc(append(list, more...), func(e *syntax.Error) bool { return e.Severity >= syntax.Failure })
}

// TestCorpusReloads leads both daemons from the services of one file to those of
// the next, through all files without a fault.
func TestCorpusReloads(t *testing.T) {
	needsIPVS(t)
	files, texts := tableFiles(t)
	var next []int // of the files that both can be led to
	for i, file := range files {
		if knownDifferent[file] == "" && stale[file] == "" && !faulty(texts[i]) {
			next = append(next, i)
		}
	}
	for _, part := range parts {
		t.Run(part, func(t *testing.T) {
			first := slices.IndexFunc(next, func(i int) bool { return strings.HasPrefix(files[i], part) })
			if first < 0 {
				t.Skip("none of them")
			}
			var r *rivals
			led := 0
			for _, i := range next[max(first-1, 0):] { // from the last of the part before
				if led > 0 && !strings.HasPrefix(files[i], part) {
					break
				}
				r = r.lead(t, files[i], texts[i]+marker(i), fmt.Sprintf("-f %d ", 70000+i))
				led++
			}
			t.Logf("led through %d files", led)
		})
	}
}

// lead has both come to a text: by a reload, or at the beginning and after a
// difference by a start.
func (r *rivals) lead(t *testing.T, file, text, has string) *rivals {
	t.Helper()
	how := "after the reload to "
	if r == nil {
		r, how = newRivals(t, text), "after the start with "
	} else {
		for _, d := range []*director{r.their, r.our} {
			d.configure(text)
			d.reload()
		}
	}
	if !r.agree(has) {
		r.differ(t, how+file)
		return nil
	}
	return r
}

// serverFiles are those whose servers die and return.
var serverFiles = []string{"007-upstream-quorum.conf", "005-upstream-inhibit.conf", "008-upstream-sample.conf",
	"262-issue1186-lvs-dr-nat-tun-fwmark.conf", "303-issue667-lvs-dr-ipv6.conf"}

// TestCorpusServers lets servers die and return, one after the other until none
// is left.
func TestCorpusServers(t *testing.T) {
	needsIPVS(t)
	needsCorpus(t)
	for _, file := range serverFiles {
		t.Run(strings.TrimSuffix(file, ".conf"), func(t *testing.T) {
			dir := t.TempDir()
			r := newRivals(t, services(file, dir))
			if !r.agree("") {
				r.differ(t, "after the start")
				return
			}
			servers := checkedServers(services(file, dir))
			servers = servers[:min(len(servers), mostServers)]
			for _, flag := range servers {
				before := r.verdicts()
				r.their.w.do(os.WriteFile(flag, nil, 0o644))
				r.settles(t, before, "without "+flag)
			}
			for _, flag := range servers {
				before := r.verdicts()
				r.their.w.do(os.Remove(flag))
				r.settles(t, before, "again with "+flag)
			}
		})
	}
}

// mostServers bounds how many die.
const mostServers = 4

// verdicts are how often each has told what a check says.
func (r *rivals) verdicts() (n [2]int) {
	for i, d := range []*director{r.their, r.our} {
		n[i] = strings.Count(d.proc.Log(), "by [/usr/bin/test] ")
	}
	return n
}

// settles waits until both have heard of more and the tables agree.
func (r *rivals) settles(t *testing.T, before [2]int, when string) {
	t.Helper()
	if !netlab.Until(tableTime, func() bool {
		now := r.verdicts()
		return now[0] > before[0] && now[1] > before[1]
	}) || !r.agree("") {
		r.differ(t, when)
	}
}

// checkedServers are the files whose presence is a server's death, in order.
func checkedServers(text string) (files []string) {
	for _, line := range strings.Split(text, "\n") {
		if _, file, is := strings.Cut(line, "/usr/bin/test ! -e "); is && !slices.Contains(files, strings.Trim(file, "\"")) {
			files = append(files, strings.Trim(file, "\""))
		}
	}
	return files
}

var checkers = []string{"TCP_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK", "MISC_CHECK", "UDP_CHECK",
	"PING_CHECK", "FILE_CHECK", "BFD_CHECK"}

// services is a file's virtual servers and their groups, without its checks.
// With a directory every server has one check, which fails while a file of the
// server's name stands there.
func services(file, dir string) string {
	tree, _ := syntax.Parse(os.DirFS(corpus), file, syntax.Env{})
	var b strings.Builder
	for _, n := range tree.Nodes {
		if len(n.Words) > 0 && strings.HasPrefix(n.Words[0].Text, "virtual_server") {
			render(&b, n, dir)
		}
	}
	return b.String()
}

func render(b *strings.Builder, n *syntax.Node, dir string) {
	keyword := ""
	if len(n.Words) > 0 {
		keyword = n.Words[0].Text
	}
	if slices.Contains(checkers, keyword) || dir != "" && slices.Contains(timers, keyword) {
		return
	}
	b.WriteString(n.Raw)
	if n.Braces {
		b.WriteString(" {\n")
		for _, c := range n.Body {
			render(b, c, dir)
		}
		if keyword == "real_server" && dir != "" {
			name := strings.NewReplacer(" ", "-", ":", ".").Replace(strings.TrimSpace(strings.TrimPrefix(n.Raw, keyword)))
			fmt.Fprintf(b, "MISC_CHECK {\nmisc_path \"/usr/bin/test ! -e %s\"\ndelay_loop 1\nwarmup 0\nuser root\n}\n", filepath.Join(dir, name))
		}
		b.WriteString("}")
	}
	fmt.Fprintln(b)
}

// timers and scripts of the files would get in the way.
var timers = []string{"delay_loop", "warmup", "delay_before_retry", "retry", "notify_up", "notify_down", "quorum_up", "quorum_down", "alpha"}

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
