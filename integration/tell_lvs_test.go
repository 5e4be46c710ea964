package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// postbox takes every mail at a port inside a host.
type postbox struct {
	mu    sync.Mutex
	mails []string // subject and body
}

// postbox opens one on the loopback interface of a director.
func (w *world) postbox(d *director, port int) *postbox {
	w.t.Helper()
	ln := must(d.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)))(w.t)
	w.t.Cleanup(func() { ln.Close() })
	p := &postbox{}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go p.take(conn)
		}
	}()
	return p
}

// take has one conversation of RFC 5321.
func (p *postbox) take(conn net.Conn) {
	defer conn.Close()
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 postbox")
	in := bufio.NewScanner(conn)
	for in.Scan() {
		switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
		case "DATA":
			say("354 go on")
			p.keep(in)
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 well")
		}
	}
}

func (p *postbox) keep(in *bufio.Scanner) {
	var mail string
	for in.Scan() && in.Text() != "." {
		if subject, ok := strings.CutPrefix(in.Text(), "Subject: "); ok {
			mail = subject + " "
		}
		if strings.HasPrefix(in.Text(), "=>") {
			mail += in.Text()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, mail)
}

func (p *postbox) got() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

// What people and programs are told of a server and its service that go and
// come: lines with their NUL, scripts, mails and the log.
func TestTellsOfServers(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's checkers do not start without IPVS")
	w := newWorld(t, ours, ours)
	w.do(w.a.SetLink("lo", true))
	site := w.web(21)
	site.up(w)
	script, record := w.recorder("told")
	fifo := filepath.Join(w.lab.Dir, "lvs")
	w.do(unix.Mkfifo(fifo, 0o600))
	pipe := must(unix.Open(fifo, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0))(t)
	t.Cleanup(func() { unix.Close(pipe) })
	post := w.postbox(w.a, 2525)
	w.a.configure(fmt.Sprintf(`global_defs {
    router_id R1
    script_user root
    lvs_notify_fifo %[1]s
    smtp_server 127.0.0.1 2525
    notification_email {
        ops@example.com
    }
    smtp_alert
    rs_init_notifies
}
virtual_server 10.0.0.100 80 {
    lvs_sched rr
    lvs_method DR
    protocol TCP
    delay_loop 1
    warmup 0
    quorum_up "%[2]s quorum up"
    quorum_down "%[2]s quorum down"
    real_server 10.0.0.21 80 {
        notify_up "%[2]s server up"
        notify_down "%[2]s server down"
        TCP_CHECK {
            connect_timeout 10
            retry 0
        }
    }
}
`, fifo, script))
	w.a.start()
	text, buf := "", make([]byte, 4096)
	hears := func(line string, n int) {
		t.Helper()
		w.eventually(fmt.Sprintf("%q, %d times", line, n), func() bool {
			if n, err := unix.Read(pipe, buf); err == nil {
				text += string(buf[:n])
			}
			return strings.Count(text, line) == n
		})
	}
	const rs, vs = "[10.0.0.21]:tcp:80", "[10.0.0.100]:tcp:80"
	hears("RS "+rs+" "+vs+" UP\n\x00", 1)
	w.a.logs("Startup complete")
	site.down()
	hears("VS "+vs+" DOWN\n\x00", 1)
	site.up(w)
	hears("VS "+vs+" UP\n\x00", 1)
	w.eventually("four mails", func() bool { return len(post.got()) == 4 })
	w.a.stop()

	want := strings.NewReplacer("RS", "RS "+rs+" "+vs, "VS", "VS "+vs, "\n", "\n\x00").Replace("RS UP\nRS DOWN\nVS DOWN\nRS UP\nVS UP\n")
	if text != want {
		t.Errorf("lines\n%q, want\n%q", text, want)
	}
	told := lines(record)
	slices.Sort(told)
	if got := strings.Join(told, ", "); got != "quorum down, quorum up, server down, server up, server up" {
		t.Errorf("scripts: %s", got)
	}
	mails := post.got()
	for _, m := range []string{
		"[R1] Realserver " + rs + " of virtual server " + vs + " - DOWN => TCP CHECK failed on service <=",
		"[R1] Virtualserver " + vs + " - DOWN => Lost quorum 1-0=1 > 0 <=",
		"[R1] Realserver " + rs + " of virtual server " + vs + " - UP => TCP CHECK succeed on service <=",
		"[R1] Virtualserver " + vs + " - UP => Gained quorum 1+0=1 <= 1 <=",
	} {
		if !slices.Contains(mails, m) {
			t.Errorf("no mail %q: %q", m, mails)
		}
	}
	log := w.a.proc.Log()
	for _, phrase := range []string{
		"Starting Healthcheck child process, pid=",
		"TCP_CHECK on service " + rs + " failed.", "Removing service " + rs + " from VS " + vs, "Lost quorum 1-0=1 > 0 for VS " + vs,
		"TCP connection to " + rs + " success.", "Adding service " + rs + " to VS " + vs, "Gained quorum 1+0=1 <= 1 for VS " + vs,
		"Shutting down service " + rs + " from VS " + vs,
	} {
		if !strings.Contains(log, ": "+phrase) {
			t.Errorf("the log has no %q", phrase)
		}
	}
	if !exists(fifo) {
		t.Error("a FIFO that stood before is gone")
	}
	os.Remove(fifo)
}
