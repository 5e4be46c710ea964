package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/guest"
	"keepgo/internal/netlab"
	"keepgo/internal/status"
)

// classroom is the network of docs/lvs.md: a client behind a router, two directors,
// and real servers of which one is further away.
type classroom struct {
	t        *testing.T
	ipvs     bool // the kernel has it; otherwise nftables balances
	lab      *netlab.Lab
	machines map[string]*machine
	base     string // of the configuration, before the services
	conf     string // what stands behind it
	webs     map[string][]net.Listener
}

// machine is a host with a /run and a working directory of its own: what its
// programs leave there is not seen by others.
type machine struct {
	*netlab.Host
	dir    string
	holder *netlab.Process // keeps the mounts
}

// block is a part of the page between two fences.
type block struct {
	heading string
	kind    string   // sh, conf or text
	words   []string // the machines, or the name of the file
	text    string
}

// blocks reads a page.
func blocks(t *testing.T, page string) (list []block) {
	t.Helper()
	text := string(must(os.ReadFile(page))(t))
	heading := ""
	var b *block
	for line := range strings.Lines(text) {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && b == nil:
			words := strings.Fields(fence)
			if len(words) == 0 {
				t.Fatalf("%s: a fence under %q does not say what it holds", page, heading)
			}
			b = &block{heading: heading, kind: words[0], words: words[1:]}
		case isFence:
			list, b = append(list, *b), nil
		case b != nil:
			b.text += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		case command.MatchString(line):
			t.Errorf("%s: a command that is not run: %s", page, line)
		}
	}
	return list
}

// command is a line of an indented block that is a command.
var command = regexp.MustCompile(`^    (keepgo|ip|ipvsadm|nft|sysctl|kill|echo|curl|modprobe) `)

func newClassroom(t *testing.T) *classroom {
	t.Helper()
	s := &classroom{t: t, ipvs: guest.Inside(), lab: must(netlab.New())(t), machines: map[string]*machine{}, webs: map[string][]net.Listener{}}
	t.Cleanup(func() {
		for name := range s.webs {
			s.dies(name)
		}
		if err := s.lab.Close(); err != nil {
			t.Error(err)
		}
	})
	switches := map[string]*netlab.Switch{}
	for _, name := range []string{"outside", "lan", "inside", "far"} {
		switches[name] = must(s.lab.Switch(name))(t)
	}
	for _, m := range []struct {
		name    string
		links   []string // switch and address, eth0 first
		gateway string
	}{
		{"router", []string{"outside 192.168.1.1/24", "lan 10.0.0.254/24", "far 10.2.0.254/24"}, ""},
		{"client", []string{"outside 192.168.1.9/24"}, "192.168.1.1"},
		{"lb1", []string{"lan 10.0.0.1/24", "inside 10.1.0.1/24"}, "10.0.0.254"},
		{"lb2", []string{"lan 10.0.0.2/24", "inside 10.1.0.2/24"}, "10.0.0.254"},
		{"rs1", []string{"lan 10.0.0.11/24", "inside 10.1.0.11/24"}, ""},
		{"rs2", []string{"lan 10.0.0.12/24", "inside 10.1.0.12/24"}, ""},
		{"rs3", []string{"far 10.2.0.13/24"}, "10.2.0.254"},
	} {
		h := must(s.lab.Host(m.name))(t)
		for i, link := range m.links {
			name, addr, _ := strings.Cut(link, " ")
			s.do(h.Attach(fmt.Sprintf("eth%d", i), switches[name], netip.MustParsePrefix(addr)))
		}
		if m.gateway != "" {
			s.do(h.DefaultRoute(netip.MustParseAddr(m.gateway)))
		}
		s.machines[m.name] = s.settle(h)
	}
	s.do(s.machines["router"].Sysctl("net/ipv4/ip_forward", "1"))
	for _, name := range []string{"rs1", "rs2", "rs3"} {
		s.lives(name)
	}
	s.reached()
	return s
}

// settle gives a host its own mounts and directory.
func (s *classroom) settle(h *netlab.Host) *machine {
	s.t.Helper()
	m := &machine{Host: h, dir: filepath.Join(s.lab.Dir, h.Name)}
	s.do(os.Mkdir(m.dir, 0o755))
	m.holder = must(h.Start("unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && echo ready && exec sleep 100000"))(s.t)
	s.eventually(h.Name+" has its mounts", func() bool { return strings.Contains(m.holder.Log(), "ready") })
	return m
}

// reached waits until switches and interfaces let everything through.
func (s *classroom) reached() {
	s.t.Helper()
	for _, m := range []string{"router", "lb1", "lb2", "rs1", "rs2"} {
		for _, link := range []string{"eth0", "eth1"} {
			s.eventually(m+" has "+link, func() bool {
				l, err := s.machines[m].Netlink().LinkByName(link)
				return err == nil && l.Attrs().RawFlags&unix.IFF_RUNNING != 0
			})
		}
	}
	p := must(s.machines["client"].Ping(netip.MustParseAddr("10.2.0.13"), 50*time.Millisecond))(s.t)
	s.eventually("the client reaches the farthest server", func() bool { return !p.Last().IsZero() })
	p.Stop()
}

func (s *classroom) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *classroom) eventually(what string, ok func() bool) {
	s.t.Helper()
	if !netlab.Until(patience, ok) {
		s.t.Fatalf("does not happen in %v: %s\n%s", patience, what, s.run("lb1", "ipvsadm -Sn; keepgo status; keepgo events"))
	}
}

// lives makes a server answer with its name.
func (s *classroom) lives(name string) {
	s.t.Helper()
	for _, port := range []int{80, 443, 8080} {
		ln := must(s.machines[name].Listen("tcp", fmt.Sprintf(":%d", port)))(s.t)
		s.webs[name] = append(s.webs[name], ln)
		go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Peer", r.RemoteAddr)
			fmt.Fprintln(w, name)
		}))
	}
}

// dies makes it refuse.
func (s *classroom) dies(name string) {
	for _, ln := range s.webs[name] {
		ln.Close()
	}
	delete(s.webs, name)
}

// watching are commands that go on until they are told to end.
var watching = regexp.MustCompile(`^keepgo rs watch`)

// status is what a command line ends with, as its comment says.
var status1 = regexp.MustCompile(`#.*exit status 1:`)

// start runs a command line on a machine.
func (s *classroom) start(name, line string) *netlab.Process {
	s.t.Helper()
	m := s.machines[name]
	script := fmt.Sprintf("cd %s && export PATH=%s:$PATH && %s", m.dir, filepath.Dir(keepgo), line)
	return must(m.Start("nsenter", "-t", strconv.Itoa(m.holder.PID()), "-m", "sh", "-c", script))(s.t)
}

// ofIPVS are command lines that need its table.
var ofIPVS = regexp.MustCompile(`ipvsadm|keepgo ipvs|--running`)

// run is what a command line says, which must go well. Without IPVS those that
// are about its table say nothing.
func (s *classroom) run(name, line string) string {
	s.t.Helper()
	if !s.ipvs && ofIPVS.MatchString(line) {
		return ""
	}
	begin := time.Now()
	defer func() { s.t.Logf("%5.1fs %s: %s", time.Since(begin).Seconds(), name, line) }()
	if strings.HasPrefix(line, "keepgo drill traffic ") {
		line += " --timeout 20s" // a busy machine is late, and that is no failure here
	}
	p := s.start(name, line)
	if watching.MatchString(line) {
		s.putsBack(name)
	}
	want := 0
	if status1.MatchString(line) {
		want = 1
	}
	if err := p.Err(); exit(err) != want || err != nil && want == 0 {
		s.t.Errorf("%s: %s: %v\n%s", name, line, err, p.Log())
	}
	return p.Log()
}

// putsBack takes the address away from a real server that watches, until it
// comes back, and ends the watch. The first time may be its start.
func (s *classroom) putsBack(name string) {
	s.t.Helper()
	for range 2 {
		s.run(name, "ip addr del 10.0.0.100/32 dev lo")
		s.eventually("the address comes back", func() bool { return s.machines[name].Holds(vip4) })
	}
	for _, pid := range s.machines[name].PIDs() {
		if text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.HasPrefix(string(text), "keepgo\x00rs\x00watch") {
			s.do(must(os.FindProcess(pid))(s.t).Signal(os.Interrupt))
		}
	}
}

// serverLine is what a configuration has of a real server, and serverName what
// the status has.
var serverName = regexp.MustCompile(`^\[(.*)\].*?(\d+)$`)
var serverLine = regexp.MustCompile(`(?m)^\s*real_server (\S+) (\d+)`)

// settled waits until lb1 is master and has the servers of its configuration,
// and all are up.
func (s *classroom) settled() {
	s.t.Helper()
	want := map[string]bool{}
	for _, m := range serverLine.FindAllStringSubmatch(s.conf, -1) {
		want[m[1]+" "+m[2]] = true
	}
	if len(want) == 0 {
		return
	}
	s.eventually("the servers of the file are up", func() bool {
		var st status.Status
		p := s.start("lb1", "keepgo status --json")
		if p.Err() != nil || json.Unmarshal([]byte(p.Log()), &st) != nil {
			return false
		}
		have := map[string]bool{}
		for _, v := range st.Services {
			for _, rs := range v.Servers {
				if m := serverName.FindStringSubmatch(rs.Name); m != nil {
					have[m[1]+" "+m[2]] = rs.Up && rs.Weight > 0 && (!s.ipvs || rs.Traffic != nil)
				}
			}
		}
		return maps.Equal(have, want)
	})
	s.eventually("lb1 is master", func() bool { return s.machines["lb1"].Holds(vip4) })
}

// answers waits until clients are answered: the kernel has what the daemon knows.
func (s *classroom) answers() {
	s.t.Helper()
	s.settled()
	s.eventually("clients are answered", func() bool {
		return s.start("client", "keepgo drill traffic 10.0.0.100 --rate 20 --for 100ms").Err() == nil
	})
}

// listings are those that must be ipvsadm's, byte by byte, but for the time a
// connection has left.
var (
	listings = []string{"-Ln", "-Sn", "-Lnc", "-Ln --stats", "-Ln --persistent-conn"}
	timeLeft = regexp.MustCompile(`(?m)^(\w+ +)\d\d:\d\d `)
)

// asIPVSADM compares what keepgo lists with what ipvsadm does.
func (s *classroom) asIPVSADM() {
	s.t.Helper()
	if !s.ipvs {
		return
	}
	var theirs, ours strings.Builder
	for _, args := range listings {
		fmt.Fprintf(&theirs, "ipvsadm %s\n", args)
		fmt.Fprintf(&ours, "keepgo ipvs %s\n", args)
	}
	for try := 0; ; try++ { // a connection may end in between
		want, got := timeLeft.ReplaceAllString(s.run("lb1", theirs.String()), "$1"), timeLeft.ReplaceAllString(s.run("lb1", ours.String()), "$1")
		if want == got {
			return
		}
		if try == 3 {
			s.t.Errorf("keepgo lists\n%s\nand ipvsadm\n%s", got, want)
			return
		}
	}
}

// write puts the configuration where the machines look for it.
func (s *classroom) write() {
	s.t.Helper()
	for _, m := range s.machines {
		s.do(os.WriteFile(filepath.Join(m.dir, "keepalived.conf"), []byte(s.base+s.conf), 0o644))
	}
}

// play runs a block; under each heading something more may be asked.
func (s *classroom) play(b block) {
	s.t.Helper()
	switch b.kind {
	case "text":
	case "conf":
		s.configure(b)
	case "sh":
		if b.words[0] == "client" {
			s.answers()
		}
		for line := range strings.Lines(b.text) {
			for _, name := range b.words {
				s.checked(b.heading, name, strings.TrimSpace(line), s.run(name, strings.TrimSpace(line)))
			}
		}
		if b.words[0] == "client" {
			s.asIPVSADM()
		}
	default:
		s.t.Errorf("under %s stands a block of the kind %q", b.heading, b.kind)
	}
}

// configure takes a piece of configuration: the base, a service behind it, or a
// file of its own.
func (s *classroom) configure(b block) {
	s.t.Helper()
	switch {
	case len(b.words) == 0:
		s.conf = b.text
		if strings.HasPrefix(b.text, "vrrp_instance") { // the second address of both directors
			s.do(os.WriteFile(filepath.Join(s.machines["lb1"].dir, "lb2.conf"), []byte(swapped.Replace(s.base+s.conf)), 0o644))
			s.do(os.WriteFile(filepath.Join(s.machines["lb2"].dir, "lb2.conf"), []byte(swapped.Replace(s.base+s.conf)), 0o644))
		}
	case b.words[0] == "base":
		s.base = b.text
	default:
		s.do(os.WriteFile(filepath.Join(s.machines["lb1"].dir, b.words[0]+".conf"), []byte(b.text), 0o644))
		return
	}
	s.write()
}

// swapped makes lb2's file of lb1's.
var swapped = strings.NewReplacer("priority 100", "priority 90", "priority 90", "priority 100")
