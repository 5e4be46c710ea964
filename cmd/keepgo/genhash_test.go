package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// pageServer answers every request with the same bytes, and notes the last.
func pageServer(t *testing.T, answer string) (port string, asked chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	asked = make(chan string, 8)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 4096)
			n, _ := c.Read(b)
			asked <- string(b[:n])
			fmt.Fprint(c, answer)
			c.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(ln.Addr().String())
	return port, asked
}

// TestGenhash: the digest is that of the body, up to its length, as that of
// keepalived's genhash.
func TestGenhash(t *testing.T) {
	const ok, hello = "HTTP/1.0 200 OK\r\n", "b1946ac92492d2347c6235b4d2611184"
	for _, c := range []struct{ name, answer, want, fails string }{
		{"plain", ok + "\r\nhello\n", hello, ""},
		{"length", ok + "Content-Length: 6\r\n\r\nhello\nand more", hello, ""},
		{"too long a length", ok + "content-length: 60\r\n\r\nhello\n", hello, ""},
		{"no body", ok + "\r\n", "d41d8cd98f00b204e9800998ecf8427e", ""},
		{"no header", "hello\n", "", "has no header"},
		{"nothing", "", "", "has no header"},
	} {
		port, asked := pageServer(t, c.answer)
		args := []string{"-s", "127.0.0.1", "-p", port, "-u", "/page", "-V", "example.org"}
		var out, errs bytes.Buffer
		code := run(append([]string{"genhash"}, args...), &out, &errs)
		if c.fails != "" {
			if code == exitOK || !strings.Contains(errs.String(), c.fails) {
				t.Errorf("%s: %d, %q", c.name, code, errs.String())
			}
			continue
		}
		if code != exitOK || out.String() != c.want+"\n" {
			t.Errorf("%s: %d, %q, %q", c.name, code, out.String(), errs.String())
		}
		request := <-asked
		if theirs, err := exec.Command("genhash", args...).Output(); err == nil {
			if string(theirs) != out.String() || c.name == "plain" && <-asked != request {
				t.Errorf("%s: keepalived's says %q", c.name, theirs)
			}
		}
		if want := "GET /page HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: example.org\r\n\r\n"; request != want {
			t.Errorf("%s: asked %q, want %q", c.name, request, want)
		}
	}
}

// TestGenhashTLS: over TLS, whoever answers; and by keepalived's -T.
func TestGenhashTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Proto, r.TLS.ServerName) }))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	var out, errs bytes.Buffer
	code := run([]string{"keepalived", "-T", "-v", "-S", "-I", "-V", "example.org", "-P", "1.1", "-s", "127.0.0.1", "-p", port, "-u", "/"}, &out, &errs)
	if code != exitOK || !strings.Contains(out.String(), "|HTTP/1.1 example") {
		t.Errorf("%d, %s, %s", code, out.String(), errs.String())
	}
}

func TestGenhashRefuses(t *testing.T) {
	good := []string{"genhash", "-s", "127.0.0.1", "-p", "80", "-u", "/"}
	for _, more := range [][]string{{"-s", "localhost"}, {"-p", "0"}, {"-p", "99999"}, {"-u", ""}, {"-P", "2"}, {"-V", "a\r\nb"}, {"more"}, {"-Z"}} {
		var out, errs bytes.Buffer
		if code := run(slices.Concat(good, more), &out, &errs); code == exitOK || errs.Len() == 0 || out.Len() > 0 {
			t.Errorf("%q: %d, %q, %q", more, code, out.String(), errs.String())
		}
	}
}
