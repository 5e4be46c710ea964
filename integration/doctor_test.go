package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/internal/doctor"
)

// examine runs the doctor on a director.
func (d *director) examine(more ...string) (r doctor.Report, code int) {
	d.w.t.Helper()
	var out []byte
	d.w.do(d.Do(func() error {
		argv := append([]string{"doctor", "--json", "--control", d.socket}, more...)
		cmd := exec.Command(keepgo, append(argv, d.conf)...)
		var err error
		out, err = cmd.Output()
		code = cmd.ProcessState.ExitCode()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && code < 3 {
			err = nil
		}
		return err
	}))
	if err := json.Unmarshal(out, &r); err != nil {
		d.w.t.Fatalf("doctor on %s: %v\n%s", d.Name, err, out)
	}
	return r, code
}

// findings are a report's faults and warnings, a line each.
func findings(r doctor.Report) string {
	var b strings.Builder
	for _, s := range r.Steps {
		for _, f := range s.Findings {
			if f.Severity == doctor.Fault || f.Severity == doctor.Warning {
				fmt.Fprintf(&b, "%s %s: %s (%s)\n", s.Name, f.Severity, f.What, f.Evidence)
			}
		}
	}
	return b.String()
}

// healthy waits until nothing is found on a director.
func (d *director) healthy() {
	d.w.t.Helper()
	last := ""
	defer func() {
		if d.w.t.Failed() {
			d.w.t.Logf("last found on %s:\n%s", d.Name, last)
		}
	}()
	d.w.eventually("nothing is found on "+d.Name, func() bool {
		r, code := d.examine()
		last = findings(r)
		return last == "" && code == 0
	})
}

// plant is a fault, and how it is named.
type plant struct {
	name  string
	on    *director
	make  func()
	undo  func()
	wants string // step and part of the finding
	code  int
}

// found plants faults one by one, and each must be found.
func (w *world) found(plants []plant) {
	for _, p := range plants {
		w.t.Run(p.name, func(t *testing.T) {
			outer := w.t
			w.t = t
			defer func() { w.t = outer }()
			p.make()
			last := ""
			defer func() {
				if t.Failed() {
					t.Logf("last found on %s:\n%s", p.on.Name, last)
				}
			}()
			step, text, _ := strings.Cut(p.wants, ": ")
			w.eventually(p.wants, func() bool {
				r, code := p.on.examine()
				last = findings(r)
				for line := range strings.Lines(last) {
					if strings.HasPrefix(line, step+" ") && strings.Contains(line, text) && code == p.code {
						return true
					}
				}
				return false
			})
			if p.undo != nil {
				p.undo()
				p.on.healthy()
			}
		})
	}
}

func (f *course) startBoth() {
	f.t.Helper()
	f.a.start()
	f.eventually("a is master", func() bool { return f.a.state() == "MASTER" })
	f.b.start()
	f.eventually("b is backup", func() bool { return f.b.state() == "BACKUP" })
}

// run runs a command on a host.
func (d *director) run(argv ...string) func() {
	return func() { d.w.t.Helper(); say(d.w.t, d.Host, argv...) }
}

func TestDoctorFindsFaults(t *testing.T) {
	t.Parallel()
	f := newCourse(t, "nftables", forwardings[0])
	f.configure()
	f.startBoth()
	f.a.healthy()
	f.b.healthy()
	one := f.servers[1]
	var listener net.Listener
	conf := must(os.ReadFile(f.b.conf))(t)
	began := time.Now().Add(-time.Hour)
	age := func(d *director, at time.Time) func() { return func() { f.do(os.Chtimes(d.conf, at, at)) } }
	age(f.a, began)()
	age(f.b, began)()
	stray := filepath.Join(f.lab.Dir, "ucarp")
	f.do(os.WriteFile(stray, must(os.ReadFile("/bin/sleep"))(t), 0o755))
	var other interface{ Signal(os.Signal) error }
	const drop = "table inet fw {\n chain in {\n type filter hook input priority 0\n ip protocol 112 drop\n }\n}\n"
	rules := filepath.Join(f.lab.Dir, "fw.nft")
	f.do(os.WriteFile(rules, []byte(drop), 0o644))
	f.found([]plant{
		{"a server answers ARP", f.b, func() { f.do(one.host.Sysctl("net/ipv4/conf/all/arp_ignore", "0")) },
			func() { f.do(one.host.Sysctl("net/ipv4/conf/all/arp_ignore", "1")) }, "arp: also by " + one.host.MAC(lanLink).String() + " (real server 10.0.0.21)", 2},
		{"a server has not the address", f.a, func() { f.do(one.host.DelAddr("lo", netip.PrefixFrom(vip4, 32))) },
			func() { f.do(one.host.AddAddr("lo", netip.PrefixFrom(vip4, 32))) }, "servers: 10.0.0.21 of [10.0.0.100]:tcp:80 does not take packets for 10.0.0.100", 2},
		{"a server's cable is out", f.a, func() { f.do(one.host.Cable(lanLink, false)) },
			func() { f.do(one.host.Cable(lanLink, true)) }, "servers: 10.0.0.21 of [10.0.0.100]:tcp:80 does not answer on its network", 2},
		{"the address stands on the backup's lo", f.b, func() { f.do(f.b.AddAddr("lo", netip.PrefixFrom(vip4, 32))) },
			func() { f.do(f.b.DelAddr("lo", netip.PrefixFrom(vip4, 32))) }, "addresses: the virtual address 10.0.0.100 stands on lo too", 2},
		{"adverts are dropped", f.b, f.b.run("nft", "-f", rules), f.b.run("nft", "delete", "table", "inet", "fw"), "firewall: VRRP from 10.0.0.1 on eth0 is dropped", 2},
		{"the master answers no ARP", f.a, func() { f.do(f.a.Sysctl("net/ipv4/conf/all/arp_ignore", "8")) },
			func() { f.do(f.a.Sysctl("net/ipv4/conf/all/arp_ignore", "0")) }, "kernel: this machine answers no ARP", 2},
		{"a program binds to the address", f.a, func() { listener = must(f.a.Listen("tcp", vip4.String()+":8080"))(t) },
			func() { listener.Close() }, "kernel: listens at the virtual address 10.0.0.100:8080", 1},
		{"another program moves addresses", f.b, func() { other = must(f.b.Start(stray, "600"))(t) },
			func() { f.do(other.Signal(syscall.SIGKILL)) }, "competitors: ucarp: it moves addresses", 1},
		{"the file changed", f.b, age(f.b, time.Now().Add(time.Hour)), age(f.b, began), "daemon: the file changed since the daemon read it", 1},
		{"the file is wrong", f.b, func() { f.b.configure(string(conf) + "nonsense on\n"); age(f.b, began)() },
			func() { f.b.configure(string(conf)); age(f.b, began)() }, "configuration: unknown keyword 'nonsense'", 2},
		{"a director is dead", f.b, f.b.stop, nil, "daemon: no keepgo runs", 2},
	})
}

func TestDoctorFindsFaultsOfNAT(t *testing.T) {
	t.Parallel()
	f := newCourse(t, "nftables", forwardings[1])
	f.configure()
	f.startBoth()
	f.a.healthy()
	f.b.healthy()
	one := f.servers[1].host
	f.found([]plant{
		{"nothing is forwarded", f.a, func() { f.do(f.a.Sysctl("net/ipv4/ip_forward", "0")) },
			func() { f.do(f.a.Sysctl("net/ipv4/ip_forward", "1")) }, "kernel: does not forward packets, which NAT needs", 2},
		{"a server answers another way", f.a, func() { f.do(one.DefaultRoute(netip.MustParseAddr("10.1.0.2"))) },
			func() { f.do(one.DefaultRoute(netip.MustParseAddr(gateway))) }, "servers: the answers of 10.1.0.21 of [10.0.0.100]:tcp:80 to clients do not come back", 2},
		{"a server is dead", f.a, func() { f.servers[1].srv.Close() }, nil, "servers: the server [10.1.0.21]:tcp:80 of [10.0.0.100]:tcp:80 is down (connection refused)", 2},
	})
}

func TestToolsDoctor(t *testing.T) {
	needsIPVS(t)
	f := newCourse(t, "ipvs", forwardings[0])
	f.configure("lvs_repair off")
	f.startBoth()
	f.a.healthy()
	f.b.healthy()
	f.found([]plant{
		{"a server is gone from the table", f.a, f.a.run("ipvsadm", "-d", "-t", "10.0.0.100:80", "-r", "10.0.0.21:80"),
			f.a.run("ipvsadm", "-a", "-t", "10.0.0.100:80", "-r", "10.0.0.21:80", "-g", "-w", "1"), "table: [10.0.0.21]:tcp:80 is missing", 2},
		{"a server has another weight", f.a, f.a.run("ipvsadm", "-e", "-t", "10.0.0.100:80", "-r", "10.0.0.21:80", "-g", "-w", "7"),
			f.a.run("ipvsadm", "-e", "-t", "10.0.0.100:80", "-r", "10.0.0.21:80", "-g", "-w", "1"), "table: [10.0.0.21]:tcp:80 has weight 7, wanted 1", 2},
		{"another scheduler", f.a, f.a.run("ipvsadm", "-E", "-t", "10.0.0.100:80", "-s", "rr"),
			f.a.run("ipvsadm", "-E", "-t", "10.0.0.100:80", "-s", "wrr"), "table: scheduler rr, wanted wrr", 2},
		{"a service of nobody", f.a, f.a.run("ipvsadm", "-A", "-t", "10.0.0.100:81", "-s", "rr"),
			f.a.run("ipvsadm", "-D", "-t", "10.0.0.100:81"), "table: services stand in the kernel that the file does not have ([10.0.0.100]:tcp:81)", 1},
		{"the table is empty", f.a, f.a.run("ipvsadm", "-C"), nil, "table: the service [10.0.0.100]:tcp:80 is missing in the kernel", 2},
	})
}
