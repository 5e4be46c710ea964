package integration

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"keepgo/internal/guest"
	"keepgo/internal/netlab"
)

// stream is a transfer through the virtual address that never ends by itself.
type stream struct {
	bytes atomic.Int64
	ended atomic.Bool
}

// pour opens a transfer from a server behind the first director.
func (f *course) pour() *stream {
	f.t.Helper()
	ln := must(f.servers[1].host.Listen("tcp", ":90"))(f.t)
	f.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for range tick.C {
					if _, err := c.Write(make([]byte, 1400)); err != nil {
						return
					}
				}
			}()
		}
	}()
	var c net.Conn
	f.eventually("a transfer begins", func() (ok bool) {
		var err error
		c, err = f.client.Dial(f.t.Context(), "tcp", vip4.String()+":90")
		return err == nil
	})
	f.t.Cleanup(func() { c.Close() })
	s := &stream{}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			s.bytes.Add(int64(n))
			if err != nil {
				s.ended.Store(true)
				return
			}
		}
	}()
	return s
}

// flows fails the test if nothing comes any more.
func (s *stream) flows(w *world, after string) {
	w.t.Helper()
	before := s.bytes.Load()
	w.eventually("the transfer goes on after "+after, func() bool { return s.ended.Load() || s.bytes.Load() > before+20*1400 })
	if s.ended.Load() {
		w.t.Fatalf("after %s the transfer has ended", after)
	}
}

// condition is what makes a death harder.
type condition struct {
	name   string
	wire   wire
	global string
	flags  []string
	away   bool // the services are in another namespace than the wires
}

var conditions = []condition{
	{name: "VMAC", wire: wire{version: 3, vmac: true}},
	{name: "AH", wire: wire{version: 2, auth: "AH"}},
	{name: "net_namespace", wire: wire{version: 2}, flags: []string{"-s", "here"}},
	{name: "net_namespace_ipvs", wire: wire{version: 2}, global: "net_namespace_ipvs farm", away: true},
}

// TestDeaths: under harder conditions the processes of a master die one after
// the other, and its program is replaced: the partner notices nothing, no
// transfer breaks, and orders hold on.
func TestDeaths(t *testing.T) {
	needsTime(t)
	t.Parallel()
	for _, c := range conditions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.play(newCourse(t, "nftables", forwardings[1]))
		})
	}
}

// TestIPVSDeaths does it with IPVS, without the partner and without the death of
// the parent: in a guest a process takes seconds to start.
func TestIPVSDeaths(t *testing.T) {
	needsIPVS(t)
	conditions[0].play(newCourse(t, "ipvs", forwardings[1]))
}

func (c *condition) play(f *course) {
	f.configured(c)
	home := f.mounts(f.a)
	starts := func(d *director, names *netlab.Process) {
		d.startIn(names, c.flags...)
	}
	begin := time.Now()
	starts(f.a, home)
	paired := !guest.Inside()
	if paired {
		f.b.startIn(f.mounts(f.b), c.flags...)
	}
	f.asked(c.wire.router())
	f.takesOver(f.a, c.wire.router(), begin)
	f.a.tells("10.1.0.22", "status")
	must(f.a.ask("rs", "drain", "10.1.0.22"))(f.t)
	flows := func(string) {}
	if !c.away {
		s := f.pour()
		flows = func(after string) { s.flows(f.world, after) }
	}
	deaths := []struct {
		name   string
		strike func()
	}{
		{"the death of the VRRP process", func() { f.a.loses(1) }},
		{"the death of the LVS process", func() { f.a.loses(2) }},
		{"an upgrade", func() { f.a.upgrades() }},
		{"the death of the parent", func() {
			f.do(f.a.proc.Signal(syscall.SIGKILL))
			<-f.a.proc.Done()
			starts(f.a, home)
			f.a.logs("Taking over from VRRP child process")
		}},
	}
	if !paired {
		deaths = deaths[:3]
	}
	for _, blow := range deaths {
		since := time.Now()
		blow.strike()
		f.a.tells("by order: drain", "status")
		f.moreAdverts(f.a, 3)
		if paired {
			f.unshaken(f.a, c.wire.interval(), since)
		}
		if flows(blow.name); f.t.Failed() {
			f.t.Fatalf("after %s", blow.name)
		}
	}
	if paired {
		f.outlives(c, home, starts)
	}
}

// outlives hands the address over by order, which holds on when the parent dies.
func (f *course) outlives(c *condition, home *netlab.Process, starts func(*director, *netlab.Process)) {
	f.t.Helper()
	since := time.Now()
	must(f.a.ask("switchover", f.a.status().Instances[0].Name))(f.t)
	f.takesOver(f.b, c.wire.router(), since)
	f.do(f.a.proc.Signal(syscall.SIGKILL))
	<-f.a.proc.Done()
	since = time.Now()
	starts(f.a, home)
	f.a.tells("switchover", "status")
	f.moreAdverts(f.b, 5)
	f.unshaken(f.b, c.wire.interval(), since)
	for _, d := range []*director{f.a, f.b} {
		f.do(d.proc.Signal(syscall.SIGTERM))
		f.eventually(d.Name+" ends", func() bool { return isClosed(d.proc.Done()) })
	}
}

// configured writes both files: the services of the course, and one for the
// transfer.
func (f *course) configured(c *condition) {
	f.t.Helper()
	for d, conf := range map[*director]conf{f.a: confA(c.wire), f.b: confB(c.wire)} {
		conf.instance = "virtual_ipaddress_excluded {\n" + gateway + "/24 dev eth1\n}"
		conf.global = "lvs_data_plane " + f.plane + "\n" + c.global
		conf.after = fmt.Sprintf("virtual_server %[1]s 90 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nreal_server 10.1.0.21 90 {\n}\n}\n"+
			"virtual_server %[1]s 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nreal_server 10.1.0.22 80 {\nTCP_CHECK {\n}\n}\n}\n", vip4)
		d.configure(conf.String())
	}
}

// mounts makes names of namespaces that only a director's processes see: here is
// its own.
func (f *course) mounts(d *director) *netlab.Process {
	f.t.Helper()
	done := filepath.Join(f.lab.Dir, d.Name+".mounted")
	p := must(d.Start("unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && mkdir /run/netns && touch /run/netns/here && "+
		"mount --bind /proc/self/ns/net /run/netns/here && ip netns add farm && ip -n farm link set lo up && touch "+done+" && exec sleep 1000"))(f.t)
	f.eventually("the namespaces have names", func() bool { return exists(done) })
	return p
}

// startIn starts the daemon where a process sees its names.
func (d *director) startIn(names *netlab.Process, more ...string) {
	d.w.t.Helper()
	argv := []string{"nsenter", "-m", "-t", fmt.Sprint(names.PID()), keepgo, "run", "--control", d.socket, "-n", "-l", "-G", "-D", "-f", d.conf}
	for i, opt := range []string{"-p", "-r", "-c", "-b"} {
		argv = append(argv, opt, d.pidFiles()[i])
	}
	d.proc = must(d.Start(append(argv, more...)...))(d.w.t)
}

// upgrades has the program replaced, by itself.
func (d *director) upgrades() {
	d.w.t.Helper()
	old := d.pidOf(1)
	d.w.eventually(d.Name+" is upgraded", func() bool {
		out, err := d.ask("upgrade")
		return err == nil && strings.Contains(out, " is now ")
	})
	d.w.eventually("the VRRP process is another", func() bool { pid := d.pidOf(1); return pid != 0 && pid != old })
}
