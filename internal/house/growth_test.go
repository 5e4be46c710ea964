package house

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"keepgo/checker"
	"keepgo/checker/probe"
	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/advice"
	"keepgo/internal/ha"
	"keepgo/internal/lb"
	"keepgo/ipvsctl"
	"keepgo/vrrp"
)

// TestGrowth: no statement is carried out more often than N log N times when a
// director with N instances and N virtual servers reads its configuration, plans
// it, takes over, speaks, hears, and reloads with one thing changed. The compiler
// counts (-covermode=count), so what else the machine does changes nothing.
func TestGrowth(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the rooms once more, with counters")
	}
	// Four times as much, four times the statements: five with the logarithm,
	// sixteen if each had to do with each.
	const small, large, most, few = 200, 800, 10, 20 * 800
	before, after := count(t, small), count(t, large)
	for place, n := range after {
		if n > few && n > most*before[place] {
			t.Errorf("%s: carried out %d times for %d instances, %d times for %d", place, before[place], small, n, large)
		}
	}
	if sum(after) < 1000*large {
		t.Errorf("only %d statements were counted", sum(after))
	}
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// work, in the environment, is the size that TestWork is to work at.
const work = "KEEPGO_WORK"

// counted are the rooms whose statements are counted.
var counted = []string{"confparse", "confparse/syntax", "vrrp", "vip", "ipvsctl", "checker", "checker/probe", "internal/ha", "internal/lb", "internal/advice"}

// count has TestWork work at a size, and tells how often each statement was
// carried out, by place.
func count(t *testing.T, n int) map[string]int {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "counts")
	cmd := exec.Command("go", "test", "-count=1", "-run=^TestWork$", "-covermode=count",
		"-coverpkg=keepgo/"+strings.Join(counted, ",keepgo/"), "-coverprofile="+profile, ".")
	cmd.Env = append(os.Environ(), work+"="+strconv.Itoa(n))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(profile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	counts := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); { // file:line.col,line.col statements count
		if w := strings.Fields(lines.Text()); len(w) == 3 {
			times, _ := strconv.Atoi(w[2])
			counts[w[0]] += times
		}
	}
	return counts
}

// TestWork is the work of a director, at the size that TestGrowth asks for.
func TestWork(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv(work))
	if err != nil {
		t.Skip("called by TestGrowth")
	}
	cfg := read(t, n, 0)
	advice.Foresee(&advice.File{Label: "k.conf", Config: cfg})
	d := &director{now: 1000 * time.Second, node: ha.New(ha.Build(cfg))}
	d.start(n)
	d.until(t, n)
	heir := ha.New(ha.Build(cfg))
	heir.Resume(d.node.Masters())
	(&director{now: d.now, node: heir}).start(n)
	for range 3 { // all speak
		d.tick()
	}
	d.step(ha.Event{Kind: ha.EventReload, Plan: ha.Build(read(t, n, 1))})
	d.step(ha.Event{Kind: ha.EventLink, Link: ha.Link{Name: link(0), Index: 1, Exists: true, MTU: 1500}})
	d.node.Report(d.now, time.Time{})
	d.step(ha.Event{Kind: ha.EventStop})
	balance(t, cfg, read(t, n, 1))
}

func link(i int) string { return "eth" + strconv.Itoa(i) }

// read reads a configuration of n instances, of which half are in a group, n
// addresses of one more, n tracked scripts and n virtual servers; changed of them
// have one address or real server more.
func read(t *testing.T, n, changed int) *confparse.Config {
	t.Helper()
	var b strings.Builder
	b.WriteString("global_defs {\n vrrp_version 3\n script_user root\n}\nvrrp_sync_group G {\n group {\n")
	for i := range n / 2 {
		fmt.Fprintf(&b, "  I%d\n", i)
	}
	b.WriteString(" }\n}\n")
	for i := range n {
		fmt.Fprintf(&b, "vrrp_script S%d {\n script /bin/true\n}\nvrrp_instance I%d {\n interface %s\n virtual_router_id %d\n priority 100\n advert_int 1\n track_script {\n  S%d\n }\n virtual_ipaddress {\n  10.%d.%d.1/24\n",
			i, i, link(i/200), i%200+1, i, i/200, i%200)
		if i < changed {
			b.WriteString("  10.250.0.1/24\n")
		}
		b.WriteString(" }\n}\n")
	}
	fmt.Fprintf(&b, "vrrp_instance W {\n interface %s\n virtual_router_id 255\n priority 100\n virtual_ipaddress {\n  10.99.0.1/24\n }\n virtual_ipaddress_excluded {\n", link(0))
	for i := range n {
		fmt.Fprintf(&b, "  10.100.%d.%d/24\n", i/200, i%200+1)
	}
	b.WriteString(" }\n}\n")
	for i := range n {
		fmt.Fprintf(&b, "virtual_server 10.%d.%d.1 80 {\n delay_loop 6\n lb_algo rr\n lb_kind NAT\n protocol TCP\n", i/200, i%200)
		for k := range 2 + max(0, min(1, changed-i)) {
			fmt.Fprintf(&b, " real_server 192.168.%d.%d 8%d {\n  weight 1\n  TCP_CHECK {\n   connect_timeout 2\n  }\n }\n", i/200, i%200+1, k)
		}
		b.WriteString("}\n")
	}
	cfg, faults := confparse.Load(fstest.MapFS{"k.conf": {Data: []byte(b.String())}}, "k.conf", syntax.Env{})
	for _, e := range faults {
		if e.Severity == syntax.Failure {
			t.Fatal(e)
		}
	}
	return cfg
}

// director is a node and its time.
type director struct {
	node *ha.Node
	now  vrrp.Time
	acts []ha.Action
}

func (d *director) step(ev ha.Event) { d.acts = d.node.Step(d.now, ev, d.acts[:0]) }

// start lets the node know its links and begin.
func (d *director) start(n int) {
	for i := range n/200 + 1 {
		d.step(ha.Event{Kind: ha.EventLink, Link: ha.Link{Name: link(i), Index: i + 1, Exists: true, Up: true, MTU: 1500,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 200, byte(i), 1})}}})
	}
	d.step(ha.Event{Kind: ha.EventStart})
}

// tick lets the next deadline come.
func (d *director) tick() {
	d.now = max(d.now, d.node.Next())
	d.step(ha.Event{Kind: ha.EventTick})
}

// until has all instances become MASTER, once all scripts have ended.
func (d *director) until(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		d.step(ha.Event{Kind: ha.EventScript, Script: i, OK: true})
	}
	for range 100 {
		if len(d.node.Masters()) == n+1 {
			return
		}
		d.tick()
	}
	t.Fatalf("%d of %d instances are MASTER", len(d.node.Masters()), n+1)
}

// balance checks all real servers, and reloads.
func balance(t *testing.T, before, after *confparse.Config) {
	t.Helper()
	plan, faults := lb.Build(before)
	if len(faults) > 0 {
		t.Fatal(faults[0])
	}
	node, acts := lb.NewNode(plan, nil)
	have := table(node, plan)
	for _, up := range []bool{true, false, true} {
		for i := range plan.Checks {
			acts = node.Step(lb.Event{Kind: lb.EventResult, Result: checker.Result{ID: plan.Checks[i].ID, Up: up}}, acts[:0])
		}
	}
	next, _ := lb.Build(after)
	node.Step(lb.Event{Kind: lb.EventReload, Plan: next}, nil)
	if ops := ipvsctl.Diff(have, table(node, next)); len(ops) == 0 {
		t.Error("a server more is no difference")
	}
	node.State()
	node.Status()
	probes := probe.NewRunner(probe.Options{Ask: func(context.Context, *checker.Check, int) checker.Outcome { return checker.Outcome{} }})
	defer probes.Close()
	probes.Set(node.Checks())
	probes.Set(private(node.Checks()))
	probes.Set(private(node.Checks()))
}

// private are as many checks that ask the same, each by a probe of its own.
func private(checks []checker.Check) []checker.Check {
	all := slices.Repeat(checks[:1], len(checks))
	for i := range all {
		all[i].Private = true
	}
	return all
}

// table is all that should stand.
func table(node *lb.Node, plan *lb.Plan) ipvsctl.Table {
	all := ipvsctl.Table{}
	for i := range plan.Services {
		all[plan.Services[i].Key] = node.Want(i)
	}
	return all
}
