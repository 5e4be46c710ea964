package integration

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

// crowd is a file of which n addresses of the network 10.N.0.0 stand beside those
// of another, which no state takes away; for -1 there is nothing of VRRP in it.
func crowd(network, n int) string {
	if n < 0 {
		return refused
	}
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "10.%d.%d.%d/32\n", network, i/200, i%200+1)
	}
	return "static_ipaddress {\n10.8.0.1/32 dev eth0\n}\nvrrp_instance VI_1 {\ninterface eth0\nversion 3\nvirtual_router_id 51\npriority 255\nadvert_int 0.1\n" +
		"virtual_ipaddress {\n10.0.0.100/24\n}\nvirtual_ipaddress_excluded {\n" + b.String() + "}\n}\n"
}

// doomed is a director alone whose interface has many addresses that the next file
// does not place.
type doomed struct {
	*director
	events <-chan netlab.AddrEvent
}

// reads has the parent read a file, and waits until it does.
func (d *doomed) reads(text string) {
	d.w.t.Helper()
	n := strings.Count(d.proc.Log(), "Reloading")
	d.replaces(text)
	d.reload()
	d.w.eventually("it reads the file", func() bool { return strings.Count(d.proc.Log(), "Reloading") > n })
}

// sees waits for the first address that goes: many follow.
func (d *doomed) sees() {
	d.w.t.Helper()
	for limit := time.After(patience); ; {
		select {
		case e := <-d.events:
			if !e.Added {
				return
			}
		case <-limit:
			d.w.t.Fatal("no address goes")
		}
	}
}

// dies kills the VRRP process (1) or that of LVS (2), and waits until the parent has
// noticed.
func (d *doomed) dies(i int) {
	d.w.t.Helper()
	deaths := func() int { return strings.Count(d.proc.Log(), "died: signal: killed; respawning") }
	before := deaths()
	d.w.eventually("the process is there", func() bool { return slices.Contains(d.PIDs(), d.pidOf(i)) })
	d.bereft(i)
	d.w.eventually("the parent notices", func() bool { return deaths() > before })
}

// TestDeathsOverAReload: at whatever instant of a reload a process is killed, what
// the file before placed goes, and what this one places stands.
func TestDeathsOverAReload(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived leaves the addresses")
	const many = 1200
	for name, c := range map[string]struct {
		last   int // addresses of the last file
		strike func(d *doomed)
	}{
		"before the plan is told": {1, func(d *doomed) {
			d.pause()
			d.reads(crowd(2, 1))
			d.dies(1)
		}},
		"half of it done": {1, func(d *doomed) {
			d.reads(crowd(2, 1))
			d.sees()
			d.dies(1)
		}},
		"half of it done, and told of more": {1, func(d *doomed) {
			d.pause()
			d.reads(crowd(3, 1))
			d.reads(crowd(2, 1))
			d.w.do(syscall.Kill(d.pidOf(1), syscall.SIGCONT))
			d.sees()
			d.dies(1)
		}},
		"for the second time": {1, func(d *doomed) {
			d.loses(1)
			d.reads(crowd(2, 1))
			d.sees()
			d.dies(1)
		}},
		"half of the end done": {-1, func(d *doomed) {
			d.reads(crowd(2, -1))
			d.sees()
			d.bereft(1) // it ends by itself soon, on a busy machine perhaps before
		}},
		"the parent, before it told the plan": {1, func(d *doomed) {
			d.replaces(crowd(2, 1))
			d.w.do(d.proc.Signal(syscall.SIGKILL))
			<-d.proc.Done()
			d.begins()
		}},
		"the parent, half of it done": {1, func(d *doomed) {
			d.reads(crowd(2, 1))
			d.sees()
			d.w.do(d.proc.Signal(syscall.SIGKILL))
			<-d.proc.Done()
			d.begins()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ours, ours)
			d := &doomed{director: w.a}
			d.configure(crowd(1, many))
			d.start()
			w.eventually("all addresses stand", func() bool { return len(d.placed()) == many+2 })
			d.logs("Startup complete")
			d.events = must(d.AddrEvents())(t)
			c.strike(d)
			want := []string{}
			if c.last > 0 {
				want = []string{"10.0.0.100/24", "10.2.0.1/32", "10.8.0.1/32"}
			}
			var got []string
			if !netlab.Until(patience, func() bool {
				got = d.placed()
				return got != nil && slices.Equal(got, want)
			}) {
				t.Errorf("%d stand: %.300q; want %q; the log ends with\n%s", len(got), got, want, d.proc.LogTail(20))
			}
			d.stop()
			if got := d.placed(); len(got) > 0 {
				t.Errorf("the stop leaves %.300q", got)
			}
		})
	}
}

// TestDeathsAtTheEnd: a VRRP process that dies before it is told of the end, or amid
// it, leaves nothing either: another takes that away, unless it is to stay.
func TestDeathsAtTheEnd(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived leaves the addresses")
	const many = 1200
	for name, c := range map[string]struct {
		more         []string // of the command line
		left         int
		before, amid func(d *doomed)
	}{
		"just before":                     {before: func(d *doomed) { d.bereft(1) }},
		"just before, and all is to stay": {more: []string{"-V"}, left: many + 2, before: func(d *doomed) { d.bereft(1) }},
		"while it waits for its restart": {before: func(d *doomed) {
			d.dies(1)
			d.tells("MASTER", "status")
			d.dies(1)
		}},
		"in the midst of it": {amid: func(d *doomed) {
			d.sees()
			d.bereft(1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ours, ours)
			d := &doomed{director: w.a}
			d.configure(crowd(1, many))
			d.start(c.more...)
			w.eventually("all addresses stand", func() bool { return len(d.placed()) == many+2 })
			d.logs("Startup complete")
			d.events = must(d.AddrEvents())(t)
			if c.before != nil {
				c.before(d)
			}
			w.do(d.proc.Signal(syscall.SIGTERM))
			if c.amid != nil {
				c.amid(d)
			}
			w.eventually("it ends", func() bool { return isClosed(d.proc.Done()) })
			if got := d.placed(); len(got) != c.left {
				t.Errorf("%d stand: %.300q; want %d; the log ends with\n%s", len(got), got, c.left, d.proc.LogTail(20))
			}
		})
	}
}

// TestLVSDeathAtTheEnd: an LVS process that died, and waits for its restart at the
// end, leaves no services.
func TestLVSDeathAtTheEnd(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived leaves the services")
	d := &doomed{director: newWorld(t, ours, ours).a}
	d.configure("global_defs {\nlvs_data_plane nftables\n}\n" + lone + "virtual_server 10.0.0.100 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nreal_server 10.0.0.9 80 {\n}\n}\n")
	tables := func() string { return say(t, d.Host, "nft", "list", "ruleset") }
	d.start()
	d.w.eventually("the service stands", func() bool { return strings.Contains(tables(), "10.0.0.100") })
	d.logs("Startup complete")
	d.dies(2)
	d.dies(2)
	d.w.do(d.proc.Signal(syscall.SIGTERM))
	d.w.eventually("it ends", func() bool { return isClosed(d.proc.Done()) })
	if got := tables(); got != "" {
		t.Errorf("stands:\n%s; the log ends with\n%s", got, d.proc.LogTail(20))
	}
}

// placed are the addresses on a director's interface that are not its own; nil while
// they change under the eyes of who reads them.
func (d *doomed) placed() (list []string) {
	all, err := d.Addrs(lanLink)
	if err != nil {
		return nil
	}
	list = []string{}
	for _, p := range all {
		if a := p.Addr(); a.Is4() && a != hostAddr(0, false, 1) {
			list = append(list, p.String())
		}
	}
	slices.Sort(list)
	return list
}

// TestIPVSDeathOverAReload: an LVS process that dies while it takes out hundreds of
// services leaves none of them.
func TestIPVSDeathOverAReload(t *testing.T) {
	needsIPVS(t)
	const many = 600
	services := func(first, n int) string {
		var b strings.Builder
		for port := first; port < first+n; port++ {
			fmt.Fprintf(&b, "virtual_server 10.0.0.100 %d {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nreal_server 10.0.0.9 80 {\n}\n}\n", port)
		}
		return lone + b.String()
	}
	d := newWorld(t, ours, ours).a
	stand := func() int { return strings.Count(say(t, d.Host, "ipvsadm", "-Sn"), "-A ") }
	d.configure(services(1000, many))
	d.start()
	d.w.eventually("all services stand", func() bool { return stand() == many })
	d.logs("Startup complete")
	d.replaces(services(80, 1))
	pid := d.pidOf(2)
	d.w.do(d.Do(func() error {
		d.reload()
		return errors.Join(servicesGo(many), syscall.Kill(pid, syscall.SIGKILL))
	}))
	d.logs("died: signal: killed")
	d.w.eventually("only that of the file stands", func() bool { return stand() == 1 })
	d.stop()
}

// servicesGo returns at the first moment when there are fewer services in the kernel
// than n: hundreds go within milliseconds.
func servicesGo(n int) error {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		b, err := os.ReadFile("/proc/thread-self/net/ip_vs")
		if err != nil {
			return err
		}
		if strings.Count(string(b), "\nTCP ") < n {
			return nil
		}
	}
	return fmt.Errorf("all services stand after %v", patience)
}
