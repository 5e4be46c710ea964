package tool

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"

	"keepgo/internal/guest"
	"keepgo/ipvsctl/genl"
)

// TestGuest compares us with Debian's ipvsadm under a kernel with IPVS.
func TestGuest(t *testing.T) {
	if _, err := exec.LookPath("ipvsadm"); err != nil {
		t.Skip("needs Debian's package ipvsadm to compare with")
	}
	guest.Tests(t, "^TestIPVS")
}

// answer is what a command line came to.
type answer struct {
	Out, Errs string
	Code      int
}

// place is a network namespace, where one of the two programs works.
type place struct {
	t  *testing.T
	ns netns.NsHandle
}

// newPlace makes a namespace with lo up and two interfaces, on whose thread
// the test goes on.
func newPlace(t *testing.T) *place {
	t.Helper()
	if !guest.Inside() {
		t.Skip("needs a kernel with IPVS: runs in TestGuest")
	}
	runtime.LockOSThread()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, ns: ns}
	for _, line := range []string{
		"ip link set lo up", "ip addr add 10.9.0.1/32 dev lo", "ip addr add 10.9.0.5/32 dev lo",
		"ip addr add 2001:db8:9::1/128 dev lo nodad",
		"ip link add v0 type veth peer name v1", "ip link set v1 up", "ip link set v0 up",
		"ip addr add 10.77.0.1/24 dev v0", "ip addr add 2001:db8:77::1/64 dev v0 nodad",
	} {
		if out, err := exec.Command("/bin/sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
	return p
}

func (p *place) enter() {
	if err := netns.Set(p.ns); err != nil {
		p.t.Fatal(err)
	}
}

// debian runs Debian's program here.
func (p *place) debian(in string, args ...string) answer {
	p.t.Helper()
	p.enter()
	var out, errs bytes.Buffer
	cmd := exec.Command("ipvsadm", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
	_ = cmd.Run()
	return answer{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// ours runs our own here.
func (p *place) ours(in string, args ...string) answer {
	p.t.Helper()
	p.enter()
	var out, errs bytes.Buffer
	tool := Tool{
		Open:  func() (Kernel, error) { return genl.Dial() },
		Names: &SystemNames{}, In: strings.NewReader(in), Out: &out, Errs: &errs,
	}
	code := tool.Run(append([]string{"ipvsadm"}, args...))
	return answer{out.String(), errs.String(), code}
}

// ordered is the lines of a text by their letters: ipvsadm's order depends on
// the kernel's, which is another in every namespace.
func ordered(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// table is what stands here.
func (p *place) table() string {
	p.t.Helper()
	return ordered(p.ours("", "-Sn").Out)
}

// words splits a line as a shell does, with ' as the only quotes.
func words(line string) (all []string) {
	quoted := false
	for i, part := range strings.Split(line, "'") {
		if quoted = i%2 == 1; quoted {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}

// lines are the command lines of testdata.
func lines(t *testing.T) (all []string) {
	text, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// debians runs Debian's program here with many lines, from one shell: there a
// process is cheap in the guest.
func (p *place) debians(lines []string) (all []answer) {
	p.t.Helper()
	p.enter()
	dir := p.t.TempDir()
	var script strings.Builder
	for i, line := range lines {
		fmt.Fprintf(&script, "ipvsadm %s </dev/null >%d.out 2>%d.err; echo $? >%d.code\n", line, i, i, i)
	}
	cmd := exec.Command("/bin/bash", "-f")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(script.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	read := func(i int, what string) string {
		b, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)+what))
		if err != nil {
			p.t.Fatal(err)
		}
		return string(b)
	}
	for i := range lines {
		code, _ := strconv.Atoi(strings.TrimSpace(read(i, ".code")))
		all = append(all, answer{read(i, ".out"), read(i, ".err"), code})
	}
	return all
}

// TestIPVSLines gives both the same command lines, one after the other.
func TestIPVSLines(t *testing.T) {
	theirs, ours := newPlace(t), newPlace(t)
	all := lines(t)
	changes := 0
	for i, want := range theirs.debians(all) {
		got := ours.ours("", words(all[i])...)
		if strings.HasPrefix(strings.ToLower(all[i]), "-l") || strings.HasPrefix(all[i], "-S") {
			got.Out, want.Out = ordered(got.Out), ordered(want.Out)
		} else if want.Code == 0 {
			changes++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ipvsadm %s (-Debian's +ours):\n%s", all[i], diff)
		}
	}
	if changes < 80 {
		t.Errorf("only %d lines changed something", changes)
	}
}

// listings are all ways to show the table.
var listings = []string{
	"", "-l", "-ln", "-L -n", "-ln --stats", "-l --stats", "-ln --rate", "-ln --stats --exact", "-ln --rate --exact",
	"-ln --thresholds", "-ln --persistent-conn", "-ln --tun-info", "-l --tun-info", "-ln --nosort", "-ln --sort",
	"-l --timeout", "-l --daemon", "-S", "-Sn", "-lnc", "-lc", "-lnc --persistent-conn", "-ln -t 10.9.0.1:80",
	"-ln --stats -t 10.9.0.1:80", "-l --exact", "-ln -f 7", "-ln -f 7 -6",
}

// same shows the table both ways until both say the same: time goes on between
// them.
func (p *place) same(args string) {
	p.t.Helper()
	var diff string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		want, got := p.debian("", strings.Fields(args)...), p.ours("", strings.Fields(args)...)
		if diff = cmp.Diff(want, got); diff == "" {
			return
		}
	}
	p.t.Errorf("ipvsadm %s (-Debian's +ours):\n%s", args, diff)
}

// shape fills the table with one of everything.
const shape = `-A -t 10.9.0.1:80 -s rr -p 100
-a -t 10.9.0.1:80 -r 10.9.0.5:8080 -m -w 3
-A -t [2001:db8:9::1]:80 -s rr
-a -t [2001:db8:9::1]:80 -r [::1]:8080 -m
-A -u 10.9.0.1:5060 -s rr -p 100 --pe sip
-a -u 10.9.0.1:5060 -r 10.9.0.5:5060 -m
-A -u 10.9.0.1:53 -s wlc -o
-a -u 10.9.0.1:53 -r 10.9.0.5:53 -m -x 100 -y 50
-A --sctp-service 10.9.0.1:9 -s mh -b mh-port
-A -f 7 -s sh -b sh-fallback,sh-port -p 60 -M 255.255.0.0
-a -f 7 -r 10.9.0.5:0 -g -w 0
-A -f 7 -6 -s dh -p 60 -M 64
-A -t 192.168.1.1:80 -s lblc
-A -t 127.0.0.1:443 -s lblcr
-A -t 200.1.1.1:80 -s nq
-A -t 1.1.1.1:80 -s fo
-a -t 1.1.1.1:80 -r 250.1.1.1 -g
-a -t 1.1.1.1:80 -r 127.0.0.1 -g
-a -t 1.1.1.1:80 -r 10.0.0.9 -i --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 1.1.1.1:80 -r 10.0.0.8 -i --tun-type gre --tun-csum
-a -t 1.1.1.1:80 -r 10.0.0.7 -i
-a -t 1.1.1.1:80 -r 192.168.0.1 -g -w 65536
-a -t 1.1.1.1:80 -r 3.0.0.1 -g
`

func TestIPVSListings(t *testing.T) {
	p := newPlace(t)
	// What Debian's own -R cannot read again is listed all the same.
	if a := p.debian(shape+"-A -t 192.168.1.2:80 -s mh -b flag-3\n", "-R"); a.Code != 0 {
		t.Fatalf("restore: %+v", a)
	}
	traffic(t)
	for _, args := range listings {
		p.same(args)
	}
}

// traffic makes connections through the services.
func traffic(t *testing.T) {
	for _, to := range []string{"10.9.0.5:8080", "[::1]:8080"} {
		l, err := net.Listen("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	for _, to := range []string{"tcp 10.9.0.1:80", "tcp 10.9.0.1:80", "tcp [2001:db8:9::1]:80", "udp 10.9.0.1:5060", "udp 10.9.0.1:53"} {
		network, addr, _ := strings.Cut(to, " ")
		c, err := net.DialTimeout(network, addr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprint(c, "OPTIONS sip:a@b SIP/2.0\r\nCall-ID: abc123@10.0.0.1\r\nFrom: <sip:a@b>\r\n\r\n")
	}
}

// restores are what -R is given.
var restores = []string{
	shape, "", "\n", "ipvsadm\n-A -t 1.1.2.1:80", "-A -t 1.1.2.1:80\n\n-A -t 1.1.2.2:80\n", "# no\n-A -t 1.1.2.1:80\n",
	"-A -t 1.1.2.1:80 # no\n", "-A -t 1.1.2.1:80\n-A -t 1.1.2.1:80\n-A -t 1.1.2.2:80\n", "-R\n-A -t 1.1.2.1:80\n",
	"\t ipvsadm -A -t 1.1.2.1:80 \r\n", "-A -t 1.1.2.1:bad\n-A -t 1.1.2.2:80\n", "-D -t 1.1.1.1:99\n", "--bogus\n-C\n",
	"/sbin/ipvsadm -l\n", "-l -n\n-S\n", "-A -t 1.1.2.1:80\n-a -t 1.1.2.1:80 -r 1.1.2.9\n-C\n-A -t 1.1.2.3:80\n",
	"-v\n-A -t 1.1.2.1:80\n",
}

func TestIPVSRestore(t *testing.T) {
	theirs, ours := newPlace(t), newPlace(t)
	for _, in := range restores {
		theirs.debian("", "-C")
		ours.debian("", "-C")
		if diff := cmp.Diff(theirs.debian(in, "-R"), ours.ours(in, "-R")); diff != "" {
			t.Errorf("%q | ipvsadm -R (-Debian's +ours):\n%s", in, diff)
		}
		if diff := cmp.Diff(theirs.table(), ours.table()); diff != "" {
			t.Errorf("after %q | ipvsadm -R (-Debian's +ours):\n%s", in, diff)
		}
	}
}

func TestIPVSSaveAndRestore(t *testing.T) {
	p := newPlace(t)
	p.ours(shape, "-R")
	saved, table := p.ours("", "-S", "-n"), p.table()
	if strings.Count(saved.Out, "\n") != strings.Count(shape, "\n") {
		t.Fatalf("saved %+v", saved)
	}
	p.ours("", "-C")
	if a := p.ours(saved.Out, "-R"); a != (answer{}) {
		t.Errorf("restore: %+v", a)
	}
	if diff := cmp.Diff(table, p.table()); diff != "" {
		t.Errorf("saved, restored and saved (-want +got):\n%s", diff)
	}
}
