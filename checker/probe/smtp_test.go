package probe

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keepgo/checker"
)

// mail lets a script of a mail server answer: each of its texts is sent after
// a line of ours, the first one at once. It returns what we said.
func mail(texts ...string) func(net.Conn) string {
	return func(conn net.Conn) string {
		var said strings.Builder
		buf := make([]byte, 512)
		for i, text := range texts {
			if i > 0 {
				n, err := conn.Read(buf)
				if err != nil {
					return said.String()
				}
				said.Write(buf[:n])
			}
			if text != "" { // a pipe would wait for a reader
				io.WriteString(conn, text)
			}
		}
		return said.String()
	}
}

func TestSMTPDialogue(t *testing.T) {
	drip := func(text string, every time.Duration) func(net.Conn) string {
		return func(conn net.Conn) string {
			for {
				if _, err := io.WriteString(conn, text); err != nil {
					return ""
				}
				<-time.After(every)
			}
		}
	}
	// Of a pipe whose other end is closed nothing more is read, not even a deadline set.
	stays := func(server func(net.Conn) string) func(net.Conn) string {
		return func(conn net.Conn) string {
			said := server(conn)
			_, _ = conn.Read(make([]byte, 1))
			return said
		}
	}
	all := "HELO me\r\nQUIT\r\n"
	for name, tt := range map[string]struct {
		server           func(net.Conn) string
		during, why, got string
		within           time.Duration
	}{
		"by the book":         {mail("220 hi\r\n", "250 ok\r\n", "221 bye\r\n"), "", "", all, 0},
		"bare line feeds":     {mail("220 hi\n", "250 ok\n", "x\n"), "", "", all, 0},
		"ahead of us":         {stays(mail("220 hi\r\n250 ok\r\n221 x\r\n", "", "")), "", "", all, 0},
		"busy":                {mail("421 busy\r\n"), "Bad greeting banner from server", `it says "421 busy", wanted 220`, "", 0},
		"code alone":          {mail("220\r\n"), "Bad greeting banner from server", `it says "220", wanted 220`, "", 0},
		"several lines":       {mail("220 hi\r\n", "250-a\r\n250 b\r\n"), "Bad HELO response from server", `it says "250-a", wanted 250`, "HELO me\r\n", 0},
		"refuses":             {mail("220 hi\r\n", "550 no\r\n"), "Bad HELO response from server", `it says "550 no", wanted 250`, "HELO me\r\n", 0},
		"closes":              {mail(), "Bad greeting banner from server", "closed the connection", "", 0},
		"closes on QUIT":      {mail("220 hi\r\n", "250 ok\r\n", ""), "Read failure from server", "closed the connection", all, 0},
		"speaks binary":       {mail("\x16\x03\x01\n"), "Bad greeting banner from server", `it says "\x16\x03\x01", wanted 220`, "", 0},
		"never ends its line": {drip(strings.Repeat("x", 100), 0), "Bad greeting banner from server", "a line of more than 512 bytes", "", 0},
		"drips":               {drip("2", time.Second), "Bad greeting banner from server", "no answer within 5s", "", 5 * time.Second},
		"is silent":           {func(net.Conn) string { <-time.After(time.Hour); return "" }, "Bad greeting banner from server", "no answer within 5s", "", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				said := make(chan string, 1)
				go func() { said <- tt.server(theirs); theirs.Close() }()
				start := time.Now()
				during, err := dialogue(&steps{conn: ours, limit: 5 * time.Second}, "me")
				took := time.Since(start)
				ours.Close()
				why := ""
				if errors.Is(err, io.ErrClosedPipe) { // what a pipe says where a socket says EOF
					err = io.EOF
				}
				if err != nil {
					why = reason(err, 5*time.Second)
				}
				if during != tt.during || why != tt.why || took > tt.within {
					t.Errorf("%s: %s after %v; want %s: %s", during, why, took, tt.during, tt.why)
				}
				if got := <-said; got != tt.got {
					t.Errorf("said %q, want %q", got, tt.got)
				}
			})
		})
	}
}

func TestSMTP(t *testing.T) {
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mail("220 hi\r\n", "250 ok\r\n", "221 bye\r\n")(conn)
			conn.Close()
		}
	}()
	c := quick(checker.Probe{Kind: checker.SMTP, Target: netip.MustParseAddrPort(l.Addr().String()), Helo: "me"})
	c.Timeout = 5 * time.Second
	if o := outcome(t, c); o != "passed: said 250" {
		t.Error(o)
	}
	l.Close()
	if o := Once(t.Context(), c, 0); o.Why != "connection refused" || !strings.HasPrefix(o.Phrase, "SMTP_CHECK Could not connect to server [127.0.0.1]:") {
		t.Errorf("%+v", o)
	}
}

func FuzzSMTP(f *testing.F) {
	f.Add("220 a\r\n250 b\n221\r\n")
	f.Fuzz(func(t *testing.T, server string) {
		s := &steps{conn: &deaf{Reader: strings.NewReader(server)}, limit: time.Second}
		if during, err := dialogue(s, "me"); err == nil != (during == "") {
			t.Fatalf("%q with %v", during, err)
		} else if err == nil && (!strings.HasPrefix(server, "220 ") || !strings.Contains(server, "\n250 ")) {
			t.Fatalf("%q passed", server)
		}
	})
}

// deaf is a connection to a server that says the same whatever it hears.
type deaf struct{ io.Reader }

func (*deaf) Write(b []byte) (int, error) { return len(b), nil }
func (*deaf) SetDeadline(time.Time) error { return nil }
