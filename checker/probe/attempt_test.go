package probe

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/checker"
)

// lone is a crew for one attempt.
type lone struct {
	attempt *attempt
	poller  *poller
	over    chan checker.Outcome
}

// wake implements crew.
func (l *lone) wake() bool {
	l.poller.lead([]*attempt{l.attempt}, l)
	return false
}

// attempted implements crew.
func (l *lone) attempted(_ *attempt, o checker.Outcome) { l.over <- o }

// stream implements crew, as the Runner does.
func (l *lone) stream(a *attempt) {
	go func() { l.over <- a.stream(context.Background()) }()
}

// led makes a probe by way of the poller.
func led(t *testing.T, c *checker.Check) checker.Outcome {
	t.Helper()
	if !plain(c, 0) {
		t.Fatal("not a plain probe")
	}
	l := &lone{poller: newPoller(), over: make(chan checker.Outcome, 1), attempt: &attempt{check: c, fd: -1, place: -1}}
	if l.poller == nil {
		t.Fatal("no poller")
	}
	go l.poller.serve(l)
	l.poller.turn.set(0)
	defer l.poller.close()
	select {
	case o := <-l.over:
		return o
	case <-time.After(30 * time.Second):
		t.Fatal("no outcome")
	}
	return checker.Outcome{}
}

// serve has a server answer every connection by a function.
func serve(t *testing.T, server func(net.Conn)) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); server(conn) }()
		}
	}()
	return l.Addr().String()
}

// alike compares what a poller and a goroutine make of the same server.
func alike(t *testing.T, c *checker.Check, server func(net.Conn)) checker.Outcome {
	t.Helper()
	c.Probe.Target = netip.MustParseAddrPort(serve(t, server))
	o, want := led(t, c), Once(t.Context(), c, 0)
	if o != want {
		t.Errorf("the poller says %+v\nwant %+v", o, want)
	}
	return o
}

// TestAttempts: a probe says the same whether a goroutine makes it or a poller.
func TestAttempts(t *testing.T) {
	ok := "HTTP/1.0 200 OK\r\n\r\n"
	long := strings.Repeat("0123456789", 20<<10)
	for name, tt := range map[string]struct {
		reply string
		url   checker.URL
		want  checker.Answer
	}{
		"to the end":             {ok + "hello", checker.URL{Digest: sum("hello")}, checker.Passed},
		"to its length":          {"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello world", checker.URL{Digest: sum("hello")}, checker.Passed},
		"no body":                {"HTTP/1.0 204 No\r\nContent-Length: 0\r\n\r\n", checker.URL{}, checker.Passed},
		"wrong digest":           {ok + "hello", checker.URL{Digest: sum("bye")}, checker.Failed},
		"503":                    {"HTTP/1.0 503 No\r\nContent-Length: 9\r\n\r\n", checker.URL{}, checker.Failed},
		"short body":             {"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello", checker.URL{}, checker.Passed},
		"absurd length":          {"HTTP/1.0 200 OK\r\nContent-Length: -3\r\n\r\nhello", checker.URL{Digest: sum("hello")}, checker.Passed},
		"long":                   {ok + long, checker.URL{Digest: sum(long)}, checker.Passed},
		"longer than it is kept": {"HTTP/1.0 200 OK\r\nContent-Length: 204800\r\n\r\n" + long, checker.URL{Digest: sum(long)}, checker.Passed},
		"beyond what is read":    {"HTTP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\nhello", checker.URL{}, checker.Passed},
		"endless header":         {"HTTP/1.0 200 OK\r\n" + strings.Repeat("A: b\r\n", 20<<10), checker.URL{}, checker.Failed},
		"no answer":              {"", checker.URL{}, checker.Failed},
		"header cut":             {"HTTP/1.0 200 OK\r\nA:", checker.URL{}, checker.Failed},
		"garbage":                {"\x00\x01SSH-2.0-x\r\n\r\n", checker.URL{}, checker.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			tt.url.Path = "/x"
			if o := alike(t, webCheck("", tt.url), reply(tt.reply)); o.Answer != tt.want {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestAttemptInPieces: an answer may arrive cut anywhere.
func TestAttemptInPieces(t *testing.T) {
	text := "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	for cut := 1; cut < len(text); cut++ {
		c := webCheck(serve(t, func(conn net.Conn) {
			swallow(conn)
			io.WriteString(conn, text[:cut])
			<-time.After(time.Millisecond)
			io.WriteString(conn, text[cut:])
			io.Copy(io.Discard, conn) // it does not end the connection
		}), checker.URL{Path: "/x", Digest: sum("hello")})
		if o := led(t, c); o.Answer != checker.Passed {
			t.Errorf("cut after %d: %s", cut, o.Why)
		}
	}
}

// TestAttemptIsBounded meets servers that would keep or feed a probe for ever.
func TestAttemptIsBounded(t *testing.T) {
	t.Parallel()
	drip := func(first, piece string) func(net.Conn) {
		return func(conn net.Conn) {
			swallow(conn)
			for _, err := io.WriteString(conn, first); err == nil; _, err = io.WriteString(conn, piece) {
				<-time.After(10 * time.Millisecond)
			}
		}
	}
	for name, tt := range map[string]struct {
		server func(net.Conn)
		want   string
	}{
		"never answers":   {func(c net.Conn) { swallow(c); io.Copy(io.Discard, c) }, "no answer within 1s (/x)"},
		"header drips":    {drip("HTTP/1.0 200 OK\r\n", "x"), "answer not complete within 4.1s (/x)"},
		"body drips":      {drip("HTTP/1.0 200 OK\r\n\r\n", "x"), "answer not complete within 4.1s (/x)"},
		"long body drips": {drip("HTTP/1.0 200 OK\r\n\r\n"+strings.Repeat("x", maxKept), "x"), "answer not complete within 4.1s (/x)"},
		"resets":          {func(c net.Conn) { swallow(c); c.(*net.TCPConn).SetLinger(0) }, "connection reset by peer (/x)"},
		"resets half way": {func(c net.Conn) {
			swallow(c)
			io.WriteString(c, "HTTP/1.0 200 OK\r\nA")
			<-time.After(50 * time.Millisecond)
			c.(*net.TCPConn).SetLinger(0)
		}, "connection reset by peer (/x)"},
		"says it unasked":  {func(c net.Conn) { io.WriteString(c, "HTTP/1.0 500 No\r\n\r\n"); io.Copy(io.Discard, c) }, "status 500, wanted 200-299 (/x)"},
		"floods unasked":   {func(c net.Conn) { c.Write(bytes.Repeat([]byte("x"), 1<<20)) }, "no complete header within 64 KiB (/x)"},
		"is silent at all": {func(c net.Conn) { <-time.After(20 * time.Second) }, "no answer within 1s (/x)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := webCheck("", checker.URL{Path: "/x"})
			c.Timeout, c.Interval = time.Second, 100*time.Millisecond
			c.Probe.Target = netip.MustParseAddrPort(serve(t, tt.server))
			if o := led(t, c); o.Answer != checker.Failed || o.Why != tt.want {
				t.Errorf("%s\nwant %s", o.Why, tt.want)
			}
		})
	}
}

func TestAttemptOfTCP(t *testing.T) {
	t.Parallel()
	closed := listen(t)
	closed.Close()
	full, _ := fullListener(t)
	bound := tcpCheck(closed.Addr().String())
	bound.Probe.Bind = netip.MustParseAddrPort("192.0.2.1:0")
	for name, c := range map[string]*checker.Check{
		"connects": tcpCheck(serve(t, func(net.Conn) {})), "speaks first": tcpCheck(serve(t, func(c net.Conn) { io.WriteString(c, "220 hello") })),
		"refused": tcpCheck(closed.Addr().String()), "never accepts": full, "from no address of ours": bound,
		"IPv6, no route": tcpCheck("[2001:db8::1]:80"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.Timeout = 30 * time.Second; c == full {
				c.Timeout = time.Second
			}
			if o, want := led(t, c), Once(t.Context(), c, 0); o != want {
				t.Errorf("the poller says %+v\nwant %+v", o, want)
			}
		})
	}
}

// TestAttemptWaitsForTheHandshake: it comes to an end with a SYN that is sent
// again.
func TestAttemptWaitsForTheHandshake(t *testing.T) {
	t.Parallel()
	c, listener := fullListener(t)
	c.Timeout = time.Minute
	if err := syscall.SetNonblock(listener, true); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { // make room
		for fd, _, err := syscall.Accept(listener); err == nil; fd, _, err = syscall.Accept(listener) {
			syscall.Close(fd)
		}
	})
	if o := led(t, c); o.Answer != checker.Passed {
		t.Errorf("%+v", o)
	}
}

// TestRunnerLeadsAttempts: the Runner repeats probes by its poller, and calls one
// off that waits.
func TestRunnerLeadsAttempts(t *testing.T) {
	t.Parallel()
	said := make(chan string, 64)
	server := func(conn net.Conn) { said <- swallow(conn); io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n") }
	c := webCheck(serve(t, server), checker.URL{Path: "/x"})
	c.Interval = 20 * time.Millisecond
	mute := webCheck(serve(t, func(conn net.Conn) { swallow(conn); said <- "waits"; io.Copy(io.Discard, conn); said <- "called off" }), checker.URL{Path: "/x"})
	mute.ID, mute.Timeout = 1, time.Hour
	r := NewRunner(Options{})
	defer r.Close()
	hear := func(want string) {
		t.Helper()
		for deadline := time.After(30 * time.Second); ; {
			select {
			case got := <-said:
				if got == want {
					return
				}
			case <-deadline:
				t.Fatalf("nobody said %q", want)
			}
		}
	}
	r.Set([]checker.Check{*c, *mute})
	hear("waits")
	for range 5 {
		hear(string(request("", &c.Probe.Web.URLs[0])))
	}
	if got := r.Take(nil); len(got) != 1 || got[0].ID != 0 || !got[0].Up {
		t.Errorf("took %+v", got)
	}
	r.Set([]checker.Check{*c})
	hear("called off")
	r.Set(nil)
	if n := r.Count(); n.Busy > 1 || n.Checks != 0 {
		t.Errorf("%+v", n)
	}
}
