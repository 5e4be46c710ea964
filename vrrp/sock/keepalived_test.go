package sock

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	stdos "os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"keepgo/vrrp"
)

// dialect is a way adverts are sent, as keepalived is told it and as we are.
type dialect struct {
	name   string
	conf   string // lines of the instance
	vip    string
	advert vrrp.Packet
	expect vrrp.Expect
}

func dialects() []dialect {
	const unicast4 = "unicast_src_ip 10.9.0.1\nunicast_peer {\n10.9.0.2\n}\n"
	const unicast6 = "unicast_src_ip fe80::1\nunicast_peer {\nfe80::2\n}\n"
	const password = "authentication {\nauth_type %s\nauth_pass secret12\n}\n"
	pass := [8]byte([]byte("secret12"))
	list := []dialect{
		{name: "version 2", conf: "version 2\n"},
		{name: "version 2 PASS", conf: fmt.Sprintf(password, "PASS"), advert: vrrp.Packet{AuthType: vrrp.AuthPass, Auth: pass}},
		{name: "version 2 AH", conf: fmt.Sprintf(password, "AH"), advert: vrrp.Packet{AuthType: vrrp.AuthAH, Auth: pass}},
		{name: "version 2 AH unicast", conf: unicast4 + fmt.Sprintf(password, "AH"), advert: vrrp.Packet{AuthType: vrrp.AuthAH, Auth: pass}, expect: vrrp.Expect{Unicast: true}},
		{name: "version 3", conf: "version 3\n", advert: vrrp.Packet{Version: 3}},
		{name: "version 3 unicast", conf: "version 3\n" + unicast4, advert: vrrp.Packet{Version: 3}, expect: vrrp.Expect{Unicast: true}},
		{name: "version 3 IPv6", conf: "", vip: "fe80::100", advert: vrrp.Packet{Version: 3}},
		{name: "version 3 IPv6 unicast", conf: unicast6, vip: "fe80::100", advert: vrrp.Packet{Version: 3}, expect: vrrp.Expect{Unicast: true}},
		{name: "version 2 IPv6", conf: "version 2\n", vip: "fe80::100"},
		{name: "version 2 IPv6 unicast", conf: "version 2\n" + unicast6, vip: "fe80::100", expect: vrrp.Expect{Unicast: true}},
	}
	for i := range list {
		list[i].complete()
	}
	return list
}

// complete fills in what most dialects have in common.
func (d *dialect) complete() {
	if d.vip == "" {
		d.vip = "10.9.0.100"
	}
	if d.advert.Version == 0 {
		d.advert.Version = 2
	}
	a, x := &d.advert, &d.expect
	a.VRID, a.Interval = 51, time.Second
	a.Addresses = vrrp.AppendAddress(nil, netip.MustParseAddr(d.vip))
	x.Version, x.Interval, x.Addresses, x.AuthType, x.Auth = a.Version, a.Interval, a.Addresses, a.AuthType, a.Auth
}

// socket is the Conn that h speaks the dialect with.
func (d *dialect) socket(h *host) Config {
	cfg := h.multicast4()
	if strings.Contains(d.vip, ":") {
		cfg = h.multicast6()
	}
	cfg.Unicast = d.expect.Unicast
	cfg.AH = d.advert.AuthType == vrrp.AuthAH
	return cfg
}

// TestKeepalived: what keepalived sends as MASTER is read without a fault, and
// is what we would send, byte for byte; and it gives way to what we send.
func TestKeepalived(t *testing.T) {
	if _, err := exec.LookPath("keepalived"); err != nil {
		t.Skip("needs Debian's keepalived")
	}
	var stages []*stage
	for _, d := range dialects() {
		a, b := wire(t)
		s := &stage{dialect: d}
		s.conn, s.got = b.open(t, d.socket(b))
		s.log = a.keepalived(t, d)
		stages = append(stages, s)
	}
	t.Cleanup(func() { // all at once: each takes a second to end
		for _, s := range stages {
			s.log.cmd.Process.Signal(syscall.SIGTERM)
		}
	})
	for _, s := range stages {
		t.Run(s.name, s.play)
	}
}

// stage is a keepalived and our end of its wire.
type stage struct {
	dialect
	conn *Conn
	got  *inbox
	log  *output
}

func (s *stage) play(t *testing.T) {
	r := receive(t, s.got)
	var c vrrp.Codec
	c.Configure(&s.advert, &s.expect)
	at := arrived(&r)
	p, err := c.Read(time.Now(), at, netip.Addr{})
	if err != nil || p.Priority != 200 {
		t.Fatalf("read %+v: %v", p, c.Explain(err, &p, at))
	}
	sameBytes(t, &s.dialect, &r)
	dst := s.conn.cfg.Group
	if s.expect.Unicast {
		dst = r.Src
	}
	c.Compose(time.Now(), 250, s.conn.cfg.Source)
	must(t, s.conn.Send(c.AppendTo(nil, dst), dst))
	s.log.wait(t, "with higher priority 250, ours 200")
}

func arrived(r *Received) *vrrp.Arrival {
	return &vrrp.Arrival{Src: r.Src, Dst: r.Dst, TTL: r.TTL, Header: r.Header(), Data: r.Data()}
}

// sameBytes checks that our advert in keepalived's place is the same. Its
// sequence number and the IP header's identification both begin with 1.
func sameBytes(t *testing.T, d *dialect, r *Received) {
	t.Helper()
	var c vrrp.Codec
	c.Configure(&d.advert, &d.expect)
	c.Compose(time.Now(), 200, r.Src)
	want := r.Data()
	if d.advert.AuthType == vrrp.AuthAH {
		want = append(bytes.Clone(r.Header()), want...)
	}
	if ours := c.AppendTo(nil, r.Dst); !bytes.Equal(ours, want) {
		t.Errorf("we send\n% x, keepalived\n% x", ours, want)
	}
}

// output is what a program says.
type output struct {
	cmd   *exec.Cmd
	lines chan string
}

// keepalived runs keepalived as MASTER with priority 200 until the test ends.
func (h *host) keepalived(t *testing.T, d dialect) *output {
	t.Helper()
	must(t, netns.Set(h.ns))
	dir := t.TempDir()
	name := func(s string) string { return filepath.Join(dir, s) }
	conf := "global_defs {\nrouter_id a\nscript_user root\n}\nvrrp_instance V {\nstate MASTER\ninterface " + h.link +
		"\nvirtual_router_id 51\npriority 200\nadvert_int 1\n" + d.conf + "virtual_ipaddress {\n" + d.vip + "\n}\n}\n"
	must(t, stdos.WriteFile(name("conf"), []byte(conf), 0o600))
	cmd := exec.Command("keepalived", "-n", "-l", "-D", "-P", "-f", name("conf"), "-p", name("pid"), "-r", name("vrrp.pid"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StderrPipe()
	must(t, err)
	cmd.Stdout = cmd.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	out := &output{cmd, make(chan string, 1000)}
	go func() {
		defer close(out.lines)
		for s := bufio.NewScanner(pipe); s.Scan(); {
			out.lines <- s.Text()
		}
	}()
	return out
}

// wait waits for a line with text in it.
func (o *output) wait(t *testing.T, text string) {
	t.Helper()
	var seen []string
	for deadline := time.After(10 * time.Second); ; {
		select {
		case line, ok := <-o.lines:
			seen = append(seen, line)
			if strings.Contains(line, text) {
				return
			}
			if !ok {
				t.Fatalf("keepalived ended without %q:\n%s", text, strings.Join(seen, "\n"))
			}
		case <-deadline:
			t.Fatalf("keepalived does not say %q:\n%s", text, strings.Join(seen, "\n"))
		}
	}
}
