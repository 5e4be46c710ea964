package notify

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"keepgo/confparse"
	"keepgo/internal/netlab"
	"keepgo/internal/netlab/testns"
)

const oracleConf = `global_defs {
 router_id R1
 notify_fifo %[1]s/fifo
 smtp_server 127.0.0.1 2525
 notification_email { ops@example.com }
 notification_email_from k@example.com
 smtp_helo_name helo.example
 smtp_alert
 vrrp_notify_priority_changes on
}
track_file tf { file %[1]s/track weight 1 }
vrrp_sync_group G { group { VI_1 } }
vrrp_instance VI_1 { interface eth0
 virtual_router_id 5
 priority 100
 virtual_ipaddress { 10.9.9.1/24 }
}
`

const oracleSecond = `vrrp_instance VI_2 { interface eth0
 virtual_router_id 6
 priority 90
 virtual_ipaddress { 10.9.9.2/24 }
 track_file { tf }
 notify %[1]s/script
}
`

// oracle is keepalived in a namespace, with the mail server it writes to and a
// neighbour.
type oracle struct {
	t         *testing.T
	dir       string
	a, b      *netlab.Host
	mails     *server
	fifo      *reader
	text      string // what came through the FIFO
	keepalive *netlab.Process
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	program, err := exec.LookPath("keepalived")
	if err != nil {
		t.Skip("needs keepalived")
	}
	if version, _ := exec.Command(program, "--version").CombinedOutput(); !strings.Contains(string(version), "Keepalived v2.2.7") {
		t.Skip("needs keepalived 2.2.7")
	}
	o := &oracle{t: t, dir: t.TempDir()}
	lab := testns.Lab(t)
	sw, err := lab.Switch("lan")
	o.must(err)
	o.a, err = lab.Host("a")
	o.must(err)
	o.b, err = lab.Host("b")
	o.must(err)
	o.must(o.a.Attach("eth0", sw, netip.MustParsePrefix("10.9.9.100/24")))
	o.must(o.b.Attach("eth0", sw, netip.MustParsePrefix("10.9.9.101/24")))
	ln, err := o.a.Listen("tcp", "127.0.0.1:2525")
	o.must(err)
	o.mails = serve(t, &server{greeting: "220 x", listener: ln})
	o.track("0")
	o.must(os.WriteFile(o.dir+"/script", []byte("#!/bin/sh\necho $* >> "+o.dir+"/scripts\n"), 0o755))
	o.configure(true)
	o.must(unix.Mkfifo(o.dir+"/fifo", 0o600))
	fd, err := unix.Open(o.dir+"/fifo", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	o.must(err)
	o.fifo = &reader{fd}
	t.Cleanup(o.fifo.close)
	o.keepalive, err = o.a.Start(program, "--dont-fork", "--vrrp", "--log-console", "--no-syslog", "--use-file="+o.dir+"/conf",
		"--pid="+filepath.Join(o.dir, "pid"), "--vrrp_pid="+filepath.Join(o.dir, "vrrp.pid"))
	o.must(err)
	return o
}

func (o *oracle) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *oracle) track(value string) {
	o.must(os.WriteFile(o.dir+"/track", []byte(value), 0o600))
}

func (o *oracle) configure(both bool) {
	conf := fmt.Sprintf(oracleConf, o.dir)
	if both {
		conf += fmt.Sprintf(oracleSecond, o.dir)
	}
	o.must(os.WriteFile(o.dir+"/conf", []byte(conf), 0o600))
}

// expect waits for the lines of the edges.
func (o *oracle) expect(edges ...Edge) {
	o.t.Helper()
	buf := make([]byte, 4096)
	for _, e := range edges {
		until(o.t, Line(e)+o.keepalive.LogTail(5), func() bool {
			if n, err := unix.Read(o.fifo.fd, buf); err == nil {
				o.text += string(buf[:n])
			}
			return slices.Contains(strings.SplitAfter(o.text, "\n"), Line(e))
		})
	}
}

// lowerAdvert is one of priority 1 from the neighbour (RFC 3768, 5.1).
func (o *oracle) lowerAdvert(vrid byte, vip netip.Addr) {
	m := append([]byte{0x21, vrid, 1, 1, 0, 1, 0, 0}, vip.AsSlice()...)
	m = append(m, make([]byte, 8)...)
	var sum uint32
	for i := 0; i < len(m); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(m[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(m[6:], ^uint16(sum>>16+sum))
	o.must(o.b.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 112)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		source := &unix.IPMreqn{Address: [4]byte{10, 9, 9, 101}}
		if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, source); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 255); err != nil {
			return err
		}
		return unix.Sendto(fd, m, 0, &unix.SockaddrInet4{Addr: [4]byte{224, 0, 0, 18}})
	}))
}

// What keepalived 2.2.7 writes and mails through a life with everything in it is
// what is written and mailed here.
func TestSameAsKeepalived(t *testing.T) {
	o := newOracle(t)
	one := func(state string) Edge { return Edge{Kind: "INSTANCE", Name: "VI_1", State: state, Priority: 100} }
	two := func(state string, priority int) Edge {
		return Edge{Kind: "INSTANCE", Name: "VI_2", State: state, Priority: priority}
	}
	group := func(state string) Edge { return Edge{Kind: "GROUP", Name: "G", State: state, Priority: 0} }
	var edges []Edge
	expect := func(more ...Edge) {
		t.Helper()
		o.expect(more...)
		edges = append(edges, more...)
	}
	expect(group("BACKUP"), one("BACKUP"), two("BACKUP", 90))
	expect(group("MASTER"), one("MASTER"), two("MASTER", 90))
	o.track("7")
	expect(two("MASTER_PRIORITY", 97))
	o.lowerAdvert(6, netip.MustParseAddr("10.9.9.2"))
	expect(two("MASTER_RX_LOWER_PRI", 97))
	o.must(o.a.SetLink("eth0", false))
	expect(group("FAULT"), one("FAULT"), two("FAULT", 97))
	o.must(o.a.SetLink("eth0", true))
	expect(two("BACKUP", 97))
	o.track("3")
	expect(two("BACKUP_PRIORITY", 93))
	expect(two("MASTER", 93))
	o.configure(false)
	o.must(o.keepalive.Signal(unix.SIGHUP))
	expect(two("FAULT", 93))
	o.must(o.keepalive.Signal(unix.SIGTERM))
	expect(one("STOP"), group("STOP"))
	<-o.keepalive.Done()

	for _, line := range strings.SplitAfter(o.text, "\n") {
		if line != "" && !slices.ContainsFunc(edges, func(e Edge) bool { return Line(e) == line }) {
			t.Errorf("keepalived alone writes %q", line)
		}
	}
	o.sameMails(edges)
	o.sameScripts(edges)
}

// sameScripts compares the runs of a script for every state.
func (o *oracle) sameScripts(edges []Edge) {
	want, seen := map[string]bool{}, map[string]bool{}
	n := confparse.Notify{Any: &confparse.Command{}}
	for _, e := range edges {
		for _, c := range Scripts(n, e) {
			if e.Name == "VI_2" {
				want[strings.Join(c.Args, " ")] = true
			}
		}
	}
	text, err := os.ReadFile(o.dir + "/scripts")
	o.must(err)
	for line := range strings.Lines(string(text)) {
		seen[strings.TrimSpace(line)] = true
	}
	if diff := cmp.Diff(seen, want); diff != "" {
		o.t.Errorf("scripts of keepalived (-) and ours (+):\n%s", diff)
	}
}

// sameMails compares the mails about edges; keepalived ends before it sends
// those about its stop.
func (o *oracle) sameMails(edges []Edge) {
	want, seen := map[string]bool{}, map[string]bool{}
	for _, e := range edges {
		if subject, body, ok := mailText(e); ok && e.State != "STOP" {
			want["[R1] "+subject+"\n"+body] = true
		}
	}
	for _, mail := range o.mails.got() {
		head, body, _ := strings.Cut(strings.ReplaceAll(mail, "\r\n", "\n"), "\n\n")
		_, subject, _ := strings.Cut(head, "Subject: ")
		subject, _, _ = strings.Cut(subject, "\n")
		got := subject + "\n" + strings.TrimRight(body, "\n")
		seen[got] = true
	}
	if diff := cmp.Diff(seen, want); diff != "" {
		o.t.Errorf("mails of keepalived (-) and ours (+):\n%s", diff)
	}
}
