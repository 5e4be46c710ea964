package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"keepgo/internal/netlab"
	"keepgo/internal/status"
)

// forwarding is a forwarding method and the network it needs.
type forwarding struct {
	name    string
	prefix  string // of the real servers: prefix + last byte
	gateway string // of the servers, "" for none
}

// elsewhere is an address that nobody has.
const elsewhere = "10.1.0.77"

var forwardings = []forwarding{{"DR", "10.0.0.", ""}, {"NAT", "10.1.0.", gateway}, {"FULLNAT", "10.1.0.", elsewhere}}

// course is a world with three real servers behind the pair.
type course struct {
	*world
	forwarding
	plane   string
	servers map[int]*web
	weights map[int]int // by server; in the beginning its number
}

func newCourse(t *testing.T, plane string, m forwarding) *course {
	t.Helper()
	w := newWorld(t, ours, ours)
	f := &course{world: w, forwarding: m, plane: plane, servers: map[int]*web{}, weights: map[int]int{1: 1, 2: 2, 3: 3}}
	inside := must(w.lab.Switch("inside"))(t)
	for i, d := range []*director{w.a, w.b} {
		w.do(d.Attach("eth1", inside, netip.MustParsePrefix(fmt.Sprintf("10.1.0.%d/24", i+1))))
		w.do(d.Sysctl("net/ipv4/ip_forward", "1"))
	}
	for n := range f.weights {
		f.servers[n] = w.server(20+n, inside, m.gateway)
		f.servers[n].up(w)
	}
	return f
}

// configure writes both directors' files, with more of global_defs.
func (f *course) configure(global ...string) {
	f.t.Helper()
	var servers strings.Builder
	for n := 1; n <= 3; n++ {
		if f.weights[n] == 0 {
			continue
		}
		fmt.Fprintf(&servers, `    real_server %s%d 80 {
        weight %d
        TCP_CHECK {
            connect_timeout 3
            retry 0
        }
    }
`, f.prefix, 20+n, f.weights[n])
	}
	k := wire{version: 2}
	for d, c := range map[*director]conf{f.a: confA(k), f.b: confB(k)} {
		if d == f.a {
			c.global = "metrics_listen 10.0.0.1:9650\n"
		}
		c.instance = "virtual_ipaddress_excluded {\n        " + gateway + "/24 dev eth1\n    }"
		if f.plane == "ipvs" { // the client's ports come again while IPVS remembers them
			c.global += "lvs_expire_nodest_conn\n"
		}
		c.global += strings.Join(append(global, "lvs_data_plane "+f.plane), "\n")
		c.after = fmt.Sprintf("virtual_server %s 80 {\n    lvs_sched wrr\n    lvs_method %s\n    protocol TCP\n    delay_loop 1\n%s}\n",
			vip4, f.name, &servers)
		d.configure(c.String())
	}
}

// reconfigure gives a server another weight, 0 to take it out, and waits until
// both directors have it so.
func (f *course) reconfigure(n, weight int) {
	f.t.Helper()
	f.weights[n] = weight
	f.configure()
	for _, d := range []*director{f.a, f.b} {
		d.reload()
		f.eventually(fmt.Sprintf("%s has weight %d of server %d", d.Name, weight, n), func() bool { return f.weight(d, n) == weight })
	}
}

// output is what a command says on a host.
func (f *course) output(h *netlab.Host, argv ...string) string {
	f.t.Helper()
	if _, err := exec.LookPath(argv[0]); err != nil {
		f.t.Skipf("needs %s", argv[0])
	}
	var out []byte
	f.do(h.Do(func() (err error) {
		if out, err = exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			err = fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
		}
		return err
	}))
	return string(out)
}

// table is what a host's kernel has of services, as the tool of the plane shows
// it.
func (f *course) table(h *netlab.Host) string {
	f.t.Helper()
	if f.plane == "ipvs" {
		return f.output(h, "ipvsadm", "-Sn")
	}
	return f.output(h, "nft", "list", "ruleset")
}

// weight is that of a server in a director's kernel; 0 if it is not there.
func (f *course) weight(d *director, n int) (weight int) {
	f.t.Helper()
	text, before := f.table(d.Host), fmt.Sprintf(". %s%d . 80 comment \"weight ", f.prefix, 20+n)
	if f.plane == "ipvs" {
		before = fmt.Sprintf("-r %s%d:80 ", f.prefix, 20+n)
		text = strings.ReplaceAll(strings.ReplaceAll(text, "-g -w ", ""), "-m -w ", "")
	}
	if _, rest, found := strings.Cut(text, before); found {
		fmt.Sscan(strings.ReplaceAll(rest, "\"", " "), &weight)
	}
	return weight
}

// asker is a client of its own; one that keeps its connection goes on over the
// same.
func (f *course) asker(keep bool) (ask func() (name, peer string, err error)) {
	client := http.Client{Timeout: patience / 3,
		Transport: &http.Transport{DialContext: f.client.Dial, DisableKeepAlives: !keep, MaxConnsPerHost: 1}}
	if keep {
		dialed := false
		client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dialed {
				return nil, fmt.Errorf("the connection was lost")
			}
			dialed = true
			return f.client.Dial(ctx, network, addr)
		}
	}
	return func() (string, string, error) {
		res, err := client.Get("http://" + vip4.String() + "/")
		if err != nil {
			return "", "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return string(b), res.Header.Get("Peer"), err
	}
}

// answers waits until the service answers.
func (f *course) answers() {
	f.t.Helper()
	f.eventually("the service answers", func() bool { _, _, err := f.asker(false)(); return err == nil })
}

// everybody waits until each server has answered: one of DR takes nothing before
// its hardware address is known.
func (f *course) everybody() {
	f.t.Helper()
	seen := map[string]bool{}
	f.eventually("every server answers", func() bool {
		name, _, _ := f.asker(false)()
		seen[name] = true
		for n, w := range f.weights {
			if w > 0 && !seen[fmt.Sprintf("web%d", 20+n)] {
				return false
			}
		}
		return true
	})
}

// proportions checks that connections spread over the servers like their weights.
func (f *course) proportions() {
	f.t.Helper()
	f.everybody()
	got, sum := map[string]int{}, 0
	for _, w := range f.weights {
		sum += w
	}
	for range 10 * sum {
		name, peer, err := f.asker(false)()
		if err != nil {
			f.t.Fatalf("through the virtual address: %v", err)
		}
		if own := strings.HasPrefix(peer, "10.0.0.9:"); own == (f.name == "FULLNAT") {
			f.t.Errorf("with %s a server sees %s", f.name, peer)
		}
		got[name]++
	}
	for n, w := range f.weights {
		if have := got[fmt.Sprintf("web%d", 20+n)]; have < 10*w-1 || have > 10*w+1 {
			f.t.Errorf("weight %d got %d of %d connections: %v", w, have, 10*sum, got)
		}
	}
	f.t.Logf("%s with %s: %v of weights %v", f.plane, f.name, got, f.weights)
}

// counted checks that the status and the metrics have what each server got.
func (f *course) counted() {
	f.t.Helper()
	for n, weight := range f.weights {
		server := fmt.Sprintf("[%s%d]:tcp:80", f.prefix, 20+n)
		enough := func(got float64) bool { return got >= float64(10*weight) }
		f.eventually("the status counts "+server, func() bool {
			s := f.a.status()
			if s == nil || len(s.Services) != 1 {
				return false
			}
			i := slices.IndexFunc(s.Services[0].Servers, func(s status.Server) bool { return s.Name == server })
			t := s.Services[0].Servers[i].Traffic
			return t != nil && enough(float64(t.Connections)) && t.PacketsIn > t.Connections && t.BytesIn > t.PacketsIn
		})
		f.eventually("the metrics count "+server, func() bool { return enough(f.metric("keepgo_server_connections_total", server)) })
	}
}

// metric is the value of the line of the first director's metrics that has a
// name and a text, -1 if there is none.
func (f *course) metric(name, text string) float64 {
	client := http.Client{Timeout: patience / 3, Transport: &http.Transport{DialContext: f.client.Dial, DisableKeepAlives: true}}
	res, err := client.Get("http://10.0.0.1:9650/metrics")
	if err != nil {
		return -1
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, name+"{") && strings.Contains(line, text) {
			words := strings.Fields(line)
			value, _ := strconv.ParseFloat(words[len(words)-1], 64)
			return value
		}
	}
	return -1
}

// hold opens a connection to server 1, and returns what checks that it stands.
func (f *course) hold() (stands func(after string)) {
	f.t.Helper()
	for range 20 {
		ask := f.asker(true)
		if name, _, err := ask(); err != nil || name != "web21" {
			continue
		}
		return func(after string) {
			f.t.Helper()
			if name, _, err := ask(); err != nil || name != "web21" {
				f.t.Errorf("after %s a connection to web21 is with %q: %v", after, name, err)
			}
		}
	}
	f.t.Fatal("no connection came to web21")
	return nil
}

// play plays the life of a service: reloads, the death of a server, a failover,
// the stop.
func (f *course) play() {
	f.configure()
	begin := time.Now()
	f.a.start()
	f.b.start()
	f.becomesMaster(f.a, vip4, begin)
	f.answers()
	f.proportions()
	f.counted()

	stands := f.hold()
	f.reconfigure(3, 0)
	stands("a server left")
	f.proportions()
	f.reconfigure(3, 3)
	stands("a server came")
	f.reconfigure(1, 4)
	stands("another weight")
	f.proportions()

	f.servers[3].down()
	f.eventually("the dead server leaves the table", func() bool { return f.weight(f.a, 3) == 0 && f.weight(f.a, 2) == 2 })
	stands("the death of another server")
	for range 12 {
		if name, _, err := f.asker(false)(); err != nil || name == "web23" {
			f.t.Errorf("without the dead server: answer %q, %v", name, err)
		}
	}
	f.servers[3].up(f.world)
	f.eventually("the server comes back into both tables", func() bool { return f.weight(f.a, 3) == 3 && f.weight(f.b, 3) == 3 })
	stands("its return")
	if f.plane == "nftables" {
		f.harm(stands)
	}

	lost := time.Now()
	f.a.powerCut()
	f.becomesMaster(f.b, vip4, lost)
	f.answers()
	f.proportions()

	f.b.stop()
	if left := f.table(f.b.Host); strings.Contains(left, "keepgo") || f.plane == "ipvs" && left != "" {
		f.t.Errorf("left in the table after the stop: %s", left)
	}
}

// harm takes everything away with another hand, which is repaired, and leaves a
// table of its own, which is not touched.
func (f *course) harm(stands func(string)) {
	f.t.Helper()
	f.output(f.a.Host, "nft", "flush ruleset; add table ip theirs; add chain ip theirs c; add rule ip theirs c counter drop")
	f.a.logs("are put back")
	f.answers()
	f.proportions()
	if f.name != "DR" { // which remembers connections in the table itself
		stands("a repair")
	}
	if got := f.output(f.a.Host, "nft", "list", "table", "ip", "theirs"); !strings.Contains(got, "counter packets 0 bytes 0 drop") {
		f.t.Errorf("another's table is now %s", got)
	}
}

func TestIPVSFullNAT(t *testing.T) {
	needsIPVS(t)
	newCourse(t, "ipvs", forwardings[2]).play()
}

// TestCourseOnIPVS plays the methods that TestIPVSBalances has too.
func TestCourseOnIPVS(t *testing.T) {
	needsIPVS(t)
	for _, m := range forwardings[:2] {
		t.Run(m.name, func(t *testing.T) { newCourse(t, "ipvs", m).play() })
	}
}

func TestNFTablesBalances(t *testing.T) {
	t.Parallel()
	for _, m := range forwardings {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			newCourse(t, "nftables", m).play()
		})
	}
}

// What the plane cannot do is told with its place and what to use instead, and a
// reload to it changes nothing.
func TestNFTablesRefuses(t *testing.T) {
	t.Parallel()
	f := newCourse(t, "nftables", forwardings[0])
	f.configure()
	f.a.start()
	f.eventually("the service stands", func() bool { return f.weight(f.a, 3) == 3 })
	f.name = "TUN"
	f.configure()
	f.a.reload()
	f.a.logs("Reload refused")
	if log := f.a.proc.Log(); !strings.Contains(log, f.a.conf+":") || !strings.Contains(log, "use DR, NAT or FULLNAT") || !strings.Contains(log, "'lvs_data_plane ipvs'") {
		t.Errorf("without a place or a way out:\n%s", log)
	}
	if got := f.weight(f.a, 3); got != 3 {
		t.Errorf("after a refused reload the weight is %d", got)
	}
}
